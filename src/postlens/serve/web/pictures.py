"""Pictures of the store by content: thumbnails of media, and faces of tracks."""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy import select

from postlens.serve.errors import Problem
from postlens.store import Store
from postlens.store.media import read_thumbnails
from postlens.store.schema import faces, person_tracks

# A browser may keep a picture, and asks each time whether it is still there: what was forgotten is shown no more.
CACHED = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
_MISSING = "there is no such picture; it may have been forgotten"


def media_address(sha256: str) -> str:
    """Where the thumbnail of a media file is served."""
    return f"/web/media/{sha256}.jpg"


def face_address(track_id: str) -> str:
    """Where the best face of a track is served."""
    sha256, _, number = track_id.rpartition(":")
    return f"/web/faces/{sha256}/{number}.jpg"


def media_jpeg(store: Store, sha256: str) -> bytes:
    """The thumbnail of a media file. Raises `Problem`."""
    with store.read() as conn:
        found = read_thumbnails(conn, [sha256]).get(sha256)
    return _found(found)


def face_jpeg(store: Store, track_id: str) -> bytes:
    """The best face of a track. Raises `Problem`."""
    chosen = select(faces.c.thumbnail).where(faces.c.track_id == track_id, faces.c.thumbnail.is_not(None))
    with store.read() as conn:
        found = conn.execute(chosen.order_by(faces.c.quality.desc(), faces.c.face_id).limit(1)).scalar_one_or_none()
    return _found(found)


def person_jpeg(store: Store, person_id: str) -> bytes:
    """The best face of a person, as `read_person_thumbnails` chooses it. Raises `Problem`."""
    chosen = select(faces.c.thumbnail).join(person_tracks, faces.c.track_id == person_tracks.c.track_id)
    chosen = chosen.where(person_tracks.c.person_id == person_id, faces.c.thumbnail.is_not(None))
    with store.read() as conn:
        found = conn.execute(chosen.order_by(faces.c.quality.desc(), faces.c.face_id).limit(1)).scalar_one_or_none()
    return _found(found)


def _found(jpeg: bytes | None) -> bytes:
    if not jpeg:
        raise Problem("not-found", _MISSING)
    return jpeg


def picture_answer(request: Request, jpeg: bytes, *, tag: str) -> Response:
    """A JPEG, or 304 where the browser has it; `tag` is what its content is known by."""
    headers = CACHED | {"ETag": f'"{tag}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(jpeg, headers=headers, media_type="image/jpeg")
