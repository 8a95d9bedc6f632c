"""Visual intelligence for influencer marketing: niche, people, products, engagement, reactions from one pass.

Importing this loads no heavy library; names are fetched when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from postlens.version import __version__

if TYPE_CHECKING:
    from postlens.config import Settings
    from postlens.errors import PostlensError
    from postlens.pipelines.lens import Lens
    from postlens.types import PostAnalysis

_HOMES = {
    "Lens": "postlens.pipelines.lens",
    "PostAnalysis": "postlens.types",
    "PostlensError": "postlens.errors",
    "Settings": "postlens.config",
}

__all__ = ["Lens", "PostAnalysis", "PostlensError", "Settings", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'postlens' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
