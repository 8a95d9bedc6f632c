"""People asked from a store: whatever is written, in any order, changes what rests on it and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from postlens.pipelines.compile_people import compile_people
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.people import Person, PersonTrack, write_person_tracks, write_persons
from postlens.store.posts import DuplicateLink, LocatedPost, write_duplicates, write_posts
from postlens.types import FaceTracks, MediaFeatures, MediaFile, MediaRef, PersonPerformance, SourcePost

from ..store.facts import LATER, NOW, sha, template

PEOPLE = ("ann", "bob", "cem")
VIDEO_S = 10.0
MANY = settings(max_examples=15, deadline=None)


@dataclass(frozen=True)
class Clip:
    """A post of one video: its figures, who is in it for how long, when it came out, whose copy it is."""

    figures: dict[str, float]
    people: dict[str, float]  # person to seconds from the start
    day: int | None
    copy_of_first: bool = False


figure = st.integers(0, 10_000).map(float)
clip = st.builds(
    Clip,
    figures=st.dictionaries(st.sampled_from(["likes", "clicks"]), figure),
    people=st.dictionaries(st.sampled_from(PEOPLE), st.floats(0, VIDEO_S).map(lambda s: round(s, 1))),
    day=st.none() | st.integers(0, 300),
    copy_of_first=st.booleans(),
)
worlds = st.lists(clip, min_size=1, max_size=7).map(lambda clips: [replace(clips[0], copy_of_first=False), *clips[1:]])
Answers = dict[tuple[str, str], PersonPerformance]


@cache
def empty() -> bytes:
    """An empty store's file: making one takes longer than a test's own work."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "postlens.db"
        with Store.open(str(path)):
            pass
        return path.read_bytes()


@contextmanager
def fresh() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "postlens.db"
        path.write_bytes(empty())
        with Store.open(str(path)) as store:
            yield store


def post_id(number: int) -> str:
    return f"web:{number}"


def source(number: int, one: Clip) -> SourcePost:
    at = None if one.day is None else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=one.day)
    place = MediaRef(path=f"/in/{number}.mp4")
    return SourcePost("anna", (place,), "web", str(number), published_at=at, metrics=one.figures)


def write(conn: Connection, world: list[Clip], *, order: list[int] | None = None, now: datetime = NOW) -> int:
    """Posts, videos, tracks and persons of a world; returns how many rows of posts and features changed."""
    write_persons(conn, [Person(name, NOW) for name in PEOPLE])
    n_rows = 0
    for number in order if order is not None else range(len(world)):
        one, sha256 = world[number], sha(number)
        n_rows += write_posts(conn, [LocatedPost(source(number, one), (sha256,))], now=now)
        video = MediaFile(sha256, "video", "", 640, 480, 100 + number, duration_s=VIDEO_S)
        n_rows += write_features(conn, MediaFeatures(video, tracks=_tracks(sha256, one)))
        shown = [PersonTrack(f"{sha256}:{PEOPLE.index(name)}", name, 0.9) for name in one.people]
        n_rows += write_person_tracks(conn, shown)
    copies = [number for number, one in enumerate(world) if one.copy_of_first]
    links = [DuplicateLink(post_id(number), post_id(0), "frames", 1.0) for number in copies]
    return n_rows + write_duplicates(conn, links)


def _tracks(sha256: str, one: Clip) -> FaceTracks:
    names = sorted(one.people, key=PEOPLE.index)
    return FaceTracks(
        track_id=tuple(f"{sha256}:{PEOPLE.index(name)}" for name in names),
        start_s=np.zeros(len(names), np.float32),
        end_s=np.array([one.people[name] for name in names], np.float32),
        n_frames=np.ones(len(names), np.int64),
        quality=np.full(len(names), 0.9, np.float32),
        template=np.array([template(PEOPLE.index(name)) for name in names], np.float32).reshape(-1, 128),
    )


def ask(conn: Connection, **options) -> Answers:
    return {
        (row.person_id, row.metric): row for person in compile_people(conn, **options) for row in person.performance
    }


def own(row: PersonPerformance) -> PersonPerformance:
    """What rests on the person's own posts: without lift and trend, which are against the campaign."""
    return replace(row, lift=None, trend=None)


def changed(world: list[Clip], change: Callable[[Connection], object]) -> tuple[Answers, Answers]:
    """Answers of a world before and after a change."""
    with fresh() as store:
        with store.write() as conn:
            write(conn, world)
            before = ask(conn)
        with store.write() as conn:
            change(conn)
            return before, ask(conn)


