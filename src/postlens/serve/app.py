"""Settings to the web application: routes, what stands before them, and errors as problem documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from postlens.errors import PostlensError
from postlens.serve.context import Context
from postlens.serve.errors import Problem, problem_of, problem_of_status
from postlens.serve.routes import health
from postlens.serve.settings import ServeSettings
from postlens.version import __version__

SUMMARY = "Niche, people, products, engagement and reactions of creators' posts."


def create_app(settings: ServeSettings) -> FastAPI:
    """The application; the store is opened, and models are loaded, when it starts (`app.state.context`)."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        app.state.context = await run_sync(Context, settings)
        try:
            app.state.context.start()
            yield
        finally:
            await run_sync(app.state.context.close)

    app = FastAPI(title="postlens", summary=SUMMARY, version=__version__, lifespan=running)
    app.state.settings = settings
    app.include_router(health.router)
    _tell_problems(app)
    return app


def _tell_problems(app: FastAPI) -> None:
    """Answer with problem documents whatever goes wrong."""

    @app.exception_handler(PostlensError)
    async def ours(_request: Request, error: PostlensError) -> Response:
        return problem_of(error).response()

    @app.exception_handler(HTTPException)
    async def theirs(_request: Request, error: HTTPException) -> Response:
        return problem_of_status(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        wrong = [{"where": ".".join(map(str, one["loc"])), "message": one["msg"]} for one in error.errors()]
        return Problem(
            "invalid", "; ".join(f"{one['where']}: {one['message']}" for one in wrong), errors=wrong
        ).response()
