"""Signing in with a key where the server needs one, and signing out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from postlens.serve.web.guard import own_form
from postlens.serve.web.rendering import render
from postlens.serve.web.route import MOST_WHERE, OpenRoute
from postlens.serve.web.session import caller_by_key, sign_in, sign_out
from postlens.serve.web.shared import InContext

router = APIRouter(route_class=OpenRoute)


@router.get("/web/login")
def form(request: Request, where: Annotated[str, Query(max_length=MOST_WHERE)] = "/") -> Response:
    """The form that takes a key."""
    return render(request, "login", where=inside(where), wrong=False)


@router.post("/web/login", dependencies=[Depends(own_form)])
async def login(
    request: Request,
    context: InContext,
    key: Annotated[str, Form(max_length=500)],
    where: Annotated[str, Form(max_length=MOST_WHERE)] = "/",
) -> Response:
    """Open a session for a key that counts."""
    if await caller_by_key(context.keys, key.strip()) is None:
        return render(request, "login", status=401, where=inside(where), wrong=True)
    response = RedirectResponse(inside(where), 303)
    sign_in(request, response, key.strip())
    return response


@router.post("/web/logout", dependencies=[Depends(own_form)])
async def logout(request: Request) -> Response:
    """End the session."""
    response = RedirectResponse("/web/login", 303)
    sign_out(request, response)
    return response


def inside(where: str) -> str:
    """A place of this page; anything else is the overview, so that no link leads to another site by signing in."""
    is_ours = where.startswith("/") and not where.startswith(("//", "/\\")) and where.isprintable()
    return where if is_ours else "/"
