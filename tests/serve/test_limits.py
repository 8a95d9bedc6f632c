"""What is refused before it is parsed, and requests that end before they are answered."""

from __future__ import annotations

import logging
from functools import partial

import anyio
import pytest

from postlens.serve.limits import Guard, Rates, network_of
from postlens.serve.metrics import Edge, Metrics
from postlens.serve.settings import ServeSettings
from postlens.serve.uploads import safe_name

from .conftest import code_of, served

HEADERS = [(b"host", b"localhost")]
FORM = [*HEADERS, (b"content-type", b"multipart/form-data; boundary=x"), (b"transfer-encoding", b"chunked")]


def multipart(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


def field(name: str, value: bytes = b"1") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value


def file(name: str, data: bytes = b"1") -> bytes:
    return f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data


def post(client, body: bytes, kind: str = "multipart/form-data; boundary=x", path: str = "/predict"):
    return client.post(path, content=body, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad-multipart"),
        (b"nothing of a multipart", "bad-multipart"),
        (multipart(file("a.jpg"), end=b""), "bad-multipart"),
        (multipart(file("a.jpg"))[:-6], "bad-multipart"),
        (multipart(b"Content-Disposition: form-data\r\n\r\n1"), "bad-multipart"),
        (multipart(b"X: " + b"y" * 10_000 + b"\r\n\r\n1"), "bad-multipart"),
        (multipart(b"X: y\r\n" * 20 + b"\r\n1"), "bad-multipart"),
        (multipart(*(field(f"f{i}") for i in range(10_000))), "too-many-parts"),
        (multipart(*(file(f"{i}.jpg") for i in range(300))), "too-many-parts"),
        (multipart(field("long", b"x" * 100_000)), "too-large"),
        (multipart(field("a"), field("b")), "invalid"),
    ],
    ids=range(11),
)
def test_broken_and_crowded_bodies_are_refused(client, body, code):
    assert code_of(post(client, body)) == code


def test_the_boundary_must_be_said(client):
    assert code_of(post(client, b"", "multipart/form-data")) == "bad-multipart"


def test_ten_thousand_fields_of_a_plain_form_are_too_many(client):
    body = "&".join(f"f{i}=1" for i in range(10_000)).encode()
    assert code_of(post(client, body, "application/x-www-form-urlencoded")) == "too-many-parts"


def test_a_large_body_is_refused_by_its_length_before_it_is_read(client):
    answer = client.post(
        "/analyze",
        content=b"x",
        headers={**dict.fromkeys(["Content-Type"], "multipart/form-data; boundary=x"), "Content-Length": str(2 << 30)},
    )
    assert code_of(answer) == "too-large"
    assert answer.json()["limit"] == 256 << 20


def test_a_body_without_a_length_is_counted_as_it_comes(store_file):
    def pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(64):
            yield bytes(64 << 10)

    with served(store_file, max_upload_mib=1) as client:
        answer = client.post("/analyze", content=pieces(), headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert code_of(answer) == "too-large"
        assert [one for one in client.app.state.context.folder.iterdir() if one.is_dir()] == []


def test_json_is_limited_too(client):
    answer = client.post("/people/undo", content=b" " * (300 << 10), headers={"Content-Type": "application/json"})
    assert code_of(answer) == "too-large"


def test_what_is_no_route_of_files_takes_no_large_body_of_any_type(client):
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for path in ("/people/undo", "/people/x/name", "/emotions", "/web/people/merge"):
        answer = client.post(path, content=b" " * (300 << 10), headers=kind)
        assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "٣"])
def test_a_length_must_be_a_number(length):
    sent = ask(never, headers=[*HEADERS, (b"content-length", length.encode())], messages=[])
    assert sent[0]["status"] == 400


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("a.jpg", "a.jpg"), ("../../etc/passwd", "etc/passwd"), ("/etc/passwd", "etc/passwd"), ("..", "upload"),
        ("C:\\mine\\a.jpg", "C_/mine/a.jpg"), ("media/a.jpg", "media/a.jpg"), ("", "upload"),
        ("a\x00b\n.jpg", "a_b_.jpg"), (".hidden", "hidden"), ("x" * 400 + ".jpg", "x" * 116 + ".jpg"),
    ],
)  # fmt: skip
def test_names_of_files_lead_nowhere_else(given, safe):
    assert safe_name(given) == safe


# --- rates ------------------------------------------------------------------------------------------------------------


