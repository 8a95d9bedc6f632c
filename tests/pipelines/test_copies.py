"""Copies among stored posts: the first publication is kept, without times the first that was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postlens.pipelines import copies
from postlens.pipelines.copies import link_copies
from postlens.store import Store
from postlens.store.copies import read_copy_pairs, read_copy_states
from postlens.store.features import write_features
from postlens.store.forget import forget_creator
from postlens.store.posts import LocatedPost, read_duplicates, write_posts
from postlens.store.schema import media
from postlens.types import MediaRef

from ..store.facts import NOW, features, located, post, sha

DAY = timedelta(days=1)


def links(store: Store) -> dict[str, str]:
    with store.write() as conn:
        link_copies(conn)
        return {one.post_id[-1]: one.first_post_id[-1] for one in read_duplicates(conn)}


def write_copies(store: Store, *days: tuple[int, int | None]) -> None:
    """Posts of one photo in this order: number, and day of publication if known."""
    with store.write() as conn:
        write_features(conn, features(1))
        for number, day in days:
            at = None if day is None else NOW + day * DAY
            write_posts(conn, [LocatedPost(located(number, published_at=at).post, (sha(1),))], now=NOW)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (((2, 5), (1, 3)), {"2": "1"}),  # the earlier publication
        (((2, None), (1, None)), {"1": "2"}),  # no times: the first seen
        (((2, None), (1, 9)), {"2": "1"}),  # a time before none
        (((2, 4), (1, 4)), {"2": "1"}),  # equal times: the smaller id
    ],
)
def test_the_first_occurrence_is_kept(store: Store, days, expected) -> None:
    write_copies(store, *days)
    assert links(store) == expected


def test_seeing_a_post_again_changes_no_link(store: Store) -> None:
    write_copies(store, (2, None), (1, None))
    before = links(store)
    write_copies(store, (1, None), (2, None))
    assert links(store) == before == {"1": "2"}


def fill(store: Store, *numbers: int) -> None:
    """Posts with two photos each, a shared cover and one of their own."""
    with store.write() as conn:
        for number in numbers:
            write_features(conn, features(0), features(number))
            refs = (MediaRef(path="/photos/cover.jpg"), MediaRef(path=f"/photos/{number}.jpg"))
            own = post(number, published_at=NOW, media=refs)
            write_posts(conn, [LocatedPost(own, (sha(0), sha(number)))], now=NOW)


def test_posts_with_the_same_cover_are_no_copies(store: Store) -> None:
    fill(store, 1, 2)
    assert links(store) == {}


def test_what_is_unchanged_is_not_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 1, 2)
    before = links(store)
    monkeypatch.setattr(copies, "link_files", None)  # would fail
    assert links(store) == before


@pytest.mark.parametrize("change", ["media", "facts", "rules"])
def test_what_changed_is_looked_at_once(store: Store, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    fill(store, 1, 2)
    links(store)
    asked, whole = [], copies.link_files
    monkeypatch.setattr(copies, "link_files", lambda *given: asked.append(1) or whole(*given))
    if change == "media":
        fill(store, 3)
    elif change == "facts":
        with store.write() as conn:
            write_features(conn, replace(features(1), hashes=features(5).hashes))
    else:
        monkeypatch.setattr(copies, "RULES", "other")
    for _ in range(2):
        links(store)
        assert asked == [1]


def test_what_is_kept_goes_with_a_forgotten_creator(store: Store) -> None:
    fill(store, 1, 2)
    links(store)
    with store.write() as conn:
        removed = forget_creator(conn, located(1).post.creator_id, now=NOW)
        assert removed["copy_states"] == 3
        assert not read_copy_states(conn)


def test_what_is_kept_goes_with_the_media(store: Store) -> None:
    fill(store, 1)
    links(store)
    with store.write() as conn:
        conn.execute(media.delete())
        assert not read_copy_states(conn)
        assert not read_copy_pairs(conn)
