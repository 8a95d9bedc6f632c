"""Pages about handles, names and captions that nobody would choose."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from postlens.serve.web.rendering import SECTIONS

from ...pipelines.pages import Page
from .conftest import client_of
from .hostile import HANDLES, hostile_store

LISTS = [href for _, href, _ in SECTIONS]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(hostile_store(tmp_path_factory.mktemp("hostile"))) as client:
        yield client


def links_of(client: TestClient, path: str) -> set[str]:
    """Links of a page to pages."""
    links = Page(client.get(path).text).links
    return {link.partition("#")[0] for link in links if link.startswith("/") and not link.startswith("/web/static")}


def test_every_link_of_every_list_leads_to_a_page(hostile):
    found = set().union(*(links_of(hostile, path) for path in LISTS))
    assert len([link for link in found if link.startswith("/web/creators/")]) == len(HANDLES)
    assert [(link, code) for link in sorted(found) if (code := hostile.get(link).status_code) != 200] == []


def test_every_page_of_a_creator_balances(hostile):
    for link in sorted(links_of(hostile, "/web/creators")):
        page = Page(hostile.get(link).text)
        assert (page.wrong, page.open) == ([], []), link


def test_words_of_others_stand_in_their_own_direction_and_long_ones_are_folded(hostile):
    post = next(link for link in sorted(links_of(hostile, "/web/posts")) if link.startswith("/web/posts/"))
    text = hostile.get(post).text
    assert re.search(r"<bdi>@[^<]+</bdi>", text)
    assert re.search(r'<details class="[^"]*folded"><summary dir="auto">Words that go on', text)


def test_the_way_back_from_signing_in_may_be_long(hostile):
    where = f"/web/creators?text={'x' * 200}&niche={'y' * 200}"
    answer = hostile.get("/web/login", params={"where": where})
    assert answer.status_code == 200
    assert "y" * 200 in answer.text


def test_pages_are_asked_for_by_their_heads(hostile):
    for path in (*LISTS, "/web/login", "/web/static/web.css"):
        assert hostile.head(path).status_code == 200, path
