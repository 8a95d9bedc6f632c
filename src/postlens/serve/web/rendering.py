"""A template and its values to an answer in HTML, under a policy that lets nothing run but the page's own script."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from postlens.pipelines.report.numbers import count, lift, percent, seconds
from postlens.serve.security import Caller, Scope
from postlens.serve.web.charts import forecast_bar, forecast_history, share_bar
from postlens.serve.web.guard import token_of
from postlens.serve.web.names import path_part
from postlens.version import __version__

STATIC = {
    "web.css": "text/css",
    "web.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",  # pages hold faces and captions
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SECTIONS = (
    ("overview", "/", "Overview"),
    ("creators", "/web/creators", "Creators"),
    ("people", "/web/people", "People"),
    ("posts", "/web/posts", "Posts"),
    ("reactions", "/web/reactions", "Reactions"),
    ("duplicates", "/web/duplicates", "Duplicates"),
    ("failures", "/web/failures", "Failures"),
    ("analyze", "/web/analyze", "Analyze"),
)


@cache
def environment() -> Environment:
    """The templates with what they may call."""
    found = Environment(
        loader=PackageLoader("postlens.serve.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(count=count, percent=percent, lift=lift, seconds=seconds, path=path_part, plural=plural)
    found.globals.update(
        sections=SECTIONS,
        static=static_address,
        share_bar=share_bar,
        forecast_bar=forecast_bar,
        forecast_history=forecast_history,
        version=__version__,
    )
    return found


def render(request: Request, template: str, *, section: str = "", status: int = 200, **values: Any) -> HTMLResponse:
    """The page of a template; `section`: which entry of the navigation it belongs to."""
    text = (
        environment()
        .get_template(f"{template}.html.j2")
        .render(
            section=section,
            csrf=token_of(request),
            query=dict(request.query_params),
            with_query=lambda **changes: changed_query(request.query_params, **changes),
            signed_in=getattr(request.state, "signed_in", False),
            may_write=_may(request, "write"),
            may_admin=_may(request, "admin"),
            **values,
        )
    )
    return HTMLResponse(text.encode("utf-8", "replace"), status, HEADERS)


def _may(request: Request, needed: Scope) -> bool:
    """Whether buttons that need this scope are shown; routes check it anew."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return caller is not None and caller.may(needed)


def changed_query(params: Mapping[str, str], **changes: str | int | None) -> str:
    """The query of this page with some values set, or left out where they are `None`; begins with `?`."""
    kept = {key: value for key, value in params.items() if value} | changes
    return "?" + urlencode({key: value for key, value in kept.items() if value is not None})


def plural(number: int, one: str, many: str | None = None) -> str:
    """`3 posts`, `1 post`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@cache
def static_bytes(name: str) -> bytes:
    """A static file; `name` is one of STATIC."""
    return files("postlens.serve.web").joinpath("static", name).read_bytes()


@cache
def static_address(name: str) -> str:
    """Where a static file is served, with a number that changes with its content."""
    return f"/web/static/{name}?v={hashlib.sha256(static_bytes(name)).hexdigest()[:12]}"
