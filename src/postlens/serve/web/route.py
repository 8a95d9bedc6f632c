"""A route of the web page: signed in where keys are needed, and told in HTML what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from postlens.errors import PostlensError
from postlens.serve.errors import Problem, problem_of, problem_of_status
from postlens.serve.web.campaigns import StillReadingError
from postlens.serve.web.guard import keep_token
from postlens.serve.web.names import without_folders
from postlens.serve.web.rendering import render

RELOAD_S = 3  # a page that waits for the campaign asks again after so long

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class WebRoute(APIRoute):
    """The class of all routes of the page."""

    def get_route_handler(self) -> Handler:
        """The handler with errors as pages, and with the cookie of forms."""
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response = await _answered(answer, request)
            keep_token(request, response)
            return response

        return handler


async def _answered(answer: Handler, request: Request) -> Response:
    try:
        return await answer(request)
    except StillReadingError:
        response = render(request, "reading", status=200)
        response.headers["Refresh"] = str(RELOAD_S)
        return response
    except PostlensError as error:
        return problem_page(request, problem_of(error))
    except RequestValidationError as error:
        words = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return problem_page(request, Problem("invalid", words))
    except HTTPException as error:
        return problem_page(request, problem_of_status(error))


def problem_page(request: Request, problem: Problem) -> Response:
    """A page that says what went wrong, with the status of the problem."""
    detail = without_folders(str(problem.detail))
    response = render(request, "problem", status=problem.kind.status, title=problem.kind.title, detail=detail)
    response.headers.update(problem.headers or {})
    return response
