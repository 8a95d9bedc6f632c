"""Faces to tracks: what one track may hold, where it breaks, and its summary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import ShapeError
from postlens.types import Faces
from postlens.vision.tracks import extend_tracks, link_tracks, summarise_tracks


def faces(*rows: tuple[int, float, float], step_s: float = 1.0, templates: bool = True) -> Faces:
    """Faces 100 px wide by (frame, left edge, direction of the template in radians), templates 1.4 long."""
    frame = np.array([row[0] for row in rows], np.int64)
    left = np.array([row[1] for row in rows], np.float32)
    template = 1.4 * np.array([direction(row[2]) for row in rows], np.float32).reshape(-1, 2)
    n = len(rows)
    return Faces(
        xyxy_px=np.stack([left, np.zeros(n), left + 100, np.full(n, 100)], axis=1).astype(np.float32),
        score=np.ones(n, np.float32),
        landmarks_px=np.zeros((n, 6, 2), np.float32),
        quality=np.full(n, 0.5, np.float32),
        frame=frame,
        pts_s=(frame * step_s).astype(np.float32),
        template=template if templates else None,
    )


def direction(angle: float) -> list[float]:
    """The unit vector (2,) at an angle in radians."""
    return [float(np.cos(angle)), float(np.sin(angle))]


def test_a_face_that_moves_a_little_stays_in_its_track():
    assert link_tracks(faces((0, 0, 0), (1, 30, 0.1), (2, 60, 0))).track_id.tolist() == [0, 0, 0]


def test_two_faces_that_pass_each_other_keep_their_tracks():
    crossing = faces((0, 0, 0), (0, 60, 1), (1, 30, 0), (1, 31, 1), (2, 60, 0), (2, 0, 1))
    assert link_tracks(crossing).track_id.tolist() == [0, 1, 0, 1, 0, 1]


def test_another_face_at_the_same_place_starts_a_track():
    assert link_tracks(faces((0, 0, 0), (1, 0, 0.9))).track_id.tolist() == [0, 1]


def test_the_same_face_elsewhere_starts_a_track():
    assert link_tracks(faces((0, 0, 0), (1, 300, 0))).track_id.tolist() == [0, 1]


def test_a_missed_frame_does_not_break_a_track_but_a_long_absence_does():
    assert link_tracks(faces((0, 0, 0), (2, 0, 0))).track_id.tolist() == [0, 0]
    assert link_tracks(faces((0, 0, 0), (9, 0, 0))).track_id.tolist() == [0, 1]


def test_every_face_of_an_image_is_its_own_track():
    assert link_tracks(faces((0, 0, 0), (0, 0, 0), (0, 5, 0))).track_id.tolist() == [0, 1, 2]


def test_without_templates_overlap_decides():
    assert link_tracks(faces((0, 0, 0), (1, 20, 0), (2, 90, 0), templates=False)).track_id.tolist() == [0, 0, 1]


def test_no_faces_have_no_tracks():
    none = link_tracks(Faces.none())
    assert len(none) == len(summarise_tracks(none, "f00d")) == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 200), st.floats(0, 1)), max_size=25))
def test_two_faces_of_one_frame_never_share_a_track(rows):
    linked = link_tracks(faces(*rows))
    seen = list(zip(linked.frame.tolist(), linked.track_id.tolist(), strict=True))
    assert len(seen) == len(set(seen))
    assert sorted(set(linked.track_id.tolist())) == list(range(len(set(linked.track_id.tolist()))))


def test_a_summary_has_the_span_the_best_quality_and_the_direction_of_the_weighted_mean():
    linked = replace(link_tracks(faces((0, 0, 0), (1, 0, 0.3))), quality=np.array([0.1, 0.2], np.float32))
    summary = summarise_tracks(linked, "f00d")
    assert summary.track_id == ("f00d:0",)
    assert (summary.start_s[0], summary.end_s[0], summary.n_frames[0]) == (0, 1, 2)
    assert summary.quality[0] == pytest.approx(0.2)
    assert summary.template[0] == pytest.approx(direction(0.2), abs=1e-3)


def test_the_length_of_a_template_says_nothing():
    plain = link_tracks(faces((0, 0, 0), (1, 0, 0.3)))
    longer = replace(plain, template=plain.template * np.array([[1], [5]], np.float32))
    both = [summarise_tracks(one, "f00d").template for one in (plain, longer)]
    np.testing.assert_allclose(*both, atol=1e-6)


def test_faces_of_no_quality_still_have_a_mean():
    linked = replace(link_tracks(faces((0, 0, 0), (1, 0, 0.2))), quality=np.zeros(2, np.float32))
    assert summarise_tracks(linked, "f00d").template[0] == pytest.approx(direction(0.1), abs=1e-3)


@pytest.mark.parametrize("given_faces", [faces((0, 0, 0)), replace(faces((0, 0, 0)), template=None)])
def test_a_summary_needs_templates_and_tracks(given_faces):
    with pytest.raises(ShapeError, match="link_tracks"):
        summarise_tracks(given_faces, "f00d")


@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0, 200), st.floats(0, 1)), max_size=25),
    st.lists(st.floats(0, 9), max_size=4).map(sorted),
)
def test_no_track_spans_a_cut_and_none_is_in_a_frame_twice(rows, cuts):
    found = link_tracks(faces(*rows), cuts=cuts)
    for number in np.unique(found.track_id):
        own = found[found.track_id == number]
        assert len(set(np.searchsorted(np.float32(cuts), own.pts_s, side="right").tolist())) == 1
        assert len(set(own.frame.tolist())) == len(own)


def test_a_cut_ends_the_track_of_a_face_that_stays() -> None:
    rows = [(frame, 10.0, 0.0) for frame in range(6)]
    assert link_tracks(faces(*rows), cuts=[3.0]).track_id.tolist() == [0, 0, 0, 1, 1, 1]


def test_faces_of_far_apart_frames_are_followed_from_one_to_the_next() -> None:
    rows = [(frame, 10.0, 0.0) for frame in (0, 1, 2, 4)]
    assert link_tracks(faces(*rows, step_s=30.0), step_s=30.0).track_id.tolist() == [0, 0, 0, 1]


def test_tracks_reach_to_the_ends_of_their_shots_and_no_further() -> None:
    rows = [(1, 10.0, 0.0), (2, 10.0, 0.0), (3, 10.0, 0.0), (4, 10.0, 0.0), (5, 10.0, 0.0)]
    linked = link_tracks(faces(*rows), cuts=[2.6])
    tracks = extend_tracks(
        summarise_tracks(linked, "m"), shots_s=((0.0, 2.58), (2.6, 7.5)), searched_s=np.arange(8, dtype=np.float32)
    )
    assert tracks.start_s.tolist() == pytest.approx([1.0, 2.6])
    assert tracks.end_s.tolist() == pytest.approx([2.58, 5.0])
