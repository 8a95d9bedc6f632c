"""The search for faces in a video: what is found, at what cost, and never less than at a fixed rate.

Videos are drawn: every face is a coloured square on a plain ground, and the detector of these tests reads the squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.types import Faces, FrameBatch, Image
from postlens.vision.cuts import Picture
from postlens.vision.search import MAX_MORE_SHARE, MIN_MORE, Quick, Searched, join_faces, search_faces
from postlens.vision.tracks import link_tracks

WIDTH, HEIGHT, SIDE = 160, 90, 16
GROUND = 60
N_PEOPLE = 4
DRAWN = settings(deadline=None, max_examples=15)


@dataclass(frozen=True)
class Shown:
    """A person on screen from start to end (seconds), at a place that moves by `speed` px a second."""

    person: int
    start_s: float
    end_s: float
    left: float
    speed: float = 0.0

    def at(self, time_s: float) -> float | None:
        return self.left + self.speed * (time_s - self.start_s) if self.start_s <= time_s < self.end_s else None


def drawn(shown: list[Shown], time_s: float) -> Image:
    image = np.full((HEIGHT, WIDTH, 3), GROUND, np.uint8)
    for one in shown:
        left = one.at(time_s)
        if left is not None and 0 <= round(left) <= WIDTH - SIDE:
            top = 4 + 20 * one.person
            image[top : top + SIDE, round(left) : round(left) + SIDE] = 120 + 30 * one.person
    return image


def read(image: Image) -> Faces:
    """The faces of a drawn picture; the template is one axis for each person."""
    found = []
    for person in range(N_PEOPLE):
        rows, columns = np.nonzero(image[..., 0] == 120 + 30 * person)
        if len(rows):
            found.append((person, columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    n = len(found)
    return Faces(
        xyxy_px=np.array([box for _, *box in found], np.float32).reshape(n, 4),
        score=np.ones(n, np.float32),
        landmarks_px=np.zeros((n, 6, 2), np.float32),
        quality=np.ones(n, np.float32),
        frame=np.zeros(n, np.int64),
        pts_s=np.zeros(n, np.float32),
        template=np.eye(N_PEOPLE, dtype=np.float32)[[person for person, *_ in found]].reshape(n, N_PEOPLE),
    )


def searched(shown: list[Shown], *, n_frames: int = 24, coarse: bool = True, more: bool = True) -> Searched:
    images = tuple(drawn(shown, float(k)) for k in range(n_frames))
    frames = FrameBatch(images, np.arange(n_frames, dtype=np.float32), np.arange(n_frames))

    def inside(spans):  # type: ignore[no-untyped-def]
        times = [[a + (b - a) * k / 4 for k in (1, 2, 3)] for a, b in spans]
        return [[Picture(drawn(shown, t), t) for t in own] for own in times]

    return search_faces(frames, images, look=read, inside=inside if more else None, coarse=coarse)


def tracks_of(faces: Faces) -> dict[int, tuple[float, float]]:
    """Track number to its first and last time."""
    linked = link_tracks(faces)
    assert linked.track_id is not None
    return {
        int(number): (float(own.min()), float(own.max()))
        for number in np.unique(linked.track_id)
        for own in [linked.pts_s[linked.track_id == number]]
    }


def test_a_still_video_is_searched_once() -> None:
    found = searched([Shown(0, 0, 99, 30)])
    assert found.n_searches == 1
    assert found.faces.frame.tolist() == list(range(24))


def test_a_slow_face_is_searched_in_every_second_frame_and_followed_in_all() -> None:
    found = searched([Shown(0, 0, 99, 10, speed=2)])
    assert found.n_searches <= 14
    assert found.faces.frame.tolist() == list(range(24))
    assert np.abs(found.faces.xyxy_px[:, 0] - (10 + 2 * found.faces.pts_s)).max() <= 1


def test_a_face_that_shows_in_one_frame_only_is_found() -> None:
    assert 7.0 in searched([Shown(0, 0, 99, 10), Shown(1, 6.6, 7.4, 100)]).faces.pts_s.tolist()
    assert len(tracks_of(searched([Shown(0, 0, 99, 10), Shown(1, 6.6, 7.4, 100)]).faces)) == 2


def test_begin_and_end_are_found_to_the_smallest_step() -> None:
    (span,) = tracks_of(searched([Shown(0, 5.3, 11.6, 30)]).faces).values()
    assert span == (5.5, 11.5)
    (fixed,) = tracks_of(searched([Shown(0, 5.3, 11.6, 30)], more=False).faces).values()
    assert fixed == (6.0, 11.0)


def test_frames_beside_the_sampled_ones_are_numbered_on_from_them() -> None:
    found = searched([Shown(0, 5.3, 11.6, 30)])
    beside = found.faces[found.faces.frame >= 24]
    assert len(beside) > 0
    assert [found.more[frame - 24].pts_s for frame in beside.frame] == beside.pts_s.tolist()
    assert (np.diff(found.faces.pts_s) >= 0).all()


@DRAWN
@given(seed=st.integers(0, 10_000), n_shown=st.integers(1, 40))
def test_work_beside_the_sampled_frames_is_bounded(seed: int, n_shown: int) -> None:
    found = searched(people(seed, n_shown))
    assert len(found.more) <= max(MIN_MORE, MAX_MORE_SHARE * 24)
    assert found.n_searches <= 24 + len(found.more)


@DRAWN
@given(seed=st.integers(0, 10_000), n_shown=st.integers(0, 6))
def test_no_fewer_tracks_are_found_than_at_a_fixed_rate(seed: int, n_shown: int) -> None:
    shown = people(seed, n_shown)
    fixed = searched(shown, coarse=False, more=False)
    adaptive = searched(shown)
    assert persons(adaptive.faces) >= persons(fixed.faces)
    assert spans_of_persons(fixed.faces, adaptive.faces)


@DRAWN
@given(seed=st.integers(0, 10_000), n_shown=st.integers(0, 6))
def test_no_person_is_in_a_frame_twice(seed: int, n_shown: int) -> None:
    faces = searched(people(seed, n_shown)).faces
    who = [] if faces.template is None else faces.template.argmax(axis=1).tolist()
    assert len(set(zip(faces.frame.tolist(), who, strict=True))) == len(faces)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 15, 16, 17])
def test_every_sampled_frame_has_its_faces(n_frames: int) -> None:
    assert searched([Shown(0, 0, 99, 30)], n_frames=n_frames).faces.frame.tolist() == list(range(n_frames))


def test_no_frames_have_no_faces() -> None:
    none = FrameBatch((), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert len(search_faces(none, (), look=read).faces) == 0


def test_joining_no_faces_gives_none() -> None:
    assert len(join_faces([])) == len(join_faces([Faces.none(), Faces.none()])) == 0


def people(seed: int, n_shown: int) -> list[Shown]:
    """Persons in rows of their own who come and go, never twice at once."""
    rng = np.random.default_rng(seed)
    shown: list[Shown] = []
    for person in rng.integers(0, N_PEOPLE, n_shown).tolist():
        start_s, length_s = rng.uniform(0, 22), rng.uniform(0.3, 12)
        if all(one.person != person or one.end_s < start_s or start_s + length_s < one.start_s for one in shown):
            shown.append(Shown(person, start_s, start_s + length_s, rng.uniform(0, 140), rng.uniform(-3, 3)))
    return shown


def persons(faces: Faces) -> int:
    return len(set(faces.template.argmax(axis=1).tolist())) if faces.template is not None else 0


def spans_of_persons(fixed: Faces, adaptive: Faces) -> bool:
    """Whether each face found at the fixed rate lies in a track of the same person."""
    if fixed.template is None or adaptive.template is None:
        return fixed.template is None
    linked = link_tracks(adaptive)
    for person, at_s in zip(fixed.template.argmax(axis=1), fixed.pts_s, strict=True):
        own = linked.pts_s[adaptive.template.argmax(axis=1) == person]
        if not len(own) or not own.min() - 1e-6 <= at_s <= own.max() + 1e-6:
            return False
    return True


def counted(shown: list[Shown], *, lost: bool = False, n_frames: int = 24) -> tuple[Searched, dict[str, int]]:
    """A search with quick ways, and how often each was taken."""
    images = tuple(drawn(shown, float(k)) for k in range(n_frames))
    n = {"glance": 0, "follow": 0}

    def glance(image: Image) -> bool:
        n["glance"] += 1
        return len(read(image)) > 0

    def follow(image: Image, faces: Faces) -> Faces | None:
        n["follow"] += 1
        return None if lost or len(read(image)) < len(faces) else read(image)

    frames = FrameBatch(images, np.arange(n_frames, dtype=np.float32), np.arange(n_frames))
    return search_faces(frames, images, look=read, quick=Quick(glance, follow)), n


MOVING = [Shown(0, 0, 100, 20, speed=1.5)]


def test_known_faces_are_followed_in_place_of_searches() -> None:
    found, n = counted(MOVING)
    assert n["follow"] > 0 and found.n_searches < searched(MOVING, more=False).n_searches
    assert sorted(set(found.faces.frame.tolist())) == list(range(24))


def test_a_face_that_cannot_be_followed_is_searched_for() -> None:
    found, n = counted(MOVING, lost=True)
    assert n["follow"] > 0 and sorted(set(found.faces.frame.tolist())) == list(range(24))


def test_a_new_face_ends_the_following() -> None:
    found, _ = counted([*MOVING, Shown(1, 10, 18, 60, speed=1.5)])
    assert set(tracks_of(found.faces)) == {0, 1}
