"""Frames of a post's media to one vector."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.niche import post_embeddings
from postlens.types import Embeddings


def media(*rows: list[float], fingerprint: str = "enc") -> Embeddings:
    vectors = np.array(rows, np.float32).reshape(len(rows), -1)
    return Embeddings(tuple(f"m:{i}" for i in range(len(rows))), vectors, fingerprint)


def test_a_photo_post_keeps_its_vector():
    posts = post_embeddings({"p1": [media([1.0, 2.0])], "p2": [media([3.0, 4.0])]})
    assert posts.ids == ("p1", "p2")
    assert posts.vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert posts.fingerprint == "enc"


def test_a_long_video_counts_like_the_photo_beside_it():
    post = post_embeddings({"p": [media([0.0], [0.0], [0.0]), media([1.0])]})
    assert post.vectors.tolist() == [[0.5]]


def test_media_without_frames_is_passed_over():
    empty = Embeddings((), np.zeros((0, 1), np.float32), "enc")
    assert post_embeddings({"p": [empty, media([2.0])]}).vectors.tolist() == [[2.0]]


def test_post_without_any_frame_is_refused():
    with pytest.raises(NotEnoughDataError, match="p: expected at least one"):
        post_embeddings({"p": []})


def test_vectors_of_two_encoders_are_refused():
    with pytest.raises(ShapeError, match="one encoder"):
        post_embeddings({"p": [media([1.0]), media([1.0], fingerprint="other")]})


def test_vectors_of_two_widths_are_refused():
    with pytest.raises(ShapeError, match="one width"):
        post_embeddings({"p": [media([1.0])], "q": [media([1.0, 2.0])]})


def test_no_posts_give_no_rows():
    assert len(post_embeddings({})) == 0