def test_a_client_may_burst_and_then_goes_at_the_rate():
    time_s = [0.0]
    rates = Rates(per_s=2, burst=3, clock=lambda: time_s[0])
    assert [rates.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rates.wait_s("b") == 0
    time_s[0] = 0.5
    assert [rates.wait_s("a"), rates.wait_s("a")] == [0, 0.5]
    time_s[0] = 100
    assert [rates.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_too_many_requests_are_told_when_to_come_again(store_file):
    with served(store_file, rate_per_s=0.1, rate_burst=2) as client:
        answers = [client.get("/emotions") for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert code_of(answers[2]) == "rate-limited"
        assert 1 <= int(answers[2].headers["retry-after"]) <= 10
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_has_all_addresses_of_its_network(address, network):
    assert network_of(address) == network


# --- time -------------------------------------------------------------------------------------------------------------


def settings(**more) -> ServeSettings:
    return ServeSettings(store="x.db", **more)


def ask(app, *, headers=HEADERS, messages, method="POST", **more) -> list[dict]:
    """What the guard sends when a client sends these messages; after the last it sends nothing more."""
    sent: list[dict] = []

    async def run() -> None:
        waiting = list(messages)

        async def receive():
            if not waiting:
                await anyio.sleep_forever()
            return waiting.pop(0)

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": "/x",
            "query_string": b"",
            "headers": headers,
            "client": ("1.2.3.4", 5),
        }
        with anyio.fail_after(5):
            await Edge(Guard(app, settings(**more), lambda: None), Metrics())(scope, receive, send)

    anyio.run(run)
    return sent


async def never(scope, receive, send):
    raise AssertionError("the route was reached")


async def read_all(scope, receive, send, *, seen: list):
    from starlette.exceptions import HTTPException

    try:
        while (message := await receive()).get("more_body"):
            seen.append(message)
    except HTTPException as problem:
        seen.append(problem.kind.code)
        await problem.response()(scope, receive, send)


async def wait_forever(scope, receive, send, *, seen: list):
    while (await receive()).get("more_body"):
        pass
    try:
        await anyio.sleep_forever()
    finally:
        seen.append("cancelled")


PIECE = {"type": "http.request", "body": b"x", "more_body": True}
LAST = {"type": "http.request", "body": b"", "more_body": False}


def test_a_body_that_stops_coming_is_given_up():
    seen: list = []
    sent = ask(partial(read_all, seen=seen), headers=FORM, messages=[PIECE], idle_timeout_s=0.05)
    assert sent[0]["status"] == 408
    assert seen == [PIECE, "body-timeout"]


def test_a_body_that_drips_is_given_up_too():
    seen: list = []
    sent = ask(partial(read_all, seen=seen), headers=FORM, messages=[PIECE], idle_timeout_s=5, body_timeout_s=0.05)
    assert sent[0]["status"] == 408


def test_work_that_takes_too_long_is_cancelled_and_told():
    seen: list = []
    sent = ask(partial(wait_forever, seen=seen), messages=[LAST], request_timeout_s=0.05)
    assert seen == ["cancelled"]
    assert sent[0]["status"] == 504
    assert b"timed-out" in sent[1]["body"]


def test_a_body_that_nobody_reads_does_not_stop_the_clock():
    async def waits(scope, receive, send):
        await anyio.sleep_forever()

    headers = [*HEADERS, (b"content-length", b"10")]
    sent = ask(waits, headers=headers, messages=[], method="GET", request_timeout_s=0.05)
    assert sent[0]["status"] == 504


def test_work_for_a_client_that_has_gone_is_cancelled():
    seen: list = []
    sent = ask(partial(wait_forever, seen=seen), headers=FORM, messages=[PIECE, LAST, {"type": "http.disconnect"}])
    assert seen == ["cancelled"]
    assert sent == []


def test_a_head_is_answered_as_a_get_without_its_body(client):
    shown, head = client.get("/creators"), client.head("/creators")
    assert (head.status_code, head.content) == (200, b"")
    assert [head.headers[name] for name in ("etag", "content-length")] == [
        shown.headers[name] for name in ("etag", "content-length")
    ]
    assert client.head("/nothing").status_code == 404
    assert client.head("/analyze").status_code == 405


def test_the_health_of_a_server_is_told_under_any_name(client):
    other = {"Host": "campaign.example"}
    assert client.get("/health", headers=other).status_code == 200
    assert code_of(client.get("/creators", headers=other)) == "bad-host"


def test_what_breaks_is_told_without_how(caplog):
    async def breaks(scope, receive, send):
        raise ValueError("a caption that nobody shall read")

    with caplog.at_level(logging.INFO, "postlens.serve"):
        sent = ask(breaks, messages=[LAST])
    assert sent[0]["status"] == 500
    assert b"caption" not in sent[1]["body"]
    assert b"Traceback" not in sent[1]["body"]
    said = [record.fields for record in caplog.records]
    assert "ValueError" in repr(said)
    assert "caption" not in repr(said)


def test_the_log_has_routes_and_no_queries(client, caplog):
    with caplog.at_level(logging.INFO, "postlens.serve"):
        client.get("/people/Some%20Name?q=secret")
        client.get("/nothing/of/secret")
    said = [record.fields for record in caplog.records]
    assert [one["route"] for one in said] == ["/people/{person_id}", "unknown"]
    assert "secret" not in repr(said)
    assert "Some" not in repr(said)


def test_methods_that_clients_make_up_are_counted_as_one(client):
    for method in ("FOO", "BAR", "get"):
        client.request(method, "/emotions")
    text = client.get("/metrics").text
    assert 'method="other"' in text
    assert "FOO" not in text
    assert 'method="get"' not in text


def test_figures_are_there_for_prometheus(client):
    client.get("/emotions")
    text = client.get("/metrics").text
    assert 'postlens_requests_total{method="GET",route="/emotions",status="200"}' in text
    assert "postlens_batch_images_bucket" in text
    assert "postlens_ready 1.0" in text
