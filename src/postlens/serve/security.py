"""Who may call: keys with scopes, names of the server, and origins of pages.

A key is `pl_<id>_<secret>`: the id finds the row, and the sha256 of the secret, 256 random bits, is compared with the
stored one in constant time. It is sent as `Authorization: Bearer ...` or `X-API-Key: ...`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers

from postlens.errors import UsageError
from postlens.serve.errors import Problem
from postlens.serve.settings import LOOPBACK_NAMES, ServeSettings, is_loopback
from postlens.store import Store
from postlens.store.keys import ApiKey, read_keys, write_key

Scope = Literal["read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")  # each allows what those before it allow
PREFIX: Final = "pl"
SECRET_BYTES: Final = 32
REFRESH_S: Final = 2.0  # keys are read anew so often: the longest time that a revoked one still counts
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_DIGEST: Final = "0" * 64  # compared with where the id is unknown, so that it takes as long


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request."""

    key_id: str | None  # None: no key was needed
    scopes: frozenset[str]

    def may(self, needed: Scope) -> bool:
        """Whether the caller has this scope or one above it."""
        return not self.scopes.isdisjoint(SCOPES[SCOPES.index(needed) :])


ANYBODY: Final = Caller(None, frozenset(SCOPES))


def add_key(store: Store, name: str, scopes: tuple[str, ...], *, now: datetime) -> tuple[ApiKey, str]:
    """Make a key; the text of it is told once and kept nowhere. Raises `UsageError` for an unknown scope, no name."""
    if not name.strip():
        raise UsageError("expected a name for the key, such as who uses it, got none")
    if not scopes or set(scopes) - set(SCOPES):
        raise UsageError(f"expected scopes out of {', '.join(SCOPES)}, got {', '.join(scopes) or 'none'}")
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(key_id, name.strip(), digest_of(secret), tuple(dict.fromkeys(scopes)), now)
    with store.write() as conn:
        write_key(conn, key)
    return key, f"{PREFIX}_{key_id}_{secret}"


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class KeyRing:
    """The keys of a store, read anew every `REFRESH_S`; for use from one thread at a time."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._keys: dict[str, ApiKey] = {}
        self._read_at: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the keys must be read before they count."""
        return self._read_at is None or self._clock() - self._read_at >= REFRESH_S

    def refresh(self) -> None:
        """Read the keys; blocks on the store."""
        with self._store.read() as conn:
            self._keys = {key.key_id: key for key in read_keys(conn)}
        self._read_at = self._clock()

    def caller(self, text: str) -> Caller | None:
        """Who has this key; `None` for one that does not count."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._keys.get(key_id)
        same = hmac.compare_digest(digest_of(secret), key.digest if key else _NO_DIGEST)
        if not same or key is None or prefix != PREFIX or key.revoked_at is not None:
            return None
        return Caller(key.key_id, frozenset(key.scopes))


def key_text(headers: Headers) -> str | None:
    """The key that a request brings; `None` without any."""
    kind, _, text = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and text.strip():
        return text.strip()
    return headers.get("x-api-key") or None


def authorize(request: Request, needed: Scope) -> Caller:
    """The caller, who may do this. Raises `Problem` for a missing or wrong key, and for a missing scope."""
    caller: Caller | None = request.state.caller
    if caller is None:
        if request.state.key_given:
            raise Problem("key-invalid", "expected a key that counts, got another; ask for a new one")
        raise Problem(
            "key-missing", "expected Authorization: Bearer <key>, got none; `postlens serve keys add` makes one"
        )
    if not caller.may(needed):
        raise Problem("scope-missing", f"expected a key of scope {needed}, got {', '.join(sorted(caller.scopes))}")
    return caller


class ReadRoute(APIRoute):
    """A route that needs the scope `read`, checked before its body is read."""

    needs: ClassVar[Scope] = "read"

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with the check before it."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            authorize(request, self.needs)
            return await handle(request)

        return checked


class WriteRoute(ReadRoute):
    """A route that needs the scope `write`."""

    needs: ClassVar[Scope] = "write"


class AdminRoute(ReadRoute):
    """A route that needs the scope `admin`."""

    needs: ClassVar[Scope] = "admin"


# --- names and origins ------------------------------------------------------------------------------------------------


def check_host(headers: Headers, settings: ServeSettings) -> None:
    """Raise `Problem` for a name that is none of the server's.

    A page of another site can point a name of its own at 127.0.0.1 and then read answers as if they were its own
    (DNS rebinding); where keys are off, only names of this machine count.
    """
    if not settings.hosts and settings.needs_keys:
        return
    host = _host_name(headers.get("host", ""))
    if host not in settings.hosts and host not in LOOPBACK_NAMES and not is_loopback(host):
        raise Problem("bad-host", "expected a Host that this server is known by; add it to POSTLENS_SERVE_HOSTS")


def check_origin(method: str, headers: Headers, settings: ServeSettings) -> None:
    """Raise `Problem` where a page of another origin asks for a change."""
    origin = headers.get("origin")
    if origin is None or method in SAFE or origin in settings.cors_origins:
        return
    if urlsplit(origin).netloc != headers.get("host", ""):
        raise Problem("origin-refused", "expected a request of this server's own page; add the origin to cors_origins")


def _host_name(host: str) -> str:
    """The Host header without port, in lower case."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    return name.strip("[]").lower()
