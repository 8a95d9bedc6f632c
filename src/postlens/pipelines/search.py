"""An image to the posts of a store that look most like it, by the vectors that are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from postlens.store.posts import read_posts
from postlens.store.vectors import read_frame_embeddings
from postlens.types import FloatArray
from postlens.vision.templates import unit_rows


@dataclass(frozen=True, slots=True)
class Similar:
    """A post and how much one of its frames looks like the image."""

    post_id: str
    similarity: float  # cosine, 1: the same picture
    media: str  # sha256 of the file
    pts_s: float  # of the frame


@dataclass(frozen=True, slots=True)
class Index:
    """The vectors of all frames of a store's posts, in memory: 3 KiB for each frame."""

    vectors: FloatArray  # (F, D) of unit length
    frames: NDArray[np.int64]  # (F,) rows of `places`
    pts_s: FloatArray  # (F,)
    places: tuple[tuple[str, str], ...]  # post_id and sha256

    def nearest(self, vectors: FloatArray, *, n: int) -> list[Similar]:
        """The n posts nearest to the mean direction of (N, D) vectors, the nearest first; the search is exact."""
        if not len(self.vectors):
            return []
        close = self.vectors @ unit_rows(unit_rows(vectors).mean(axis=0, keepdims=True))[0]
        best: dict[str, Similar] = {}
        for row in np.argsort(-close, kind="stable").tolist():
            post_id, sha256 = self.places[self.frames[row]]
            best.setdefault(post_id, Similar(post_id, float(close[row]), sha256, float(self.pts_s[row])))
            if len(best) == n:
                break
        return list(best.values())


def read_index(conn: Connection, *, fingerprint: str) -> Index:
    """The vectors of one encoder of all posts; media that several posts have counts for each."""
    posts = read_posts(conn)
    found = read_frame_embeddings(conn, sorted({sha256 for post in posts for sha256 in post.media}), fingerprint)
    places = [(post.post_id, sha256) for post in posts for sha256 in post.media if sha256 in found]
    own = [found[sha256] for _, sha256 in places]
    sizes = [len(vectors) for vectors, _ in own]
    if not own:
        return Index(np.zeros((0, 1), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), ())
    return Index(
        vectors=unit_rows(np.concatenate([vectors.vectors for vectors, _ in own])),
        frames=np.repeat(np.arange(len(places)), sizes),
        pts_s=np.concatenate([at for _, at in own]).astype(np.float32),
        places=tuple(places),
    )
