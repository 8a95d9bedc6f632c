"""Posts of a store that look like an image."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.pipelines.search import Index, read_index
from postlens.store import Store
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec


@pytest.fixture
def index() -> Index:
    """Three posts: one looks along x, a video first along y and then along x and y, one has the video's file, too."""
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 1], [0.6, 0.8]], np.float32)
    places = (("x", "photo"), ("y", "video"), ("z", "video"))
    return Index(vectors, np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 0, 1], np.float32), places)


def test_each_post_comes_once_with_its_nearest_frame(index):
    found = index.nearest(np.array([[0, 2]], np.float32), n=3)
    assert [(one.post_id, round(one.similarity, 3), one.pts_s) for one in found] == [
        ("y", 1, 0),
        ("z", 1, 0),
        ("x", 0, 0),
    ]


def test_no_more_posts_come_than_were_asked_for(index):
    assert [one.post_id for one in index.nearest(np.array([[1, 0.0]], np.float32), n=1)] == ["x"]


def test_several_frames_are_sought_by_their_mean_direction(index):
    found = index.nearest(np.array([[5, 0], [0, 1]], np.float32), n=1)
    assert found[0].post_id in ("y", "z")
    assert found[0].similarity == pytest.approx(0.6 * 0.5**0.5 + 0.8 * 0.5**0.5, abs=1e-5)


def test_an_empty_store_has_nothing_alike(tmp_path):
    with Store.open(tmp_path / "a.db") as store, store.read() as conn:
        found = read_index(conn, fingerprint=load_spec(ENCODER).fingerprint)
    assert found.nearest(np.ones((1, 4), np.float32), n=5) == []
