"""Who has signed in: a key given once in a form, then a cookie that stands for it until it is idle, or signed out.

The cookie is a random word; the key stays in the memory of the server and is checked on each request, so that a revoked
key ends its sessions. A restart ends all of them.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from anyio.to_thread import run_sync
from fastapi import Request, Response

from postlens.serve.context import context_of
from postlens.serve.security import ANYBODY, Caller, KeyRing
from postlens.serve.web.guard import cookie_name, is_secure

COOKIE = "postlens_session"
IDLE_S = 12 * 3600.0  # a session ends when it was not used for so long: a working day. Longer: fewer sign-ins
MOST_SESSIONS = 1000  # the one longest unused goes first
TOKEN_BYTES = 32


class Sessions:
    """Open sessions, by the sha256 of their cookies; for use from one thread at a time."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: OrderedDict[str, tuple[str, float]] = OrderedDict()  # text of the key, when it was used last

    def open(self, key: str) -> str:
        """The cookie of a new session."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._keys[_digest(token)] = key, self._clock()
        if len(self._keys) > MOST_SESSIONS:
            self._keys.popitem(last=False)
        return token

    def key_of(self, token: str) -> str | None:
        """The key that a session stands for; `None` for one that has ended."""
        key, used_at = self._keys.pop(_digest(token), (None, 0.0))
        if key is None or self._clock() - used_at > IDLE_S:
            return None
        self._keys[_digest(token)] = key, self._clock()
        return key

    def close(self, token: str) -> None:
        """End a session."""
        self._keys.pop(_digest(token), None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def sessions_of(request: Request) -> Sessions:
    """The sessions of this server."""
    state = request.app.state
    if getattr(state, "web_sessions", None) is None:
        state.web_sessions = Sessions()
    found: Sessions = state.web_sessions
    return found


def session_key(request: Request) -> str | None:
    """The key that the session of a request stands for; `None` without one."""
    token = request.cookies.get(cookie_name(request, COOKIE))
    return sessions_of(request).key_of(token) if token else None


async def caller_of(request: Request) -> Caller | None:
    """Who makes a request, by key or session; `None` where a key is needed and none counts."""
    context = context_of(request)
    caller: Caller | None = getattr(request.state, "caller", None if context.serving.needs_keys else ANYBODY)
    if caller is None and (key := session_key(request)) is not None:
        caller = await caller_by_key(context.keys, key)
        request.state.signed_in = caller is not None
    request.state.caller = caller
    return caller


async def caller_by_key(ring: KeyRing, key: str) -> Caller | None:
    """Who has this key; `None` for one that does not count."""
    if ring.is_stale:
        await run_sync(ring.refresh)
    return ring.caller(key)


def sign_in(request: Request, response: Response, key: str) -> None:
    """Open a session for a key that counts."""
    token = sessions_of(request).open(key)
    response.set_cookie(
        cookie_name(request, COOKIE),
        token,
        max_age=int(IDLE_S),
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
        path="/",
    )


def sign_out(request: Request, response: Response) -> None:
    """End the session of a request."""
    name = cookie_name(request, COOKIE)
    sessions_of(request).close(request.cookies.get(name, ""))
    response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=is_secure(request))
