from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import postlens.media.fetch as fetching
from postlens.errors import AddressRefusedError, DownloadNotAllowedError, FetchError, MediaError, TooLargeError
from postlens.media.fetch import fetch

from .samples import corners, encoded

LOCAL = "127.0.0.1"
PICTURE = encoded(corners(), "JPEG")


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; remembers the Host headers."""

    hosts: list[str]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        type(self).hosts.append(self.headers["Host"])
        getattr(self, "answer_" + self.path.strip("/").partition(".")[0].partition("/")[0])()

    def _send(self, body: bytes, *, status: int = 200, n_declared: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if n_declared is None else n_declared))
        self.end_headers()
        self.wfile.write(body)

    def answer_picture(self) -> None:
        self._send(PICTURE, Content_Type="image/jpeg")

    def answer_page(self) -> None:
        self._send(b"<p>log in", Content_Type="text/html; charset=utf-8")

    def answer_disguised(self) -> None:
        self._send(b"\n<!DOCTYPE html><html>", Content_Type="image/jpeg")

    def answer_missing(self) -> None:
        self._send(b"", status=404)

    def answer_moved(self) -> None:
        self._send(b"", status=302, Location="/picture.jpg")

    def answer_circle(self) -> None:
        self._send(b"", status=301, Location="/circle")

    def answer_nowhere(self) -> None:
        self._send(b"", status=302, Location="http://[x/a.jpg")

    def answer_inwards(self) -> None:
        self._send(b"", status=302, Location="http://169.254.169.254/latest/meta-data/")

    def answer_tofile(self) -> None:
        self._send(b"", status=302, Location="file:///etc/passwd")

    def answer_short(self) -> None:
        self.close_connection = True
        self._send(PICTURE[:100], n_declared=len(PICTURE))

    def answer_endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        except OSError:
            self.close_connection = True

    def answer_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(PICTURE), 100):
            piece = PICTURE[at : at + 100]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def answer_trickle(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            for _ in range(100):
                self.wfile.write(b"\xff")
                time.sleep(0.05)
        except OSError:
            return

    def answer_slowheader(self) -> None:
        self.close_connection = True
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                self.wfile.write(b"X: y\r\n")
                time.sleep(0.05)
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def handler() -> type[_Handler]:
    return type("Handler", (_Handler,), {"hosts": []})


@pytest.fixture
def server(handler: type[_Handler]) -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer((LOCAL, 0), handler) as running:
        running.daemon_threads = True
        running.handle_error = lambda *_: None  # a client that hangs up is expected here
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server: http.server.HTTPServer, path: str, folder: Path, *, scheme: str = "http", **options: Any) -> Path:
    """Fetch from the local server under the name of a public host."""
    url = f"{scheme}://media.example:{server.server_port}/{path}"
    options = {"allow": True, "resolve": lambda host, port: [LOCAL if host == "media.example" else host]} | options
    return fetch(url, folder, permitted=[LOCAL], **options)


@pytest.mark.parametrize("path", ["picture.jpg", "moved.jpg", "chunked.jpg", "picture.jpg?size=large"])
def test_a_picture_is_saved_under_a_name_made_from_its_url(
    path: str, server: http.server.HTTPServer, handler: type[_Handler], tmp_path: Path
) -> None:
    saved = get(server, path, tmp_path / "new" / "folder")
    assert saved.read_bytes() == PICTURE
    assert (saved.suffix, len(saved.stem)) == (".jpg", 32)
    assert list(saved.parent.iterdir()) == [saved]
    assert set(handler.hosts) == {f"media.example:{server.server_port}"}


def test_what_is_there_already_is_not_fetched_again(
    server: http.server.HTTPServer, handler: type[_Handler], tmp_path: Path
) -> None:
    assert get(server, "picture.jpg", tmp_path) == get(server, "picture.jpg", tmp_path)
    assert len(handler.hosts) == 1


def test_all_spellings_of_an_address_are_one_download(
    server: http.server.HTTPServer, handler: type[_Handler], tmp_path: Path
) -> None:
    spellings = ("picture.jpg", "./picture.jpg?utm_source=mail", "picture.jpg#top")
    assert len({get(server, spelling, tmp_path) for spelling in spellings}) == 1
    assert len(handler.hosts) == 1


@pytest.mark.parametrize("url", ["https://youtu.be/aB-_5678901", "https://www.instagram.com/reel/Cab_-12/?igsh=x"])
@pytest.mark.parametrize("allow", [True, False])
def test_the_page_of_a_post_is_not_asked_for(url: str, allow: bool, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"got a web page .*export or download the video and give its path"):
        fetch(url, tmp_path, allow=allow, resolve=lambda host, port: pytest.fail("looked up"))


@pytest.mark.parametrize("allow", [True, False])
def test_what_is_no_address_is_told_as_that(allow: bool, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="expected an address like"):
        fetch("clip 7", tmp_path, allow=allow)


def test_nothing_is_looked_up_unless_downloads_are_allowed(tmp_path: Path) -> None:
    def fail(host: str, port: int) -> list[str]:
        raise AssertionError("looked up")

    with pytest.raises(DownloadNotAllowedError, match="--allow-download"):
        fetch("https://media.example/a.jpg", tmp_path, resolve=fail)


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("page", FetchError, "got a web page"),
        ("disguised.jpg", FetchError, "got a web page"),
        ("missing.jpg", FetchError, "HTTP status 404"),
        ("circle", FetchError, "at most 5 redirects"),
        ("nowhere", FetchError, "expected a redirect to an address"),
        ("inwards", AddressRefusedError, r"169\.254\.169\.254"),
        ("tofile", AddressRefusedError, "scheme 'file'"),
        ("short.jpg", FetchError, "failed|bytes"),
        ("endless.jpg", TooLargeError, "at most 1,000,000 bytes"),
    ],
)
def test_what_is_not_wanted_is_an_error_and_leaves_nothing(
    path: str, error: type[MediaError], words: str, server: http.server.HTTPServer, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        get(server, path, tmp_path, max_bytes=1_000_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["trickle.jpg", "slowheader.jpg"])
def test_the_time_limit_holds_for_the_whole_download(path: str, server: http.server.HTTPServer, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="time limit"):
        get(server, path, tmp_path, timeout_s=0.4)
    assert time.monotonic() - started < 3
    assert list(tmp_path.iterdir()) == []


def test_a_declared_size_over_the_limit_is_refused_before_the_body(
    server: http.server.HTTPServer, tmp_path: Path
) -> None:
    with pytest.raises(TooLargeError):
        get(server, "picture.jpg", tmp_path, max_bytes=len(PICTURE) - 1)


def test_the_host_is_resolved_once_and_the_checked_address_is_connected_to(
    server: http.server.HTTPServer, tmp_path: Path
) -> None:
    answers = iter([[LOCAL], ["10.0.0.1"]])
    assert get(server, "picture.jpg", tmp_path, resolve=lambda host, port: next(answers)).exists()


def test_a_second_answer_that_is_private_is_refused_at_the_redirect(
    server: http.server.HTTPServer, tmp_path: Path
) -> None:
    answers = iter([[LOCAL], ["10.0.0.1"]])
    with pytest.raises(AddressRefusedError, match=r"10\.0\.0\.1"):
        get(server, "moved.jpg", tmp_path, resolve=lambda host, port: next(answers))


def test_the_next_address_is_tried_when_one_does_not_answer(server: http.server.HTTPServer, tmp_path: Path) -> None:
    url = f"http://media.example:{server.server_port}/picture.jpg"
    addresses = ["127.0.0.9", LOCAL]  # nobody listens at the first
    assert fetch(url, tmp_path, allow=True, resolve=lambda host, port: addresses, permitted=addresses).exists()


def test_no_answer_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no connection"):
        fetch("http://media.example:9/a", tmp_path, allow=True, resolve=lambda host, port: [LOCAL], permitted=[LOCAL])


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key and a certificate for media.example, made for this test."""
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=media.example"]
    command += ["-addext", "subjectAltName=DNS:media.example", "-keyout", str(key), "-out", str(made)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return key, made


@pytest.fixture
def tls_server(
    server: http.server.ThreadingHTTPServer, certificate: tuple[Path, Path]
) -> http.server.ThreadingHTTPServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def test_the_certificate_is_checked_for_the_name_not_the_address(
    tls_server: http.server.HTTPServer,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    context = ssl.create_default_context(cafile=certificate[1])
    monkeypatch.setattr(fetching.ssl, "create_default_context", lambda: context)
    assert get(tls_server, "picture.jpg", tmp_path / "a", scheme="https").read_bytes() == PICTURE
    other = f"https://other.example:{tls_server.server_port}/picture.jpg"
    with pytest.raises(FetchError, match=r"no connection to other\.example"):
        fetch(other, tmp_path / "b", allow=True, resolve=lambda host, port: [LOCAL], permitted=[LOCAL])


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_server: http.server.HTTPServer, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="certificate"):
        get(tls_server, "picture.jpg", tmp_path / "a", scheme="https")


@pytest.mark.parametrize("url", ["http://[x/a.jpg", "http://media.example/caf\ud83d.jpg", "http://h/\udcff.jpg"])
def test_what_is_no_address_is_a_fetch_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(url, tmp_path, allow=True, resolve=lambda host, port: ["93.184.215.14"])
    assert str(caught.value).encode("utf-8")
