"""A URL to a file in a folder, if downloads are allowed and the address is public."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final
from urllib.parse import urljoin

from postlens.errors import DownloadNotAllowedError, FetchError, TooLargeError
from postlens.media.address import Resolve, Target, check_url, resolve_host, split_url
from postlens.media.platforms import is_post_page
from postlens.media.probe import IMAGE_SUFFIXES, VIDEO_SUFFIXES, describe, display_name
from postlens.media.urls import normalise_url
from postlens.version import __version__

MAX_BYTES: Final = 512 << 20  # a 10-minute 1080p post; higher admits longer videos and fills the disk sooner
TIMEOUT_S: Final = 60.0  # for the whole download; 512 MiB then need 72 Mbit/s
MAX_REDIRECTS: Final = 5  # media hosts use one or two
_CHUNK_BYTES: Final = 1 << 16
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {"Accept": "image/*, video/*", "Accept-Encoding": "identity", "User-Agent": f"postlens/{__version__}"}


def fetch(
    url: str,
    folder: str | os.PathLike[str],
    *,
    allow: bool = False,
    max_bytes: int = MAX_BYTES,
    timeout_s: float = TIMEOUT_S,
    max_redirects: int = MAX_REDIRECTS,
    resolve: Resolve = resolve_host,
    permitted: Collection[str] = (),
) -> Path:
    """Download a media file into `folder`, under a name made from the URL; one that is there already is kept.

    The name is made from the URL's normal form, so that all its spellings are one download; asked for is the URL as it
    is given. The page of a platform's post is never a media file, so that nothing is asked for there.

    The host name is resolved once for each redirect, every address is checked, and the connection goes to a checked
    address (with the certificate checked for the host name), so a name server cannot answer differently in between.
    Proxies from the environment are not used. The file appears whole or not at all.

    Args:
        allow: whether the user switched downloads on.
        timeout_s: for everything together, redirects included.
        resolve, permitted: for tests, see `check_url`.

    Raises:
        DownloadNotAllowedError: `allow` is not set; nothing is looked up.
        AddressRefusedError: not http(s), or an address that is not public.
        TooLargeError: more than `max_bytes`.
        FetchError: anything else: no address, no answer, an error status, a web page instead of media, too many
            redirects.
    """
    shown, key = display_name(url), normalise_url(url)
    if is_post_page(key):
        raise _page_error(shown)
    if not allow:
        raise DownloadNotAllowedError(
            f"{shown}: expected a local file, got a URL, and downloads are off; add --allow-download, or download it"
        )
    target_path = Path(folder) / _file_name(key)
    if target_path.exists():
        return target_path
    deadline = time.monotonic() + timeout_s
    at = url if url.lower().lstrip().startswith(("http://", "https://")) else key  # "www.host/a" lacks its scheme
    for _ in range(max_redirects + 1):
        target = check_url(at, resolve=resolve, permitted=permitted)
        with _answer(target, url=shown, deadline=deadline) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                _check_status(response, shown)
                return _save(response, target_path, url=shown, max_bytes=max_bytes, deadline=deadline)
        at = _joined(at, location, shown)
    raise FetchError(f"{shown}: expected at most {max_redirects} redirects, got more; check the address in a browser")


def _file_name(url: str) -> str:
    suffix = PurePosixPath(split_url(url)[0].path).suffix.lower()
    digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return digest + (suffix if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES else "")


def _joined(url: str, location: str, shown: str) -> str:
    """Where a redirect leads to."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise FetchError(f"{shown}: expected a redirect to an address, got {location!r} ({error})") from error


@contextmanager
def _answer(target: Target, *, url: str, deadline: float) -> Iterator[Any]:
    """The response of the first address that can be connected to; cut off at the deadline."""
    import urllib3.exceptions as failures

    connection = _connect(target, url=url, deadline=deadline)
    timer = threading.Timer(max(deadline - time.monotonic(), 0.0), _cut, (connection.sock,))
    timer.daemon = True
    timer.start()
    try:
        headers = _HEADERS | {"Host": target.host_header}
        connection.request("GET", target.path, headers=headers, preload_content=False, decode_content=False)
        yield connection.getresponse()
    except (failures.HTTPError, OSError, ValueError) as error:
        _check_time(url, deadline)
        raise FetchError(f"{url}: the download failed ({error}); try again later or download it yourself") from error
    finally:
        timer.cancel()
        connection.close()


def _check_time(url: str, deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise FetchError(f"{url}: the download took longer than its time limit; download it yourself")


def _cut(sock: socket.socket) -> None:
    """End a connection whose peer sends just often enough never to time out."""
    with suppress(OSError):  # closed in the meantime
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's: that one waits for the reader


def _connect(target: Target, *, url: str, deadline: float) -> Any:
    """A connection to the first of the checked addresses that answers."""
    import urllib3.exceptions as failures

    reason: Exception | None = None
    for address in target.addresses:
        connection = _connection(target, address, timeout_s=max(deadline - time.monotonic(), 0.01))
        try:
            connection.connect()
        except (failures.HTTPError, OSError, ValueError) as error:
            connection.close()
            reason = error
        else:
            return connection
    raise FetchError(f"{url}: no connection to {target.host} ({reason}); check the address and the network") from reason


def _connection(target: Target, address: str, *, timeout_s: float) -> Any:
    from urllib3.connection import HTTPConnection, HTTPSConnection

    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=timeout_s)
    return HTTPSConnection(
        address,
        target.port,
        timeout=timeout_s,
        ssl_context=ssl.create_default_context(),
        server_hostname=target.host,  # OpenSSL checks the certificate for it
    )


def _check_status(response: Any, url: str) -> None:
    if response.status != 200:
        raise FetchError(f"{url}: expected the file, got HTTP status {response.status}; check the address in a browser")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise _page_error(url)


def _page_error(url: str) -> FetchError:
    return FetchError(
        f"{url}: expected an image or a video, got a web page (a post's page is no media file); export or download the "
        "video and give its path, or give the media file's own address"
    )


def _save(response: Any, path: Path, *, url: str, max_bytes: int, deadline: float) -> Path:
    """Write the body beside its place and move it there when it is whole."""
    declared = response.headers.get("Content-Length", "")
    _check_size(int(declared) if declared.isdigit() else 0, url, max_bytes)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".fetch-")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            n_bytes = _copy(response, file, url=url, max_bytes=max_bytes)
        _check_time(url, deadline)  # a connection that was cut reads like one that ended
        if declared.isdigit() and n_bytes != int(declared):
            raise FetchError(f"{url}: expected {declared} bytes, got {n_bytes}; try again")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _copy(response: Any, file: BinaryIO, *, url: str, max_bytes: int) -> int:
    n_bytes = 0
    while piece := response.read1(_CHUNK_BYTES):
        if n_bytes == 0 and describe(piece[:1024]) == "an HTML page":
            raise _page_error(url)
        n_bytes += len(piece)
        _check_size(n_bytes, url, max_bytes)
        file.write(piece)
    return n_bytes


def _check_size(n_bytes: int, url: str, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise TooLargeError(f"{url}: expected at most {max_bytes:,} bytes, got more; download it yourself")
