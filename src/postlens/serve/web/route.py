"""A route of the web page: signed in where keys are needed, and told in HTML what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.types import Scope as ASGIScope

from postlens.errors import PostlensError
from postlens.serve.errors import Problem, problem_of, problem_of_status
from postlens.serve.security import SAFE, Scope
from postlens.serve.web.campaigns import StillReadingError
from postlens.serve.web.guard import keep_token
from postlens.serve.web.names import for_pages, without_folders
from postlens.serve.web.rendering import render
from postlens.serve.web.session import caller_of

MOST_WHERE = 2000  # characters of an address that signing in leads back to; of a longer one its path
RELOAD_S = 3  # a page that waits for the campaign asks again after so long

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Anything(PathConvertor):
    """The rest of an address, line breaks included: ids hold what a source calls its accounts."""

    regex = r"[\s\S]*"


register_url_convertor("anything", Anything())


class OpenRoute(APIRoute):
    """A route for everybody."""

    needs: ClassVar[Scope | None] = None

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        """As the framework's, which answers GET alone: what is shown is asked for by HEAD, too."""
        methods = set(more.pop("methods", None) or ["GET"])
        super().__init__(path, endpoint, methods=methods | ({"HEAD"} if "GET" in methods else set()), **more)

    def get_route_handler(self) -> Handler:
        """The handler with the check before it, errors as pages, and the cookie of forms."""
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response = await _answered(answer, request, self.needs)
            keep_token(request, response)
            return response

        return handler


class WebRoute(OpenRoute):
    """A route that shows something."""

    needs: ClassVar[Scope | None] = "read"


class WriteRoute(OpenRoute):
    """A route that changes something."""

    needs: ClassVar[Scope | None] = "write"


class AdminRoute(OpenRoute):
    """A route that deletes something for good."""

    needs: ClassVar[Scope | None] = "admin"


async def _answered(answer: Handler, request: Request, needs: Scope | None) -> Response:
    try:
        return await _refused(request, needs) or await answer(request)
    except StillReadingError:
        response = render(request, "reading")
        response.headers["Refresh"] = str(RELOAD_S)
        return response
    except PostlensError as error:
        return problem_page(request, problem_of(error))
    except RequestValidationError as error:
        words = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return problem_page(request, Problem("invalid", words))
    except HTTPException as error:
        return problem_page(request, problem_of_status(error))


async def _refused(request: Request, needs: Scope | None) -> Response | None:
    """The way to the form that takes a key, where one is needed. Raises `Problem` for a key that is not enough."""
    caller = await caller_of(request)
    if needs is None or (caller is not None and caller.may(needs)):
        return None
    if caller is not None:
        raise Problem("scope-missing", f"this needs a key of scope {needs}; sign in with another key")
    if request.method not in SAFE or "text/html" not in request.headers.get("accept", ""):
        raise Problem("key-missing", "this needs a key; sign in first")
    path = quote(request.scope["path"].encode("utf-8", "replace"), safe="/:@")
    asked = path + (f"?{request.url.query}" if request.url.query else "")
    where = next(one for one in (asked, path, "/") if len(one) <= MOST_WHERE)
    return RedirectResponse(f"/web/login?{urlencode({'where': where})}", 303)


def problem_page(request: Request, problem: Problem) -> Response:
    """A page that says what went wrong, with the status of the problem."""
    detail = for_pages(without_folders(str(problem.detail)))
    status, title = problem.kind.status, problem.kind.title
    response = render(request, "problem", status=status, title=title, detail=detail, back=_back(request))
    if status in (429, 503):
        response.headers["Retry-After"] = "1"
    response.headers.update(problem.headers or {})
    return response


def _back(request: Request) -> str:
    """The page that led here, where it is one of ours; else the overview."""
    came = urlsplit(request.headers.get("referer", ""))
    is_ours = came.netloc == request.headers.get("host") and came.path != request.scope["path"]
    return urlunsplit(("", "", came.path, came.query, "")) if is_ours and is_page(came.path) else "/"


def is_page(path: str) -> bool:
    """Whether an address is one of the web page, and not of the API."""
    return path == "/" or path.startswith("/web/")


def told(scope: ASGIScope, problem: Problem) -> Response:
    """A problem that is met before or beside the routes: a page for who reads pages, else the document."""
    request = Request(scope)
    if is_page(scope["path"]) and "text/html" in request.headers.get("accept", ""):
        return problem_page(request, problem)
    return problem.response()
