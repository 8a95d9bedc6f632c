"""Pictures of the store, and the page's own style and scripts."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, Response

from postlens.serve.errors import Problem
from postlens.serve.web.pictures import face_jpeg, media_jpeg, person_jpeg, picture_answer
from postlens.serve.web.rendering import STATIC, static_bytes
from postlens.serve.web.route import WebRoute
from postlens.serve.web.shared import InContext

YEAR_S = 31_536_000  # addresses of static files change with their content

router = APIRouter(route_class=WebRoute)
open_router = APIRouter()  # what a page needs before anybody has signed in


@open_router.api_route("/web/static/{name}", methods=["GET", "HEAD"])
def static(name: str) -> Response:
    """A file of the page itself."""
    if name not in STATIC:
        raise Problem("not-found", f"there is no file {name!r}")
    headers = {"Cache-Control": f"public, max-age={YEAR_S}, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(static_bytes(name), headers=headers, media_type=STATIC[name])


@router.get("/web/media/{sha256}.jpg")
def media(request: Request, context: InContext, sha256: str) -> Response:
    """The thumbnail of a media file."""
    return picture_answer(request, media_jpeg(context.store, sha256), tag=sha256[:32])


@router.get("/web/faces/{sha256}/{number}.jpg")
def face(request: Request, context: InContext, sha256: str, number: int) -> Response:
    """The best face of a track."""
    return _answer(request, face_jpeg(context.store, f"{sha256}:{number}"))


@router.get("/web/people/{person_id}/face.jpg")
def person_face(request: Request, context: InContext, person_id: str) -> Response:
    """The best face of a person."""
    return _answer(request, person_jpeg(context.store, person_id))


def _answer(request: Request, jpeg: bytes) -> Response:
    return picture_answer(request, jpeg, tag=hashlib.sha256(jpeg).hexdigest()[:32])
