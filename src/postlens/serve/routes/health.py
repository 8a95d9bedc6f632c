"""Whether the server lives, and whether it can answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from postlens.serve.context import Context, context_of
from postlens.serve.errors import Problem
from postlens.serve.schemas import Health
from postlens.version import __version__

router = APIRouter(tags=["server"])


@router.get("/health/live")
async def live() -> Health:
    """Whether the server answers at all, for what restarts it."""
    return Health(status="ok", version=__version__)


@router.get("/health")
async def health(context: Annotated[Context, Depends(context_of)]) -> Health:
    """Whether models and store are there to answer, for what sends it requests."""
    if not context.is_ready:
        raise Problem("not-ready", "expected models to be loaded, they are being loaded; try again in a second")
    return Health(status="ok", version=__version__)
