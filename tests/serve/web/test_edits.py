"""A user's words about people, sent by forms, and signing in with a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from postlens.pipelines.people_list import list_people
from postlens.serve.security import add_key
from postlens.serve.web.pages.session import inside
from postlens.serve.web.session import IDLE_S, Sessions
from postlens.store import Store

from .conftest import client_of, copied_store, form_token

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def site(sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A copy that these tests change; each leaves it as it was, but the last."""
    with client_of(copied_store(sample_run, tmp_path_factory.mktemp("edits"))) as client:
        yield client


def people_of(site: TestClient) -> list[str]:
    return [row.person_id for row in list_people(site.app.state.context.store) if not row.hidden]


def send(site: TestClient, path: str, **data: object):
    return site.post(path, data={"csrf": form_token(site), **data}, follow_redirects=False)


def undo_last(site: TestClient, answer) -> None:
    number = answer.headers["location"].rpartition("=")[2]
    assert send(site, "/web/people/undo", number=number).status_code == 303


def test_people_are_merged_and_the_merge_is_taken_back(site):
    before = people_of(site)
    merged = send(site, "/web/people/merge", person=before)
    assert len(people_of(site)) == 1
    assert "Undo" in site.get(merged.headers["location"]).text
    undo_last(site, merged)
    assert people_of(site) == before


def test_of_two_merges_of_the_same_people_the_second_is_told_so(site):
    people = people_of(site)
    merged = send(site, "/web/people/merge", person=people)
    second = send(site, "/web/people/merge", person=people)
    assert second.status_code == 409
    assert "another change came first" in second.text
    undo_last(site, merged)


def test_one_person_alone_cannot_be_merged(site):
    answer = send(site, "/web/people/merge", person=people_of(site)[:1])
    assert answer.status_code == 422
    assert "two persons or more" in answer.text


def test_a_name_is_shown_everywhere_and_escaped(site):
    person = people_of(site)[0]
    named = send(site, f"/web/people/{person}/name", name="Grace <b>")
    assert "Grace &lt;b&gt;" in site.get("/web/people").text
    undo_last(site, named)


def test_a_hidden_person_leaves_the_gallery_and_comes_back(site):
    person = people_of(site)[0]
    send(site, f"/web/people/{person}/hide")
    assert person not in people_of(site)
    assert f"/web/people/{person}/unhide" in site.get("/web/people").text
    send(site, f"/web/people/{person}/unhide")
    assert person in people_of(site)


def test_numbers_and_faces_stay_when_somebody_is_named_or_hidden(site):
    first, second = sorted(people_of(site), key=lambda one: number_of(site, one))
    before = number_of(site, second)
    named = send(site, f"/web/people/{first}/name", name="Ada")
    assert number_of(site, second) == before
    undo_last(site, named)
    hidden = send(site, f"/web/people/{first}/hide")
    assert number_of(site, second) == before
    text = site.get(hidden.headers["location"]).text
    below = text.partition('id="hidden"')[2]
    for part in below.split('id="changes"'):
        assert f'src="/web/people/{first}/face.jpg"' in part
    assert f'src="/web/people/{first}/face.jpg"' in site.get(f"/web/people/{first}").text
    assert site.get(f"/web/people/{first}/face.jpg").headers["content-type"] == "image/jpeg"
    undo_last(site, hidden)


def number_of(site: TestClient, person_id: str) -> str:
    """What a person is called on the person's page."""
    return re.search(r"<h1><bdi>(Person \d+)</bdi>", site.get(f"/web/people/{person_id}").text)[1]


def test_a_page_says_what_was_done_and_of_unknown_changes_nothing(site):
    person = people_of(site)[0]
    named = send(site, f"/web/people/{person}/name", name="Ada")
    assert "Named a person: Ada, as Ada." in site.get(named.headers["location"]).text
    for unknown in ("999", "undone", "²", "<b>"):
        assert 'class="note good"' not in site.get("/web/people", params={"done": unknown}).text
    taken = send(site, "/web/people/undo", number=named.headers["location"].rpartition("=")[2])
    assert "Taken back: Named a person" in site.get(taken.headers["location"]).text


def test_what_went_wrong_leads_back_to_the_page_it_came_from(site):
    person = people_of(site)[0]
    data = {"csrf": form_token(site), "track": "nothing"}
    came = {"Referer": f"http://127.0.0.1/web/people/{person}?page=1"}
    answer = site.post(f"/web/people/{person}/split", data=data, headers=came)
    assert answer.status_code == 409
    assert f'href="/web/people/{person}?page=1">Back</a>' in answer.text
    elsewhere = site.post(f"/web/people/{person}/split", data=data, headers={"Referer": "https://other.example/web/x"})
    assert 'href="/">Back</a>' in elsewhere.text


