"""An address as somebody wrote it to the one spelling that stands for it: equal results name the same file or post.

What is changed follows RFC 3986, section 6.2 (what cannot make a difference) and the WHATWG URL standard (what browsers
do); what is dropped is in the tables below. The result is for comparing: what is fetched is the address as it was
written, since a server may see a difference where the standards see none.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

from postlens.errors import AddressRefusedError, FetchError
from postlens.media.platforms import is_platform_host, post_address
from postlens.media.probe import display_name

# Parameters that say where a reader came from, and nothing about what is shown. Each is added by the named party to
# links that others made, so that a server answers alike without it.
TRACKING: Final = {
    "fbclid": "Meta, click",
    "gclid": "Google Ads, click",
    "gclsrc": "Google Ads, click",
    "dclid": "Google Display, click",
    "gbraid": "Google Ads, app click",
    "wbraid": "Google Ads, web click",
    "_ga": "Google Analytics, visitor",
    "_gl": "Google Analytics, visitor across sites",
    "msclkid": "Microsoft Advertising, click",
    "yclid": "Yandex Direct, click",
    "ttclid": "TikTok Ads, click",
    "twclid": "X Ads, click",
    "li_fat_id": "LinkedIn Ads, click",
    "epik": "Pinterest, click",
    "igsh": "Instagram, who shared",
    "igshid": "Instagram, who shared",
    "mc_eid": "Mailchimp, reader",
    "mc_cid": "Mailchimp, campaign",
    "_hsenc": "HubSpot, mail",
    "_hsmi": "HubSpot, mail",
    "mkt_tok": "Marketo, mail",
    "vero_id": "Vero, mail",
    "oly_anon_id": "Omeda, reader",
    "oly_enc_id": "Omeda, reader",
}
TRACKING_PREFIXES: Final = ("utm_",)  # Google Analytics, campaign
# Names that mean something else on other sites: dropped on these hosts and below them only.
TRACKING_BY_HOST: Final = {
    "youtube.com": frozenset({"si", "feature", "pp"}),
    "youtu.be": frozenset({"si", "feature", "pp"}),
    "spotify.com": frozenset({"si"}),
    "tiktok.com": frozenset({"_t", "_r", "is_from_webapp", "sender_device"}),
}
# A signature covers the other parameters: where one is there, all stay.
SIGNATURES: Final = frozenset(
    {"signature", "sig", "x-amz-signature", "x-goog-signature", "x-oss-signature", "x-ms-signature", "policy", "hmac"}
    | {"token", "hdnts", "hdnea", "__gda__", "oh", "x-signature", "x-expires", "expires", "hash", "md5"}
)

_PORTS: Final = {"http": 80, "https": 443}
_UNSEEN: Final = re.compile(r"[\t\r\n]")  # WHATWG: removed wherever they stand
_ADDRESS: Final = re.compile(r"(https?):[/\\]*([^/\\?#]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE | re.DOTALL)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):(?!\d)", re.IGNORECASE)
_NO_HOST: Final = re.compile(r"[\x00-\x20\x7f#/<>?@\[\\\]^|%:]")  # WHATWG, forbidden host code points
_HALVES: Final = re.compile("[\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3
_SAFE_IN_PATH: Final = "%/:@!$&'()*+,;=~[]|"
_SAFE_IN_QUERY: Final = "%/:@!$&()*+,;=~[]|?"


def normalise_url(url: str) -> str:
    """The one spelling of an http(s) address; `normalise_url(normalise_url(url))` is `normalise_url(url)`.

    Changed: spaces around it and line breaks in it go; scheme and host in lower case, the host in ASCII (IDNA); the
    scheme's own port, the fragment, an empty query and the parameters in `TRACKING` go, these unless the address is
    signed (`SIGNATURES`); `.` and `..` are followed; escapes are in upper case, those of unreserved characters are
    undone, and what must be escaped is. An address without a scheme gets https where it begins with `www.` or a
    platform's host. An empty path is `/`; otherwise a slash at the end and slashes in a row stay as they are, since
    servers may tell them apart, as do the order of parameters and http from https. Of posts of the platforms that
    `media.platforms` knows, all addresses become one.

    Raises:
        AddressRefusedError: another scheme, or a login in the address.
        FetchError: no address.
    """
    text = _UNSEEN.sub("", url.strip("".join(map(chr, range(0x21)))))
    match = _ADDRESS.fullmatch(_with_scheme(text).partition("#")[0])
    if match is None:
        raise _refused(text)
    scheme, place, path, query = match[1].lower(), match[2], match[3].replace("\\", "/"), match[4] or ""
    if "@" in place:
        shown = display_name(text.replace(place.rpartition("@")[0] + "@", ""))
        raise AddressRefusedError(
            f"{shown}: expected an address without a login, got one; download the file yourself and give its path"
        )
    host, port = _host_and_port(place, scheme, text)
    path = _without_dots(_escaped(path, _SAFE_IN_PATH, text)) or "/"
    query = _without_tracking(_escaped(query, _SAFE_IN_QUERY, text), host)
    post = post_address(host, path, query) if not port else None
    return post or f"{scheme}://{host}{port}{path}{f'?{query}' if query else ''}"


def _with_scheme(text: str) -> str:
    host = re.split(r"[/?#]", text.removeprefix("//"), maxsplit=1)[0].lower()
    bare = host.startswith("www.") or is_platform_host(host)
    return f"https://{text.removeprefix('//')}" if bare else text


def _refused(text: str) -> FetchError:
    """What is said of a text that is no http(s) address."""
    scheme = _SCHEME.match(text)
    if scheme is not None:
        return AddressRefusedError(
            f"{display_name(text)}: expected an http or https address, got scheme {scheme[1].lower()!r}; download the "
            "file yourself and give its path"
        )
    return FetchError(
        f"{display_name(text)}: expected an address like https://host/video.mp4, got no http:// or https:// before it; "
        "correct the cell, or put a file's name into a column path"
    )


def _host_and_port(place: str, scheme: str, text: str) -> tuple[str, str]:
    """The host in ASCII and `:port`, "" where it is the scheme's own."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d*))?", place, re.DOTALL | re.ASCII)
    if match is None or len(match[2] or "") > 5 or int(match[2] or 0) > 65535:
        raise _no_address(text, f"{place!r} as host and port")
    port = int(match[2] or _PORTS[scheme])
    host = _ip6(match[1], text) if match[1].startswith("[") else _name(match[1], text)
    return host, "" if port == _PORTS[scheme] else f":{port}"


