"""Whether the server lives, whether it can answer, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Response

from postlens.serve.answering import ALWAYS, Here, problems
from postlens.serve.errors import Problem
from postlens.serve.schemas import Health
from postlens.serve.security import ReadRoute
from postlens.version import __version__

router = APIRouter(tags=["server"])
figures = APIRouter(route_class=ReadRoute, tags=["server"])
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/health/live", responses=problems("internal"))
async def live() -> Health:
    """Whether the server answers at all, for what restarts it. Needs no key."""
    return Health(status="ok", version=__version__)


@router.get("/health", responses=problems("internal", "not-ready", "store-failed"))
async def health(context: Here) -> Health:
    """Whether models are loaded and the store can be read, for what sends it requests. Needs no key."""
    if context.workers.error is not None:
        raise Problem("not-ready", "expected models to be loaded, got an error; look at the server's log")
    if not context.is_ready:
        raise Problem("not-ready", "expected models to be loaded, they are being loaded; try again in a second")
    await context.probe()
    return Health(status="ok", version=__version__)


@figures.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {PROMETHEUS: {"schema": {"type": "string"}}}}, **problems(*ALWAYS)},
)
async def metrics(context: Here) -> Response:
    """Figures for Prometheus: requests by route, their seconds, batches, queues, jobs."""
    found = context.metrics
    found.waiting.set(context.workers.n_waiting)
    found.ready.set(int(context.is_ready))
    found.jobs.set(await context.run(context.jobs.n_open))
    return Response(found.text(), media_type=PROMETHEUS)
