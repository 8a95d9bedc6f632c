"""Posts, creators and where their media is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postlens.errors import ForgottenError, ShapeError
from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.forget import forget_creator
from postlens.store.meta import read_revision
from postlens.store.posts import (
    DuplicateLink,
    LocatedPost,
    read_creators,
    read_duplicates,
    read_post_media,
    read_posts,
    read_seen,
    write_duplicates,
    write_post,
    write_posts,
)
from postlens.types import Creator, MediaRef, Post

from .conftest import undone
from .facts import LATER, NOW, located, post, sha

PAIR = (MediaRef(path="a.jpg"), MediaRef(url="https://example.org/b.jpg"))


def test_written_post_is_read_back(store: Store) -> None:
    source = post(1, caption="Grüße 🌿", published_at=NOW, label="food", media=PAIR)
    with store.write() as conn:
        write_post(conn, source, [sha(1), sha(2)], now=LATER)
        expected = Post("instagram:1", "instagram:anna", "instagram", (sha(1), sha(2)), NOW, "Grüße 🌿")
        assert read_posts(conn) == [expected]
        assert read_creators(conn) == [Creator("instagram:anna", "instagram", "anna")]
        assert [item.ref for item in read_post_media(conn)] == list(PAIR)


def test_what_the_platform_says_of_the_picture_is_kept(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, alt_text="Photo of a dog", n_tagged=0, has_location=False)], now=NOW)
        assert write_posts(conn, [located(1)], now=NOW) == 0
        (found,) = read_posts(conn)
    assert (found.alt_text, found.n_tagged, found.has_location) == ("Photo of a dog", 0, False)


def test_writing_again_changes_nothing(store: Store) -> None:
    for _ in range(2):
        with store.write() as conn:
            write_posts(conn, [located(n, published_at=NOW, origin="a.csv row 2") for n in range(5)], now=NOW)
    with store.write() as conn:
        assert write_posts(conn, [located(3, origin="another table, row 9")], now=LATER) == 0
        assert read_revision(conn) == 1


def test_what_a_source_does_not_say_erases_nothing(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, caption="hello", label="food", published_at=NOW)], now=NOW)
        assert write_posts(conn, [located(1)], now=NOW) == 0


def test_corrected_caption_replaces_the_old_one(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, caption="helo")], now=NOW)
        assert write_posts(conn, [located(1, caption="hello")], now=NOW) == 1
        assert read_posts(conn)[0].caption == "hello"


@pytest.mark.parametrize(
    ("ref", "sha256", "expected"),
    [
        ("/photos/1.jpg", None, (sha(1),)),  # unreadable now: what was known stays
        ("/photos/other.jpg", None, ()),  # another file: nothing is known of it
        ("/photos/1.jpg", sha(9), (sha(9),)),  # a changed file
    ],
)
def test_media_follow_the_files(store: Store, ref: str, sha256: str | None, expected: tuple[str, ...]) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        write_post(conn, post(1, media=(MediaRef(path=ref),)), [sha256], now=NOW)
        assert read_posts(conn)[0].media == expected


def test_media_taken_from_a_post_are_gone(store: Store) -> None:
    with store.write() as conn:
        write_post(conn, post(1, media=PAIR), [sha(1), sha(2)], now=NOW)
        write_post(conn, post(1, media=PAIR[:1]), [sha(1)], now=NOW)
        assert read_posts(conn)[0].media == (sha(1),)


@pytest.mark.parametrize("name", ["caf\udce9.jpg", "nul\x00.jpg", "bytes:x.jpg", "é🙂\n.jpg", "a%b.jpg"])
def test_odd_names_come_back_as_they_are(store: Store, name: str) -> None:
    odd = post(1, post_key=None, media=(MediaRef(path=name),), handle=name, caption=name, origin=name)
    with store.write() as conn:
        write_post(conn, odd, [sha(1)], now=NOW)
        assert read_post_media(conn)[0].ref.path == name
        assert [one.caption for one in read_posts(conn, creator_id=f"instagram:{name}")] == [name]


def test_posts_of_one_creator_or_by_id(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1), located(2, handle="ben"), located(3)], now=NOW)
        assert [one.post_id for one in read_posts(conn, creator_id="instagram:anna")] == ["instagram:1", "instagram:3"]
        assert [one.post_id for one in read_posts(conn, post_ids=["instagram:2"])] == ["instagram:2"]


def test_thousands_of_ids_are_asked_for_at_once(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(n) for n in range(2500)], now=NOW)
        assert len(read_posts(conn, post_ids=[f"instagram:{n}" for n in range(2500)])) == 2500


def test_posts_are_numbered_as_they_are_first_seen(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(3), located(1), located(3, caption="again")], now=NOW)
        write_posts(conn, [located(2), located(1)], now=LATER)
        assert read_seen(conn) == {"instagram:3": 1, "instagram:1": 2, "instagram:2": 3}


def test_duplicate_links_are_replaced_as_a_whole(store: Store) -> None:
    first = DuplicateLink("instagram:2", "instagram:1", "same bytes", 1.0)
    second = DuplicateLink("instagram:3", "instagram:1", "same frames", 0.9)
    with store.write() as conn:
        write_posts(conn, [located(n) for n in (1, 2, 3)], now=NOW)
        assert write_duplicates(conn, [first, second]) == 2
        assert write_duplicates(conn, [second]) == 1
        assert write_duplicates(conn, [second]) == 0
        assert read_duplicates(conn) == [second]


def test_forgotten_creator_is_not_brought_back(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        forget_creator(conn, "instagram:anna", now=NOW)
    with pytest.raises(ForgottenError, match="instagram:anna"), store.write() as conn:
        write_posts(conn, [located(2)], now=NOW)


def test_every_file_of_a_post_has_a_hash_or_none() -> None:
    with pytest.raises(ShapeError, match="1 entries"):
        LocatedPost(post(1), ())


PARTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "caption": st.just("caption"),
        "published_at": st.just(NOW),
        "label": st.just("food"),
        "origin": st.sampled_from(["a.csv row 1", "b.csv row 2"]),
    },
)
OBSERVED = st.integers(0, 3).map(lambda day: NOW + timedelta(days=day))


@st.composite
def statements(draw: st.DrawFn) -> LocatedPost:
    """What one of several sources says about one of a few posts; counts agree where the times do."""
    number, observed_at = draw(st.integers(1, 4)), draw(OBSERVED)
    known = draw(st.sets(st.sampled_from(["likes", "views", "score"])))
    metrics = {name: float(number * 100 + observed_at.day) for name in known}
    return located(number, metrics=metrics, observed_at=observed_at, **draw(PARTS))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(statements(), max_size=12), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_batches_of_writing_do_not_matter(store: Store, said: list[LocatedPost], rng: Any, size: int) -> None:
    with undone(store) as conn:
        write_posts(conn, said, now=NOW)
        expected = dump(conn)
    rng.shuffle(said)
    with undone(store) as conn:
        for start in range(0, len(said), size):
            write_posts(conn, said[start : start + size], now=LATER)
        assert dump(conn) == expected
