"""Open connections by address, so that no one of them takes all that the server has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

from postlens.serve.limits import network_of

# What a connection beyond the limit is told before it is closed: nothing of a request has been read by then.
REFUSAL: Final = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


class Connections:
    """How many each address has, of IPv6 each /64; proxies that are trusted have as many as they want."""

    def __init__(self, most: int, *, proxies: Iterable[str] = ()) -> None:
        """`proxies`: addresses, networks (`10.0.0.0/8`), or `*` for any."""
        self._most = most
        self._proxies = frozenset(proxies)
        self._open: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Count one more; `False` where the address has as many as it may."""
        key = network_of(address)
        if self._open[key] >= self._most and not self._is_proxy(address):
            return False
        self._open[key] += 1
        return True

    def give_back(self, address: str) -> None:
        """Count one that was taken no more."""
        key = network_of(address)
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def _is_proxy(self, address: str) -> bool:
        return "*" in self._proxies or any(_is_within(address, one) for one in self._proxies)


def _is_within(address: str, place: str) -> bool:
    if address == place:
        return True
    try:
        return ip_address(address) in ip_network(place, strict=False)
    except ValueError:
        return False
