"""What answers depend on beside the store: the version, models, files and settings, as one digest for ETags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from postlens.config import Settings
from postlens.serve.settings import ServeSettings
from postlens.version import __version__
from postlens.vision.zoo import list_models

ONLY_SPEED = {"workers", "commit_every"}  # settings that change no answer


def basis_of(serving: ServeSettings) -> str:
    """64 hex digits that change with whatever may change an answer about the same store."""
    settings = serving.downloads
    digest = hashlib.sha256()
    words = [__version__, settings.model_dump_json(exclude=ONLY_SPEED), serving.page_size, serving.max_page_size]
    words += sorted(spec.fingerprint for spec in list_models())
    words += [word for path in paths_of(settings) for word in _contents(path)]
    for word in words:
        digest.update(f"{word}\n".encode())
    return digest.hexdigest()


def paths_of(settings: Settings) -> Iterator[Path]:
    """Files and folders that settings name."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        yield from (one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Path))


def _contents(path: Path) -> Iterator[str]:
    """Names and digests of a file, or of all files in a folder; nothing of what is not there."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            with file.open("rb") as opened:
                yield f"{file.relative_to(path)} {hashlib.file_digest(opened, 'sha256').hexdigest()}"