def test_selected_faces_are_split_off(site):
    person = people_of(site)[0]
    tracks = re.findall(r'name="track" value="([^"]+)"', site.get(f"/web/people/{person}").text)
    split = send(site, f"/web/people/{person}/split", track=tracks[:1])
    after = re.findall(r'name="track" value="([^"]+)"', site.get(f"/web/people/{person}").text)
    assert set(after) == set(tracks) - {tracks[0]}
    undo_last(site, split)


def test_a_person_is_forgotten_only_when_the_box_is_ticked(site):
    person = people_of(site)[0]
    path = f"/web/people/{person}/forget"
    assert "cannot be undone" in site.get(path).text
    assert send(site, path).status_code == 422
    assert person in people_of(site)
    assert "Forgotten" in send(site, path, sure="yes").text
    assert person not in people_of(site)
    assert site.get(f"/web/people/{person}/face.jpg").status_code == 404


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The path of an empty store, and its keys by scope."""
    path = tmp_path_factory.mktemp("keys") / "postlens.db"
    with Store.open(path) as store:
        made = {scope: add_key(store, scope, (scope,), now=NOW)[1] for scope in ("read", "admin")}
    return {"store": str(path), **made}


@pytest.fixture(scope="module")
def closed(keys: dict[str, str]) -> Iterator[TestClient]:
    """A server that needs keys."""
    with client_of(Path(keys["store"]), keys=True) as client:
        yield client


def sign_in(closed: TestClient, key: str, where: str = "/"):
    closed.cookies.clear()
    data = {"csrf": form_token(closed, "/web/login"), "key": key, "where": where}
    return closed.post("/web/login", data=data, follow_redirects=False)


def test_a_page_leads_to_the_form_that_takes_a_key_and_back(closed, keys):
    closed.cookies.clear()
    answer = closed.get("/web/creators?niche=pet", headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.status_code == 303
    assert "where=%2Fweb%2Fcreators%3Fniche%3Dpet" in answer.headers["location"]
    signed = sign_in(closed, keys["read"], "/web/creators?niche=pet")
    assert signed.headers["location"] == "/web/creators?niche=pet"
    assert "httponly" in signed.headers["set-cookie"].lower()
    assert "samesite=lax" in signed.headers["set-cookie"].lower()
    assert closed.get("/web/creators").status_code == 200


def test_no_page_or_picture_is_given_without_a_key(closed):
    closed.cookies.clear()
    for path in ("/", "/web/people", "/web/media/ff.jpg", "/web/people/x/face.jpg"):
        assert closed.get(path, headers={"Accept": "image/*"}).status_code == 401


def test_a_wrong_key_is_told_and_opens_nothing(closed):
    answer = sign_in(closed, "pl_none_wrong")
    assert answer.status_code == 401
    assert "does not count" in answer.text
    assert closed.get("/", headers={"Accept": "*/*"}).status_code == 401


def test_a_key_that_may_read_may_not_change(closed, keys):
    sign_in(closed, keys["read"])
    answer = closed.post("/web/people/merge", data={"csrf": form_token(closed), "person": ["a", "b"]})
    assert answer.status_code == 403
    sign_in(closed, keys["admin"])
    answer = closed.post("/web/people/merge", data={"csrf": form_token(closed), "person": ["a", "b"]})
    assert answer.status_code == 409  # nobody of these names


def test_signing_out_ends_the_session(closed, keys):
    sign_in(closed, keys["read"])
    token = closed.cookies["postlens_session"]
    closed.post("/web/logout", data={"csrf": form_token(closed)})
    closed.cookies.set("postlens_session", token)
    assert closed.get("/", headers={"Accept": "*/*"}).status_code == 401


def test_a_session_ends_when_it_is_idle():
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    token = sessions.open("key")
    now[0] = IDLE_S
    assert sessions.key_of(token) == "key"
    now[0] = 2 * IDLE_S + 1
    assert sessions.key_of(token) is None


@pytest.mark.parametrize("where", ["//other.example", "https://other.example", "/\\other.example", "", "/a\nb"])
def test_signing_in_leads_nowhere_else(where):
    assert inside(where) == "/"
