"""Posts, thumbnails and photos to columns of numbers; used by `recipes/engagement_pairs.py`."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from postlens.pipelines.evaluation.instagram_posts import POSTS, read_collection
from postlens.tasks.engagement.ranking import RANK_MEASURES
from postlens.tasks.engagement.records import PostFacts
from postlens.vision.encoder import Encoder
from postlens.vision.faces import FaceDetector

N_FOLDS = 5
ALT_NO_WORDS = "no photo description"  # what the platform writes when it recognised nothing
MIN_WORD_POSTS = 40  # words of descriptions that fewer posts have are left out
SIDE_PX, QUALITY = 42, 75  # of the copies that stand for thumbnails
N_PHOTOS = 1500
N_FACE_THUMBNAILS = 300
DAY_S = 86_400.0
Float = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Posts:
    """N posts of accounts with two or more, in the order of the accounts."""

    facts: tuple[PostFacts, ...]
    vectors: Float  # (N, D)
    y: Float  # (N,) log(1 + likes)
    days: Float  # (N,) of publishing
    account: Ints  # (N,)
    fold: Ints  # (N,) of the account

    def __len__(self) -> int:
        return len(self.y)


def read_posts(folder: Path, *, cache: Path | None) -> Posts:
    """Posts with likes of accounts that have two or more; embeddings of their thumbnails, kept in `cache`."""
    kept = [
        [post for post in posts if "likes" in post.counts and post.published_at is not None]
        for posts in read_collection(folder).accounts.values()
    ]
    groups = [posts for posts in kept if len(posts) > 1]
    facts = tuple(post for posts in groups for post in posts)
    account = np.repeat(np.arange(len(groups)), [len(posts) for posts in groups])
    return Posts(
        facts,
        read_vectors(folder / POSTS, [int(post.post_id) for post in facts], cache=cache),
        np.log1p([post.counts["likes"] for post in facts]),
        np.array([post.published_at.timestamp() / DAY_S for post in facts if post.published_at]),
        account,
        (np.random.default_rng(0).permutation(len(groups)) % N_FOLDS)[account],
    )


def read_vectors(path: Path, lines: Sequence[int], *, cache: Path | None) -> Float:
    """(N, D) embeddings of the thumbnails on these lines of the collection."""
    if cache is not None and cache.is_file():
        with np.load(cache) as held:
            place = {int(line): row for row, line in enumerate(held["lines"])}
            return np.asarray(held["vectors"][[place[line] for line in lines]], np.float64)
    vectors = Encoder().embed(read_thumbnails(path, lines))[0]
    if cache is not None:
        np.savez(cache, lines=np.array(lines), vectors=vectors)
    return vectors.astype(np.float64)


def read_thumbnails(path: Path, lines: Sequence[int]) -> list[NDArray[np.uint8]]:
    """RGB thumbnails on these lines of the collection."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = {i: json.loads(text)["thumb_jpeg"] for i, text in enumerate(file)}
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(found[i]))).convert("RGB")) for i in lines]


# --- columns --------------------------------------------------------------------------------------------------------


def table(facts: Iterable[PostFacts]) -> dict[str, Float]:
    """Blocks of columns (N, .) by name, apart from the embedding."""
    posts = list(facts)
    shape = np.array([_aspect(post) for post in posts])[:, None]
    length = np.log1p([float(post.caption_length or 0) for post in posts])
    hashtags = np.array([float(post.n_hashtags or 0) for post in posts])
    tagged = np.array([float(post.n_tagged or 0) for post in posts])
    place = np.array([float(bool(post.has_location)) for post in posts])
    return {
        "measures": np.array([[(post.measures or {}).get(name, 0.0) for name in RANK_MEASURES[:-1]] for post in posts]),
        "shape": shape,
        "caption": np.column_stack([length, length**2, np.log1p(hashtags), hashtags > 0, hashtags > 10]),
        "tags": np.column_stack([np.log1p(tagged), tagged > 0, tagged > 5, place]),
        "description": describe([post.alt_text or "" for post in posts]),
    }


def _aspect(post: PostFacts) -> float:
    return post.media.width_px / post.media.height_px if post.media else 1.0


def describe(texts: Sequence[str]) -> Float:
    """(N, W) words of the automatic descriptions, and the number of people."""
    lower = [text.lower() for text in texts]
    words = [
        frozenset() if ALT_NO_WORDS in text else frozenset(re.findall("[a-z]+", text.split(":", 1)[-1]))
        for text in lower
    ]
    counts = Counter(word for found in words for word in found)
    vocabulary = sorted(word for word, n in counts.items() if n >= MIN_WORD_POSTS)
    people = np.array([_people(text) for text in lower])
    flags = [people == 1, people == 2, people > 2, np.log1p(people), [not found for found in words]]
    return np.column_stack([*([word in found for found in words] for word in vocabulary), *flags]).astype(np.float64)


def _people(text: str) -> float:
    found = re.search(r"(\d+) (?:person|people)", text)
    return float(found[1]) if found else 2.5 * ("one or more" in text)


def time_columns(days: Float) -> Float:
    """(N, 2) date and log age at the collection's newest post, both of about unit spread."""
    return np.column_stack([(days - days.mean()) / 300, np.log1p(days.max() - days)])


# --- photographs ----------------------------------------------------------------------------------------------------


def read_photos(folder: Path, *, cache: Path | None) -> tuple[Float, Float, Ints]:
    """Embeddings (P, D) of niche photos and of their 42 px copies, and the number of each photo's source."""
    if cache is not None and cache.is_file():
        with np.load(cache) as held:
            return held["photos"].astype(np.float64), held["copies"].astype(np.float64), held["source"]
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:N_PHOTOS]]
    photos = [np.asarray(Image.open(folder / one["file"]).convert("RGB")) for one in drawn]
    source = np.unique([one["source_group"] for one in drawn], return_inverse=True)[1]
    encoder = Encoder()
    found = encoder.embed(photos)[0], encoder.embed([small_copy(photo) for photo in photos])[0]
    if cache is not None:
        np.savez(cache, photos=found[0], copies=found[1], source=source)
    return found[0].astype(np.float64), found[1].astype(np.float64), source


def small_copy(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A JPEG copy as small as the thumbnails."""
    picture, data = Image.fromarray(photo), io.BytesIO()
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    picture.save(data, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(data).convert("RGB"))


def faces_row(folder: Path, posts: Posts) -> dict[str, Any]:
    """Thumbnails whose description counts people: in how many the detector finds a face."""
    named = [int(post.post_id) for post in posts.facts if post.alt_text and _people(post.alt_text.lower()) > 0]
    drawn = np.random.default_rng(0).permutation(named)[:N_FACE_THUMBNAILS].tolist()
    detector, images = FaceDetector(), read_thumbnails(folder / POSTS, drawn)
    share = float(np.mean([len(detector.detect(image)) > 0 for image in images]))
    return {"case": "thumbnails with people in which a face is found", "n_pairs": len(images), "share": round(share, 4)}
