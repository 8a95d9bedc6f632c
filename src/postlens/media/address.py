"""A URL to the addresses that it may be fetched from; everything not public is refused."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from postlens.errors import AddressRefusedError, FetchError
from postlens.media.probe import display_name

Resolve = Callable[[str, int], list[str]]  # host name and port to addresses

_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_SAFE: Final = "/:?&=%+,;@!$'()*~[]#|"  # what stays as it is when a URL with spaces or umlauts is encoded


class Target(NamedTuple):
    """Where to connect and what to ask for."""

    scheme: str
    host: str  # as in the URL, ASCII; for the Host header and the certificate
    port: int
    path: str  # with the query
    addresses: tuple[str, ...]  # checked, to connect to without another look-up

    @property
    def host_header(self) -> str:
        """Value of the Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def resolve_host(host: str, port: int) -> list[str]:
    """The system's addresses of a host name, each once, in the system's order.

    Raises:
        OSError: the name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_url(url: str, *, resolve: Resolve = resolve_host, permitted: Collection[str] = ()) -> Target:
    """Resolve a URL's host once and check every address.

    Args:
        permitted: addresses allowed although they are not public; for tests with a local server.

    Raises:
        AddressRefusedError: not http(s), a login in the URL, or an address that is not public.
        FetchError: the URL or its host name cannot be understood.
    """
    shown = display_name(url)
    parts, port = split_url(url)
    if parts.scheme not in _PORTS or parts.username is not None:
        raise AddressRefusedError(
            f"{shown}: expected an http or https address without a login, got scheme {parts.scheme!r}; "
            "download the file yourself and give its path"
        )
    host = _ascii_host(parts.hostname, shown)
    try:
        addresses = resolve(host, port)
    except OSError as error:
        raise FetchError(f"{shown}: the host name {host} was not found ({error}); check the address") from error
    for address in addresses:
        if address not in permitted and not _is_public(address):
            raise AddressRefusedError(
                f"{shown}: {host} leads to {address}, which is no public address; download the file yourself and give "
                "its path"
            )
    return Target(parts.scheme, host, port, _encoded(parts, shown), tuple(addresses))


def _encoded(parts: SplitResult, shown: str) -> str:
    """Path and query in ASCII."""
    try:
        return quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    except UnicodeEncodeError as error:
        raise FetchError(f"{shown}: expected an address in Unicode, got half a character; correct it") from error


def split_url(url: str) -> tuple[SplitResult, int]:
    """The parts of a URL and its port, 0 where the scheme has none. Raises `FetchError` for what is no URL."""
    try:
        parts = urlsplit(url.strip())
        return parts, parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise FetchError(
            f"{display_name(url)}: expected an address like https://host/photo.jpg, got {error}; correct it"
        ) from error


def _ascii_host(host: str | None, shown: str) -> str:
    try:
        name = (host or "").encode("idna").decode("ascii") if ":" not in (host or "") else str(host)
    except UnicodeError as error:
        raise FetchError(f"{shown}: the host name cannot be encoded ({error}); check the address") from error
    if not name:
        raise FetchError(f"{shown}: expected an address like https://host/photo.jpg, got no host name; correct it")
    return name


def _is_public(text: str) -> bool:
    """Whether an address is routed on the public internet; of an IPv6 address that carries an IPv4 one, that too."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None or address in _NAT64:
            return _is_public(str(IPv4Address(int(address) & 0xFFFFFFFF)))
        carried = address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address.is_site_local or (carried is not None and not _is_public(str(carried))):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
