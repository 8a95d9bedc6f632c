"""Who may call."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postlens.errors import SettingsError, UsageError
from postlens.serve.security import KeyRing, add_key
from postlens.serve.settings import ServeSettings
from postlens.store import Store
from postlens.store.keys import read_keys, revoke_key

from .conftest import code_of, served

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def keyed(store_file):
    """A client of a server that needs keys, and a key of each scope."""
    with Store.open(store_file) as store:
        keys = {scope: add_key(store, f"a {scope}er", (scope,), now=NOW)[1] for scope in ("read", "write", "admin")}
    with served(store_file, keys=True) as client:
        yield client, keys


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key_only_health_answers(keyed):
    client, _ = keyed
    assert client.get("/health").status_code == 200
    assert code_of(client.get("/creators")) == "key-missing"
    assert client.get("/creators").headers["www-authenticate"] == "Bearer"


def test_a_key_may_do_what_its_scope_allows(keyed):
    client, keys = keyed
    forget = "/people/person-x/forget"
    assert client.get("/creators", headers=bearer(keys["read"])).status_code == 200
    assert client.get("/creators", headers={"X-API-Key": keys["read"]}).status_code == 200
    assert code_of(client.post("/people/undo", json={}, headers=bearer(keys["read"]))) == "scope-missing"
    assert code_of(client.post("/people/undo", json={}, headers=bearer(keys["write"]))) == "not-found"
    assert code_of(client.post(forget, headers=bearer(keys["write"]))) == "scope-missing"
    assert code_of(client.post(forget, headers=bearer(keys["admin"]))) == "not-found"


def test_scopes_are_checked_before_a_body_is_read(keyed):
    client, _ = keyed
    assert code_of(client.post("/people/undo", content=b"{not json")) == "key-missing"


@pytest.mark.parametrize("key", ["", "pl", "pl_", "pl__", "pl_12345678_wrong", "x" * 5000, "pl_ä_ö", "pl_\x00_"])
def test_what_is_no_key_is_nobody(store_file, key):
    with Store.open(store_file) as store:
        ring = KeyRing(store)
        ring.refresh()
        assert ring.caller(key) is None


def test_a_key_with_another_secret_is_refused(keyed):
    client, keys = keyed
    changed = keys["read"][:-1] + ("a" if keys["read"][-1] != "a" else "b")
    assert code_of(client.get("/creators", headers=bearer(changed))) == "key-invalid"


def test_a_key_is_kept_as_its_hash_alone(store_file):
    with Store.open(store_file) as store:
        _, text = add_key(store, "somebody", ("read",), now=NOW)
        with store.read() as conn:
            (kept,) = read_keys(conn)
    secret = text.split("_", 2)[2]
    assert len(secret) == 43
    assert secret not in repr(kept)
    assert secret.encode() not in store_file.read_bytes()


def test_a_revoked_key_counts_no_more_after_two_seconds(store_file):
    time_s = [0.0]
    with Store.open(store_file) as store:
        key, text = add_key(store, "somebody", ("read",), now=NOW)
        ring = KeyRing(store, clock=lambda: time_s[0])
        ring.refresh()
        assert ring.caller(text) is not None
        with store.write() as conn:
            revoke_key(conn, key.key_id, now=NOW)
        time_s[0] = 2.0
        assert ring.is_stale
        ring.refresh()
        assert ring.caller(text) is None


@pytest.mark.parametrize(("name", "scopes"), [("", ("read",)), ("x", ()), ("x", ("all",))])
def test_keys_need_a_name_and_known_scopes(store_file, name, scopes):
    with Store.open(store_file) as store, pytest.raises(UsageError):
        add_key(store, name, scopes, now=NOW)


@pytest.mark.parametrize(
    ("host", "keys", "needed"),
    [
        ("127.0.0.1", None, False), ("localhost", None, False), ("::1", None, False), ("127.0.0.1", True, True),
        ("0.0.0.0", None, True), ("192.168.1.4", None, True), ("example.com", None, True),
    ],
)  # fmt: skip
def test_keys_are_needed_beyond_loopback(host, keys, needed):
    assert ServeSettings.load(store="x.db", host=host, keys=keys).needs_keys is needed


def test_keys_cannot_be_off_beyond_loopback():
    with pytest.raises(SettingsError, match="keys to be on"):
        ServeSettings.load(store="x.db", host="0.0.0.0", keys=False)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "postlens.local:8000", ""])
def test_no_page_reaches_a_server_without_keys_by_a_name_of_its_own(client, host):
    assert code_of(client.get("/creators", headers={"Host": host})) == "bad-host"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:9000", "[::1]:8000", "[::1]"])
def test_names_of_this_machine_count(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


def test_names_that_are_set_count_beside_those_of_this_machine(store_file):
    with served(store_file, hosts="lens.example", keys=True) as named:
        said = {
            host: named.get("/emotions", headers={"Host": host}).status_code
            for host in ("lens.example", "127.0.0.1", "x")
        }
        assert said == {"lens.example": 401, "127.0.0.1": 401, "x": 400}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_origins_change_nothing(client, origin):
    assert code_of(client.post("/people/undo", json={}, headers={"Origin": origin})) == "origin-refused"


def test_other_origins_read_nothing_unless_named(client, store_file):
    origin = {"Origin": "https://app.example"}
    assert "access-control-allow-origin" not in client.get("/health", headers=origin).headers
    with served(store_file, cors_origins="https://app.example") as opened:
        asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
        assert opened.get("/health", headers=origin).headers["access-control-allow-origin"] == "https://app.example"
        assert opened.options("/predict", headers=asked).status_code == 200
        assert code_of(opened.post("/people/undo", json={}, headers=origin)) == "not-found"
        other = opened.get("/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_every_answer_has_the_headers_that_browsers_heed(client):
    for path in ("/health", "/nothing", "/creators"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src" in headers["content-security-policy"]
        assert "server" not in headers
