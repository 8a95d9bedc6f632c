"""Creators, posts and people of a store over HTTP."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from postlens.serve.routes import people as people_routes

from .conftest import code_of, served


def items(client, path: str) -> list[dict]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def all_pages(client, path: str) -> list[dict]:
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{path}{cursor and f'&cursor={cursor}'}").json()
        found += page["items"]
        cursor = page["next_cursor"]
    assert len(found) == page["total"]
    return found


# --- creators and posts -----------------------------------------------------------------------------------------------


def test_creators_come_in_pages_by_any_sort(client):
    every = items(client, "/creators")
    for sort in ("handle", "-n_posts", "followers", "-confidence", "likes"):
        paged = all_pages(client, f"/creators?limit=2&sort={sort}")
        assert sorted(one["creator_id"] for one in paged) == [one["creator_id"] for one in every]
    counts = [one["n_posts"] for one in items(client, "/creators?sort=-n_posts")]
    assert counts == sorted(counts, reverse=True)


def test_creators_are_filtered(client):
    assert {one["niche"]["label"] for one in items(client, "/creators?niche=interior")} == {"interior"}
    assert [one["handle"] for one in items(client, "/creators?q=TRAVEL")] == ["sample.travel"]
    assert all(one["n_posts"] >= 8 for one in items(client, "/creators?min_posts=8"))
    assert items(client, "/creators?platform=none") == []


def test_a_creator_is_found_by_id_and_by_handle(client):
    by_handle = client.get("/creators/@sample.travel").json()
    assert client.get(f"/creators/{by_handle['creator_id']}").json() == by_handle
    assert code_of(client.get("/creators/nobody")) == "not-found"


def test_posts_are_filtered_and_told_without_places_of_the_server(client, sample_campaign):
    answer = client.get("/posts?creator=sample.portraits&kind=video&limit=500")
    assert {one["creator_id"].partition(":")[2] for one in answer.json()["items"]} == {"sample.portraits"}
    assert all("/" not in media["name"] for one in answer.json()["items"] for media in one["media"])
    every = client.get("/posts?limit=500").text
    assert str(sample_campaign.parent) not in every
    assert '"template"' not in every


def test_posts_are_narrowed_by_time_emotion_person_and_copies(client):
    every = items(client, "/posts?limit=500")
    later = items(client, "/posts?limit=500&since=2025-02-01T00:00:00Z")
    assert 0 < len(later) < len(every)
    person = next(one["people"][0]["person_id"] for one in every if one["people"])
    assert all(any(s["person_id"] == person for s in one["people"]) for one in items(client, f"/posts?person={person}"))
    assert all("happy" in one["reaction"]["emotions"] for one in items(client, "/posts?emotion=happy"))
    assert len(items(client, "/posts?limit=500&duplicates=false")) < len(every)


def test_one_post_has_all_five_answers(client):
    post_id = items(client, "/posts?creator=sample.portraits&kind=image")[0]["post_id"]
    post = client.get(f"/posts/{post_id}").json()
    assert all(post[name] for name in ("niche", "recommendation", "forecast", "reaction", "media"))
    assert code_of(client.get("/posts/nothing")) == "not-found"


def test_the_small_picture_of_a_post_is_a_jpeg(client):
    sha256 = items(client, "/posts?limit=1")[0]["media"][0]["sha256"]
    answer = client.get(f"/media/{sha256}/thumbnail")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8")
    assert code_of(client.get("/media/none/thumbnail")) == "not-found"


@pytest.mark.parametrize("query", ["sort=odd", "limit=0", "limit=x", "since=yesterday", "kind=song"])
def test_lists_say_what_cannot_be_asked(client, query):
    assert code_of(client.get(f"/posts?{query}")) == "invalid"
    assert code_of(client.get("/posts?cursor=nonsense")) == "bad-cursor"


def test_a_client_that_has_the_answer_gets_none(client):
    first = client.get("/creators?limit=1")
    etag = first.headers["etag"]
    again = client.get("/creators?limit=1", headers={"If-None-Match": f'W/"other", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/creators?limit=2", headers={"If-None-Match": etag}).status_code == 200


def test_whatever_is_there_is_known_and_nothing_else(client):
    anything = {"If-None-Match": "*"}
    assert client.get("/creators/sample.travel", headers=anything).status_code == 304
    assert code_of(client.get("/creators/nobody", headers=anything)) == "not-found"


def test_small_pictures_are_asked_for_again_each_time(client):
    sha256 = items(client, "/posts?limit=1")[0]["media"][0]["sha256"]
    assert client.get(f"/media/{sha256}/thumbnail").headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_times_beyond_the_calendar_are_refused(client, name, at):
    assert code_of(client.get(f"/posts?{name}={at}")) == "invalid"


def test_a_page_has_at_most_so_many_rows(client):
    assert len(items(client, f"/posts?limit={10**30}")) == len(items(client, "/posts?limit=500"))


def test_products_are_offered_for_photos_and_for_creators(client, photo, sample_campaign):
    cap = (sample_campaign / "media" / "sample.portraits" / "navy-cap.jpg").read_bytes()
    found = client.post("/recommend", files=[("file", ("cap.jpg", cap)), ("file", ("smile.jpg", photo))]).json()
    assert len(found["each"]) == 2
    assert found["together"]["n_images"] == 2
    stored = client.get("/recommend?creator=sample.portraits").json()
    assert stored == client.get("/creators/sample.portraits").json()["recommendation"]


def test_a_photo_of_the_store_finds_its_post_first(client, photo):
    found = client.post("/search?n=3", files={"file": ("a.jpg", photo)}).json()
    assert found[0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert [one["similarity"] for one in found] == sorted((one["similarity"] for one in found), reverse=True)
    assert code_of(client.get("/search?q=coffee")) == "no-text-encoder"


def test_new_photos_are_forecast_in_the_order_of_their_ranks(client, photo, sample_campaign):
    other = (sample_campaign / "media" / "sample.interior" / "sofa.jpg").read_bytes()
    files = [("file", ("a.jpg", photo)), ("file", ("b.jpg", other))]
    found = client.post("/forecast?creator=sample.portraits", files=files, data={"caption": "Hello #you"}).json()
    assert [one["rank"] for one in found] == [1, 2]
    assert {name for one in found for name in one["files"]} == {"a.jpg", "b.jpg"}
    assert code_of(client.post("/forecast?creator=nobody", files=files)) == "not-found"


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(store_file):
    """A server that may be changed."""
    with served(store_file) as client:
        yield client


def test_people_come_with_how_their_posts_did(client):
    found = items(client, "/people")
    assert [one["n_posts"] for one in found] == sorted((one["n_posts"] for one in found), reverse=True)
    assert found[0]["performance"][0]["low"] is not None
    detail = client.get(f"/people/{found[0]['person_id']}").json()
    assert len(detail["tracks"]) >= detail["n_tracks"]
    assert client.get(f"/people/{found[0]['person_id']}/face").content.startswith(b"\xff\xd8")
    assert items(client, "/people?named=true") == []
    assert client.get("/people/suggestions").status_code == 200


def test_merging_splitting_naming_hiding_and_undoing(own):
    first, second, *_ = (one["person_id"] for one in items(own, "/people"))
    n_people = len(items(own, "/people"))
    named = own.post(f"/people/{first}/name", json={"name": "Ada"}).json()
    assert own.get("/people/Ada").json()["person_id"] == first
    merged = own.post(f"/people/{first}/merge", json={"others": [second]})
    assert merged.json()["person_id"] == first
    assert len(items(own, "/people")) == n_people - 1
    assert code_of(own.get(f"/people/{second}")) == "not-found"
    assert own.post("/people/undo", json={}).json()["verb"] == "merge"
    assert len(items(own, "/people")) == n_people
    tracks = own.get(f"/people/{first}").json()["tracks"]
    assert own.post(f"/people/{first}/split", json={"tracks": [tracks[0]["track_id"]]}).status_code == 200
    assert own.post(f"/people/{first}/hide").status_code == 200
    assert first not in [one["person_id"] for one in items(own, "/people")]
    assert first in [one["person_id"] for one in items(own, "/people?hidden=true")]
    assert code_of(own.post(f"/people/{first}/hide")) == "invalid"
    assert own.post(f"/people/{first}/unhide").status_code == 200
    assert code_of(own.post("/people/undo", json={"number": named["number"]})) == "invalid"
    assert [one["verb"] for one in own.get("/people/decisions").json()][:3] == ["unhide", "hide", "split"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("merge", {}), ("merge", {"others": []}), ("merge", {"other": ["x"]}), ("name", {"name": ""}), ("split", None)],
)
def test_a_correction_that_says_nothing_is_refused(client, path, body):
    assert code_of(client.post(f"/people/x/{path}", json=body)) == "invalid"


def test_of_two_merges_at_once_one_wins(own, monkeypatch):
    first, second, *_ = (one["person_id"] for one in items(own, "/people"))
    both_know, known = threading.Barrier(2), people_routes._known
    calls = threading.local()

    def know(context, who):
        found = known(context, who)
        if not getattr(calls, "before", False):
            calls.before = True
            both_know.wait(10)
        return found

    monkeypatch.setattr(people_routes, "_known", know)
    with ThreadPoolExecutor(2) as pool:
        ask = lambda: own.post(f"/people/{first}/merge", json={"others": [second]})  # noqa: E731
        answers = [one.result() for one in (pool.submit(ask), pool.submit(ask))]
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert code_of(next(one for one in answers if one.status_code == 409)) == "conflict"


def test_a_person_is_forgotten_for_good(own):
    person_id = items(own, "/people")[0]["person_id"]
    told = own.post(f"/people/{person_id}/forget").json()
    assert told["removed"]["persons"] == 1
    assert set(told["left"].values()) == {0}
    assert code_of(own.get(f"/people/{person_id}")) == "not-found"
    assert person_id not in own.get("/posts?limit=500").text


def test_a_store_that_is_locked_is_told_as_such(own, monkeypatch):
    import sqlite3

    person_id = items(own, "/people")[0]["person_id"]
    store = own.app.state.context.store
    monkeypatch.setattr(own.app.state.context, "store", type(store).open(store.name, lock_timeout_s=0.05))
    with sqlite3.connect(store.name, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = own.post(f"/people/{person_id}/name", json={"name": "Ada"})
        other.execute("ROLLBACK")
    other.close()
    own.app.state.context.store.close()
    monkeypatch.undo()
    assert code_of(answer) == "store-locked"
    assert answer.headers["retry-after"]
    assert store.name not in answer.text
