"""What stands before the routes: names, keys, rates, the size and pace of bodies, and the time of answers.

Nothing of a body is parsed before its size is known to be allowed, or while it grows beyond. A request that takes too
long, or whose client has gone, is cancelled: what of it waits leaves the queue.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping, Set
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postlens.errors import PostlensError
from postlens.serve.errors import Problem, problem_of
from postlens.serve.security import ANYBODY, Caller, KeyRing, check_host, check_origin, key_text
from postlens.serve.settings import ServeSettings

MOST_CLIENTS: Final = 10_000  # whose rates are remembered; the one longest unseen goes first
KIB: Final = 1 << 10
OPEN_PATHS: Final = frozenset({"/health", "/health/live"})  # what restarts the server must always get an answer
UNCOUNTED: Final = "/web/static/"  # a page is one request, not one for each file of its looks
Tell = Callable[[Scope, Problem], ASGIApp]  # a problem to the answer that tells it


class Rates:
    """A token bucket for each client: `burst` requests at once, `per_s` in the long run."""

    def __init__(self, *, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def wait_s(self, client: str) -> float:
        """Take a token: 0 where there was one, else the seconds until there is."""
        if not self._per_s:
            return 0.0
        now = self._clock()
        tokens, at = self._left.pop(client, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self._per_s
        self._left[client] = (tokens - (0 if wait_s else 1), now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return wait_s


class Guard:
    """The middleware."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServeSettings,
        ring: Callable[[], KeyRing],
        *,
        file_paths: Set[str] = frozenset(),
        tell: Tell = lambda _scope, problem: problem.response(),
        session: Callable[[Scope], str | None] = lambda _scope: None,
    ) -> None:
        """What stands before an app.

        Args:
            app: what answers.
            settings: the limits.
            ring: gives the keys once the server runs.
            file_paths: whose POST may have a body as large as files.
            tell: a problem to its answer.
            session: the key that somebody signed in with, if any.
        """
        self._app, self._settings, self._ring = app, settings, ring
        self._file_paths, self._tell, self._session = file_paths, tell, session
        self._refreshing, self._keeper = anyio.Lock(), anyio.CapacityLimiter(1)  # apart from threads that may be busy
        self._rates = Rates(per_s=settings.rate_per_s, burst=settings.rate_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or let the routes answer within limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            limit = await self._admit(scope, headers)
        except Problem as problem:
            await self._tell(scope, problem)(scope, receive, send)
            return
        except PostlensError as error:
            await self._tell(scope, problem_of(error))(scope, receive, send)
            return
        await _Exchange(scope, receive, send, self._settings, limit=limit).run(self._app, self._tell)

    async def _admit(self, scope: Scope, headers: Headers) -> int:
        """The most bytes that the body may have. Raises `Problem`."""
        is_open = scope["path"] in OPEN_PATHS
        if not is_open:
            check_host(headers, self._settings)
        check_origin(scope["method"], headers, self._settings)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        text = key_text(headers)
        caller = await self._caller(text)
        state["caller"], state["key_given"] = caller, text is not None
        if not is_open and not scope["path"].startswith(UNCOUNTED):
            self._check_rate(caller or await self._caller(self._session(scope)), scope)
        limit = self._limit(scope, headers)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise Problem("bad-request", "expected Content-Length to be a whole number")
        if int(length) > limit:
            raise too_large(limit)
        return limit

    async def _caller(self, text: str | None) -> Caller | None:
        if not self._settings.needs_keys:
            return ANYBODY
        if text is None:
            return None
        ring = self._ring()
        async with self._refreshing:  # once for all who come meanwhile
            if ring.is_stale:
                await run_sync(ring.refresh, limiter=self._keeper)
        return ring.caller(text)

    def _check_rate(self, caller: Caller | None, scope: Scope) -> None:
        """By key, of the request or of who signed in; without one by address."""
        address = network_of((scope.get("client") or ("unknown", 0))[0])
        wait_s = self._rates.wait_s(f"key {caller.key_id}" if caller and caller.key_id else f"address {address}")
        if wait_s:
            raise Problem(
                "rate-limited",
                f"expected at most {self._settings.rate_per_s:g} requests a second, got more; wait {wait_s:.1f} s",
                headers={"Retry-After": str(max(1, round(wait_s)))},
            )

    def _limit(self, scope: Scope, headers: Headers) -> int:
        """What takes files writes them to disk as they come; any other route holds its body in memory."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data" and scope["method"] == "POST" and scope["path"] in self._file_paths:
            return self._settings.max_upload_bytes
        return int(self._settings.max_json_kib * KIB)


def network_of(address: str) -> str:
    """The address, of IPv6 its /64, within which a client has all addresses (RFC 6177); other words stay."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def too_large(limit: int) -> Problem:
    """That a body is larger than allowed."""
    return Problem("too-large", f"expected a body of at most {limit:,} bytes, got more", limit=limit)


class _Exchange:
    """One request and its answer, within limits."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: ServeSettings, *, limit: int) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._settings, self._limit = settings, limit
        headers = Headers(scope=scope)
        self._has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._n_bytes = 0
        self._begun_at = time.monotonic()
        self._complete, self._gone, self._started = anyio.Event(), anyio.Event(), anyio.Event()
        self._late, self._n_asked, self._is_reading = False, 0, False
        if not self._has_body:
            self._complete.set()

    async def run(self, app: ASGIApp, tell: Tell) -> None:
        """Let the app answer; what it raises comes out as it is."""
        raised: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            try:
                await app(self._scope, self.receive, self.send)
            except Exception as error:  # noqa: BLE001  raised again outside of the group, which would wrap it
                raised = error
            group.cancel_scope.cancel()
        if raised is not None:
            raise raised
        if self._late and not self._started.is_set():
            seconds = self._settings.request_timeout_s
            problem = Problem("timed-out", f"expected an answer within {seconds:g} s, it took longer; ask for less")
            await tell(self._scope, problem)(self._scope, self._receive, self._send)

    async def receive(self) -> Message:
        """The next piece of the body, counted and timed; at the end, that the client has gone."""
        if not self._has_body:
            self._has_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._complete.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        self._n_asked, self._is_reading = self._n_asked + 1, True
        message = await self._piece()
        self._is_reading = False
        self._n_bytes += len(message.get("body", b""))
        if self._n_bytes > self._limit:
            raise too_large(self._limit)
        if not message.get("more_body", False):
            self._complete.set()
        return message

    async def _piece(self) -> Message:
        settings = self._settings
        left_s = settings.body_timeout_s - (time.monotonic() - self._begun_at)
        try:
            with anyio.fail_after(max(0.0, min(settings.idle_timeout_s, left_s))):
                return await self._receive()
        except TimeoutError as error:
            raise Problem(
                "body-timeout",
                f"expected the body without pauses over {settings.idle_timeout_s:g} s and within"
                f" {settings.body_timeout_s:g} s, it came more slowly",
                headers={"Connection": "close"},
            ) from error

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on."""
        if message["type"] == "http.response.start":
            self._started.set()
        await self._send(message)

    async def _watch(self, work: anyio.CancelScope) -> None:
        """Cancel the work when its time is over or the client has gone."""
        if await self._is_read():
            with anyio.move_on_after(self._settings.request_timeout_s):
                await self._disconnected()
                self._gone.set()
                work.cancel()
                return
        if not self._started.is_set():
            self._late = True
            work.cancel()
            return
        with anyio.move_on_after(self._settings.body_timeout_s):  # an answer that is being sent has longer
            await (self._disconnected() if self._complete.is_set() else anyio.sleep_forever())
        work.cancel()

    async def _is_read(self) -> bool:
        """Wait for the end of the body: `False` as soon as nobody has asked for more of it in a request's time."""
        while not self._complete.is_set():
            n_asked = self._n_asked
            with anyio.move_on_after(self._settings.request_timeout_s):
                await self._complete.wait()
                return True
            if self._n_asked == n_asked and not self._is_reading:
                return False
        return True

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