@MANY
@given(worlds)
def test_means_shares_and_ends_are_those_of_the_posts_that_count(world):
    with fresh() as store, store.write() as conn:
        write(conn, world)
        answers = ask(conn)
    for name in PEOPLE:
        counted = {0 if one.copy_of_first else number for number, one in enumerate(world) if name in one.people}
        for metric in ("likes", "clicks"):
            values = [world[number].figures[metric] for number in counted if metric in world[number].figures]
            row = answers.get((name, metric))
            assert (row is None) == (not values)
            if row is not None:
                assert (row.n_posts, row.mean) == (len(values), pytest.approx(mean(values)))
                assert (row.best, row.worst) == (max(values), min(values))
                assert 0 <= (row.screen_share or 0) <= 1


@MANY
@given(worlds)
def test_the_same_files_again_change_nothing(world):
    with fresh() as store:
        with store.write() as conn:
            write(conn, world)
            before = compile_people(conn)
        with store.write() as conn:
            assert write(conn, world, now=LATER) == 0
            assert compile_people(conn) == before


@MANY
@given(worlds, st.randoms())
def test_the_order_of_writing_does_not_matter(world, random):
    order = list(range(len(world)))
    random.shuffle(order)
    found = []
    for numbers in (None, order):
        with fresh() as store, store.write() as conn:
            write(conn, world, order=numbers)
            found.append(compile_people(conn))
    assert found[0] == found[1]


@MANY
@given(worlds, st.data())
def test_a_corrected_count_changes_that_metric_of_those_in_the_post_alone(world, data):
    number = data.draw(st.integers(0, len(world) - 1))
    new = replace(world[number], figures={**world[number].figures, "likes": data.draw(figure)})
    later = lambda conn: write_posts(conn, [LocatedPost(source(number, new), (sha(number),))], now=LATER)  # noqa: E731
    before, after = changed(world, later)
    shown = {name for n, one in enumerate(world) for name in one.people if n == number or one.copy_of_first}
    for key, row in after.items():
        if key[1] == "clicks":
            assert row == before[key]
        elif key[0] not in shown:
            assert own(row) == own(before[key])


@MANY
@given(worlds, clip)
def test_a_new_video_changes_nothing_of_those_who_are_not_in_it(world, new):
    new = replace(new, copy_of_first=False)
    before, after = changed(world, lambda conn: write(conn, [*world, new], now=LATER))
    assert set(before) <= set(after)
    for key, row in before.items():
        if key[0] not in new.people:
            assert own(after[key]) == own(row)
        if key[1] not in new.figures and key[0] not in new.people:
            assert after[key] == row


@MANY
@given(worlds, figure)
def test_a_later_snapshot_counts_and_an_earlier_one_does_not(world, likes):
    first = replace(world[0], figures={"likes": 500.0})

    def observed(value: float, at: datetime) -> LocatedPost:
        one = replace(source(0, first), metrics={"likes": value}, observed_at=at)
        return LocatedPost(one, (sha(0),))

    world = [first, *world[1:]]
    before, after = changed(
        world, lambda conn: write_posts(conn, [observed(likes, NOW - timedelta(days=9))], now=LATER)
    )
    assert before == after
    _, after = changed(world, lambda conn: write_posts(conn, [observed(likes, LATER)], now=LATER))
    with fresh() as store, store.write() as conn:
        write(conn, [replace(first, figures={"likes": likes}), *world[1:]])
        assert ask(conn) == after


@MANY
@given(worlds)
def test_hiding_someone_takes_that_rows_and_changes_no_other(world):
    before, after = changed(world, lambda conn: write_persons(conn, [Person("ann", NOW, hidden=True)]))
    assert after == {key: row for key, row in before.items() if key[0] != "ann"}


@MANY
@given(worlds)
def test_a_link_between_copies_that_is_taken_back_leaves_no_trace(world):
    plain = [replace(one, copy_of_first=False) for one in world]
    with fresh() as store, store.write() as conn:
        write(conn, plain)
        expected = compile_people(conn)
        write(conn, world, now=LATER)
        write(conn, plain, now=LATER)
        assert compile_people(conn) == expected


@MANY
@given(worlds)
def test_a_name_changes_nothing_but_the_name(world):
    before, after = changed(world, lambda conn: write_persons(conn, [Person("ann", NOW, name="Ann Bell")]))
    assert before == after


def test_screen_time_weighs_when_asked_for():
    world = [Clip({"likes": 10.0}, {"ann": 3.0}, None), Clip({"likes": 50.0}, {"ann": 1.0}, None)]
    with fresh() as store, store.write() as conn:
        write(conn, world)
        assert ask(conn)["ann", "likes"].mean == 30
        row = ask(conn, weighting="screen_time")["ann", "likes"]
    assert (row.mean, row.weighting) == (20, "screen_time")
    assert row.screen_share == pytest.approx(0.2)
