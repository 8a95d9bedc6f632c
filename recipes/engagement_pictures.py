"""Thumbnails of the collection to embeddings, and what the shipped heads read in them; used by recipes/engagement.py.

27,000 thumbnails of 42 px, scaled up as any picture, take about five minutes on one core; a cache saves the second
time.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engagement_data import Posts
from postlens.vision.encoder import Encoder
from postlens.vision.zoo import open_model

BATCH = 64
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Columns of the posts with likes, in the order of the tables; what the pixels say and nothing else."""

    vectors: NDArray[np.float32]  # (N, D) of the shared encoder
    niche: Float  # (N, 9) probabilities of the shipped head, summing to 1
    valence: Float  # (N, 2) valence and arousal of the scene as the shipped head reads them


def read_pictures(posts: Posts, *, cache: Path | None = None) -> Pictures:
    """Of every post with a thumbnail; `cache`: an .npz of the vectors by line of the collection, written if absent."""
    vectors = _cached(posts.sources[0], cache)
    lines = [int(post.post_id) for post in posts.shown]
    ordered = vectors[lines]
    niche = open_model("niche_post").run({"features": ordered})["probs"]
    valence = open_model("scene_affect").run({"features": ordered})["probs"]
    return Pictures(ordered, np.asarray(niche, np.float64), np.asarray(valence, np.float64))


def _cached(path: Path, cache: Path | None) -> NDArray[np.float32]:
    if cache is not None and cache.is_file():
        with np.load(cache) as found:
            return np.asarray(found["vectors"], np.float32)
    vectors = embed_thumbnails(path)
    if cache is not None:
        np.savez(cache, vectors=vectors)
    return vectors


def embed_thumbnails(path: Path) -> NDArray[np.float32]:
    """(N, D) by line of the collection, which is the post_id that `read_collection` gives."""
    encoder = Encoder()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        data = [base64.b64decode(json.loads(line)["thumb_jpeg"]) for line in lines]
    images = [np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in data]
    return np.concatenate([encoder.embed(images[i : i + BATCH])[0] for i in range(0, len(images), BATCH)])
