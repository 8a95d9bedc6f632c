"""What stands before the routes, as who reads pages meets it: refusals as pages, cookies, and whose requests count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from postlens.serve.app import create_app
from postlens.serve.security import add_key
from postlens.serve.settings import ServeSettings
from postlens.serve.web.rendering import SECTIONS
from postlens.store import Store

from .conftest import form_token, serve_settings

HTML = {"Accept": "text/html"}


def client(folder: Path, **more: object) -> TestClient:
    settings = serve_settings(folder / "postlens.db").model_copy(update={"rate_per_s": 0.001, **more})
    return TestClient(create_app(ServeSettings.model_validate(settings.model_dump())), base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server without limits on the rate."""
    with client(tmp_path_factory.mktemp("free"), rate_per_s=0) as site:
        yield site


def is_page(answer) -> bool:
    return answer.headers["content-type"].startswith("text/html") and "<h1>" in answer.text


def test_who_asks_too_often_reads_so_on_a_page(tmp_path):
    with client(tmp_path, rate_burst=1) as site:
        site.get("/web/login", headers=HTML)
        page, document = site.get("/", headers=HTML), site.get("/")
        assert (page.status_code, document.status_code) == (429, 429)
        assert is_page(page)
        assert page.headers["retry-after"]
        assert document.headers["content-type"] == "application/problem+json"
        assert site.get("/web/static/web.css").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/web/people", {"Host": "other.example"}, 400),
        ("GET", "/web/people", {"Host": "["}, 400),
        ("POST", "/web/people/merge", {"Content-Length": str(1 << 40)}, 413),
        ("GET", "/web/nothing/of/this/name", {}, 404),
        ("POST", "/web/people", {}, 405),
    ],
)
def test_what_is_refused_before_a_route_is_told_on_a_page(free, method, path, headers, status):
    page = free.request(method, path, headers=HTML | headers)
    assert page.status_code == status
    assert is_page(page)
    assert not is_page(free.request(method, path, headers=headers))


def test_a_busy_server_says_so_on_a_page(free, monkeypatch):
    from postlens.errors import StoreLockedError
    from postlens.serve.web.campaigns import Campaigns

    def locked(_campaigns: Campaigns) -> None:
        raise StoreLockedError("locked")

    monkeypatch.setattr(Campaigns, "latest", locked)
    answer = free.get("/", headers=HTML)
    assert answer.status_code == 503
    assert is_page(answer)
    assert answer.headers["retry-after"]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Keys by scope of the store in `tmp_path`."""
    with Store.open(tmp_path / "postlens.db") as store:
        return {
            scope: add_key(store, scope, (scope,), now=datetime(2026, 11, 22, tzinfo=UTC))[1]
            for scope in ("read", "write", "admin")
        }


def sign_in(site: TestClient, key: str):
    data = {"csrf": form_token(site, "/web/login"), "key": key}
    return site.post("/web/login", data=data, headers=HTML, follow_redirects=False)


def test_who_has_signed_in_is_counted_by_the_key_and_not_by_the_address(tmp_path, keys):
    with client(tmp_path, keys=True, rate_burst=2) as site:  # signing in takes both that the address has
        assert sign_in(site, keys["read"]).status_code == 303
        assert [site.get("/web/login").status_code for _ in range(3)] == [200, 200, 429]
        site.cookies.clear()
        assert site.get("/web/login").status_code == 429


def test_cookies_come_with_links_from_elsewhere_and_are_bound_to_this_host_over_https(tmp_path, keys):
    with client(tmp_path, keys=True, rate_per_s=0) as site:
        site.base_url = "https://127.0.0.1"
        answer = sign_in(site, keys["read"])
        assert answer.status_code == 303
        said = answer.headers["set-cookie"].lower()
        assert said.startswith("__host-postlens_session=")
        assert all(word in said for word in ("samesite=lax", "secure", "httponly", "path=/"))
        assert "domain" not in said
        assert site.get("/web/analyze").status_code == 200


def test_a_link_from_elsewhere_leaves_the_token_of_open_forms(free):
    free.cookies.clear()
    answer = free.get("/web/analyze", headers={"Sec-Fetch-Site": "cross-site"})
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    assert "set-cookie" not in free.get("/web/analyze", headers={"Sec-Fetch-Site": "cross-site"}).headers


def test_a_page_offers_what_the_key_allows(tmp_path, keys):
    with client(tmp_path, keys=True, rate_per_s=0) as site:
        for scope, may_upload in (("read", False), ("write", True)):
            sign_in(site, keys[scope])
            for path in [href for _, href, _ in SECTIONS]:
                forms = site.get(path).text.count('method="post"')
                assert (forms > 1) == (may_upload and path == "/web/analyze"), path  # one signs out