def _ip6(host: str, text: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]" if "%" not in host else str(int(host))
    except ValueError as error:
        raise _no_address(text, f"{host!r} as host") from error


def _name(host: str, text: str) -> str:
    """A name in ASCII and lower case (IDNA, RFC 3490, as the connection uses it)."""
    try:
        name = unquote(host, errors="strict").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _no_address(text, f"a host name that cannot be encoded ({error})") from error
    if not name.strip(".") or _NO_HOST.search(name):
        raise _no_address(text, f"{host!r} as host" if host else "no host name")
    return name


def _no_address(text: str, got: str) -> FetchError:
    return FetchError(
        f"{display_name(text)}: expected an address like https://host/video.mp4, got {display_name(got)}; correct it"
    )


def _escaped(part: str, safe: str, text: str) -> str:
    """Escapes in their one form (RFC 3986, 6.2.2), and everything escaped that has to be."""
    if _HALVES.search(part):
        raise _no_address(text, "half a character")
    return _ESCAPE.sub(_one_escape, quote(_LONE_PERCENT.sub("%25", part), safe=safe))


def _one_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """The path with `.` and `..` followed (RFC 3986, 5.2.4); slashes in a row stay."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for at, segment in enumerate(segments):
        if segment == "..":
            del kept[-1:]
        if segment not in (".", ".."):
            kept.append(segment)
        elif at == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def _without_tracking(query: str, host: str) -> str:
    pairs = [pair for pair in query.split("&") if pair]
    names = [unquote_to_bytes(pair.partition("=")[0]).lower().decode("latin-1") for pair in pairs]
    if SIGNATURES.intersection(names):
        return query
    local = {name for site, some in TRACKING_BY_HOST.items() if f".{host}".endswith(f".{site}") for name in some}
    kept = [
        pair
        for pair, name in zip(pairs, names, strict=True)
        if name not in TRACKING and name not in local and not name.startswith(TRACKING_PREFIXES)
    ]
    return "&".join(kept)
