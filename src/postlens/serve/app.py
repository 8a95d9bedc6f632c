"""Settings to the web application: what stands before the routes, the routes, and errors as problem documents."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from postlens.errors import PostlensError
from postlens.serve.context import Context
from postlens.serve.errors import Problem, problem_of, problem_of_status
from postlens.serve.heads import HeadAsGet
from postlens.serve.limits import Guard
from postlens.serve.metrics import Edge, Metrics
from postlens.serve.routes.api import SUMMARY, TAKES_FILES, add_routes
from postlens.serve.settings import ServeSettings
from postlens.serve.web import routes as web
from postlens.serve.web.route import told
from postlens.serve.web.session import session_key
from postlens.version import __version__

FILE_PATHS = frozenset({*TAKES_FILES, "/web/analyze"})  # whose bodies may be as large as files
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
EXPOSED = ("ETag", "Location", "Retry-After", "X-Request-ID")  # headers that pages of other origins may read


def create_app(settings: ServeSettings) -> FastAPI:
    """The application; the store is opened, and models are loaded, when it starts (`app.state.context`)."""
    metrics = Metrics()

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        app.state.context = await run_sync(Context, settings, metrics)
        try:
            await run_sync(app.state.context.start)
            yield
        finally:
            await run_sync(app.state.context.close)

    app = FastAPI(
        title="postlens", summary=SUMMARY, version=__version__, lifespan=running, docs_url=None, redoc_url=None
    )
    app.state.settings = settings
    add_routes(app)
    app.include_router(web.router)
    _tell_problems(app)
    _guard(app, settings, metrics)
    return app


def _guard(app: FastAPI, settings: ServeSettings, metrics: Metrics) -> None:
    """What requests pass before a route: the last added is the first met."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        Guard,
        settings=settings,
        ring=lambda: app.state.context.keys,
        file_paths=FILE_PATHS,
        tell=told,
        session=lambda scope: session_key(Request(scope)),
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "If-None-Match"],
            expose_headers=list(EXPOSED),
        )
    app.add_middleware(Edge, metrics=metrics)


def _tell_problems(app: FastAPI) -> None:
    """Answer with problem documents whatever goes wrong."""

    @app.exception_handler(PostlensError)
    async def ours(request: Request, error: PostlensError) -> Response:
        return told(request.scope, problem_of(error))

    @app.exception_handler(OSError)
    async def disk(request: Request, error: OSError) -> Response:
        if error.errno not in NO_ROOM:
            raise error
        return told(
            request.scope, Problem("store-full", "expected room on the server's disk, it has none; try again later")
        )

    @app.exception_handler(HTTPException)
    async def theirs(request: Request, error: HTTPException) -> Response:
        return told(request.scope, problem_of_status(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        wrong = [{"where": ".".join(map(str, one["loc"])), "message": one["msg"]} for one in error.errors()]
        told = "; ".join(f"{one['where']}: {one['message']}" for one in wrong)
        return Problem("invalid", told, errors=wrong).response()
