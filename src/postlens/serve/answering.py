"""How routes answer: from one state of the store with an ETag, and in the form that the documentation declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from postlens.serve.context import Context, State, context_of
from postlens.serve.errors import KINDS, MEDIA_TYPE
from postlens.serve.listing import Paging

Here = Annotated[Context, Depends(context_of)]
_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemOut"}
ANY: Final = "*"  # in If-None-Match: whatever is there
CACHED: Final = "private, no-cache"  # kept by the client, and asked for again each time


def paging(
    context: Here,
    limit: Annotated[
        int | None, Query(ge=1, description="Rows of the page, at most the server's max_page_size.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=4096, description="next_cursor of the page before.")] = None,
    sort: Annotated[str, Query(max_length=80, description="What to sort by; - before it: from high to low.")] = "",
) -> Paging:
    """Which part of a list is asked for; a dependency of routes."""
    serving = context.serving
    return Paging(min(limit or serving.page_size, serving.max_page_size), cursor, sort)


Paged = Annotated[Paging, Depends(paging)]


async def answer(request: Request, context: Context, make: Callable[[State], BaseModel]) -> Response:
    """What is made of the store's state, with its ETag; 304 where the client has it already."""

    def etag_of(revision: int) -> dict[str, str]:
        etag = context.etag_of(revision, request.url.path, request.url.query)
        return {"ETag": etag, "Cache-Control": CACHED}

    asked = request.headers.get("if-none-match", "")
    if asked.strip() not in ("", ANY):
        headers = etag_of(await context.run(context.revision))
        if is_known(asked, headers["ETag"]):
            return Response(status_code=304, headers=headers)
    state = await context.answers()
    body = await context.run(lambda: make(state).model_dump_json().encode("utf-8", "replace"))
    headers = etag_of(state.revision)
    if asked.strip() == ANY:  # it is there, or `make` would have raised
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def is_known(asked: str, etag: str) -> bool:
    """Whether If-None-Match names the ETag (RFC 9110, 13.1.2: by weak comparison)."""
    return etag in (one.strip().removeprefix("W/") for one in asked.split(","))


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """What routes declare of the problems that they answer with."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        kind = KINDS[code]
        known = found.setdefault(kind.status, {"description": "", "content": {MEDIA_TYPE: {"schema": _PROBLEM}}})
        known["description"] = "; ".join(filter(None, (known["description"], f"`{code}`: {kind.title}")))
    return found


# What stands before all routes, and what any look at the store may end with.
ALWAYS: Final = (
    "bad-request", "bad-host", "key-missing", "key-invalid", "scope-missing", "too-large", "rate-limited", "internal",
)  # fmt: skip
STORE: Final = (*ALWAYS, "invalid", "store-locked", "store-failed", "timed-out")
CHANGES: Final = (
    *STORE, "origin-refused", "body-timeout", "busy", "not-found", "conflict", "forgotten", "store-full",
)  # fmt: skip
UPLOADS: Final = (
    *STORE, "origin-refused", "bad-multipart", "body-timeout", "too-many-parts", "unsupported-media",
    "media-damaged", "busy", "not-ready", "store-full", "urls-off", "address-refused", "fetch-failed",
)  # fmt: skip
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The client has this answer already."}}
