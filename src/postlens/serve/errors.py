"""What went wrong to a problem document (RFC 9457) with a code that stays the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from postlens import errors
from postlens.errors import PostlensError

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:postlens:problem:"  # and the code: a name, not an address


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem; clients tell them apart by the code."""

    code: str
    status: int
    title: str


def _table(*kinds: Kind) -> dict[str, Kind]:
    return {kind.code: kind for kind in kinds}


KINDS: Final = _table(
    Kind("bad-request", 400, "The request cannot be understood"),
    Kind("bad-multipart", 400, "The multipart body is broken"),
    Kind("bad-cursor", 400, "The cursor is none of this list"),
    Kind("bad-host", 400, "The server is not known by this name"),
    Kind("key-missing", 401, "A key is needed"),
    Kind("key-invalid", 401, "The key is not known, or was revoked"),
    Kind("scope-missing", 403, "The key does not allow this"),
    Kind("origin-refused", 403, "Pages of this origin may not call the API"),
    Kind("urls-off", 403, "Media by URL is switched off"),
    Kind("address-refused", 403, "The URL leads to no public address"),
    Kind("not-found", 404, "There is no such thing"),
    Kind("method-not-allowed", 405, "The method is not allowed here"),
    Kind("body-timeout", 408, "The body came too slowly"),
    Kind("conflict", 409, "The state does not allow this"),
    Kind("forgotten", 410, "It was forgotten on request"),
    Kind("too-large", 413, "The body or the media is too large"),
    Kind("too-many-parts", 413, "The body has too many parts or fields"),
    Kind("unsupported-media", 415, "The content is no image, video or table that can be read"),
    Kind("invalid", 422, "A value cannot be used"),
    Kind("media-damaged", 422, "The media cannot be decoded"),
    Kind("fetch-failed", 422, "The URL could not be downloaded"),
    Kind("not-enough-data", 422, "There is too little data for an answer"),
    Kind("rate-limited", 429, "Too many requests"),
    Kind("internal", 500, "The server failed"),
    Kind("no-text-encoder", 501, "The encoder reads no text"),
    Kind("busy", 503, "Too much is waiting"),
    Kind("not-ready", 503, "The server is not ready"),
    Kind("store-locked", 503, "The store is being written"),
    Kind("store-failed", 503, "The store cannot be used"),
    Kind("timed-out", 504, "The answer took too long"),
    Kind("store-full", 507, "Nothing more can be stored"),
)

_BY_STATUS: Final = {
    400: "bad-request", 401: "key-invalid", 403: "scope-missing", 404: "not-found", 405: "method-not-allowed",
    413: "too-large", 415: "unsupported-media", 422: "invalid", 429: "rate-limited", 503: "busy",
}  # fmt: skip

# The first class that fits counts. A second entry is what clients are told instead of the message, which may name
# files of the server.
_OF_ERRORS: Final[tuple[tuple[type[PostlensError], str, str | None], ...]] = (
    (errors.UnknownNameError, "not-found", None),
    (errors.ForgottenError, "forgotten", None),
    (errors.DownloadNotAllowedError, "urls-off", "expected a file, got a URL; upload the file"),
    (errors.AddressRefusedError, "address-refused", None),
    (errors.FetchError, "fetch-failed", None),
    (errors.TooLargeError, "too-large", None),
    (errors.UnsupportedMediaError, "unsupported-media", None),
    (errors.MediaError, "media-damaged", None),
    (errors.SourceError, "unsupported-media", None),
    (errors.StoreLockedError, "store-locked", "another process writes to the store; try again"),
    (errors.StoreWriteError, "store-full", "the store's disk is full or read-only; free space on the server"),
    (errors.StoreError, "store-failed", "the store cannot be read; look at the server's log"),
    (errors.NotEnoughDataError, "not-enough-data", None),
    (errors.SettingsError, "invalid", None),
    (errors.MissingExtraError, "internal", "a part is not installed on the server"),
    (errors.UsageError, "invalid", None),
    (errors.ShapeError, "invalid", None),
)


class Problem(HTTPException):
    """A problem to answer a request with."""

    def __init__(self, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> None:
        """`more`: further members of the document, JSON-ready."""
        self.kind = KINDS[code]
        self.more = more
        super().__init__(self.kind.status, detail, headers)

    def document(self) -> dict[str, Any]:
        """The members of the problem document."""
        head = {"type": f"{TYPE}{self.kind.code}", "title": self.kind.title, "status": self.kind.status}
        return {**head, "code": self.kind.code, "detail": self.detail, **self.more}

    def response(self) -> JSONResponse:
        """The answer to send."""
        headers = dict(self.headers or {})
        if self.kind.status in (429, 503):
            headers.setdefault("Retry-After", "1")
        if self.kind.status == 401:
            headers.setdefault("WWW-Authenticate", "Bearer")
        return JSONResponse(self.document(), self.kind.status, headers, MEDIA_TYPE)


def problem_of(error: PostlensError, *, names: dict[str, str] | None = None) -> Problem:
    """The problem that an error of ours amounts to; `names`: places on the server to what clients call them."""
    for kind, code, told in _OF_ERRORS:
        if isinstance(error, kind):
            return Problem(code, told or renamed(str(error), names or {}))
    return Problem("internal", "the request could not be answered; look at the server's log")


def renamed(text: str, names: dict[str, str]) -> str:
    """The text with places on the server called as the client called them, the longest first."""
    for place in sorted(names, key=len, reverse=True):
        text = text.replace(place, names[place])
    return text


def problem_of_status(error: HTTPException) -> Problem:
    """The problem of an error that the framework raised by its status alone."""
    if isinstance(error, Problem):
        return error
    code = _BY_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    return Problem(code, str(error.detail), headers=dict(error.headers or {}))
