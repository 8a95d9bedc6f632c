"""Post features to bags: the posts of real creators, or creators made up from labelled photos; bags to padded arrays.

A bag is the row numbers of one creator's posts. No torch here: `train.creator` makes tensors of what `pad` returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.niche.evaluate import BagPlan, draw_bag
from postlens.types import NICHES, Columns, FloatArray, IntArray

# Made-up creators for training: the share of posts on topic is drawn from the first half of the time, since thin niches
# are what is hard, and from the whole range else. In the Instagram influencer data about one post in five is on topic.
THIN_SHARES, ALL_SHARES = (0.15, 0.3), (0.1, 1.0)
# How often an off-topic post of a made-up creator is "other": 1/9 is "like every other label".
OTHER_SHARES = (0.05, 0.6)


@dataclass(frozen=True, slots=True)
class PostFeatures(Columns):
    """Posts as columns: whose they are, what they are about, and their vectors by one encoder."""

    ids: tuple[str, ...]
    creators: tuple[str, ...]  # account or, for labelled photos, the photo's source; never in two splits
    labels: IntArray  # (N,) positions in classes; -1: not known
    vectors: FloatArray  # (N, D)
    classes: tuple[str, ...]
    fingerprint: str  # of the encoder
    measures: FloatArray | None = None  # (N, F) post features beside the vectors, NaN where not known
    measure_names: tuple[str, ...] = ()
    paths: tuple[str, ...] | None = None  # of a picture of each post; None: not known

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.vectors.ndim != 2 or len(self.vectors) != n or len(self.creators) != n or self.labels.shape != (n,):
            raise ShapeError(
                f"expected {n} creators, labels (N,) and vectors (N, D), got {len(self.creators)}, "
                f"{self.labels.shape} and {self.vectors.shape}"
            )
        if n and not (self.labels.min() >= -1 and self.labels.max() < len(self.classes)):
            raise ShapeError(f"labels must be positions in {len(self.classes)} classes, got up to {self.labels.max()}")
        if self.paths is not None and len(self.paths) != n:
            raise ShapeError(f"expected {n} paths, got {len(self.paths)}")
        if self.measures is not None and self.measures.shape != (n, len(self.measure_names)):
            raise ShapeError(f"measures must be ({n}, {len(self.measure_names)}), got {self.measures.shape}")

    @property
    def shared(self) -> tuple[str, ...]:
        """Classes, the encoder and the names are of all rows."""
        return ("classes", "fingerprint", "measure_names")

    @property
    def dim(self) -> int:
        """D, the width of a vector."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True, slots=True)
class Bags:
    """Creators as row numbers of their posts, with a label each."""

    creators: tuple[str, ...]
    rows: tuple[IntArray, ...]  # of each creator's posts, at least one
    labels: IntArray  # (B,) positions in the classes of the posts

    def __post_init__(self) -> None:
        if not len(self.creators) == len(self.rows) == len(self.labels):
            raise ShapeError(
                f"expected bags of equal number, got {len(self.creators)} creators, {len(self.rows)} bags of rows and "
                f"{len(self.labels)} labels"
            )
        empty = [name for name, rows in zip(self.creators, self.rows, strict=True) if not len(rows)]
        if empty:
            raise NotEnoughDataError(
                f"{empty[0]}: expected at least one post of every creator, got none ({len(empty)} such); leave it out"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, bags: Iterable[int]) -> Bags:
        """The given bags, in this order."""
        chosen = list(bags)
        return Bags(tuple(self.creators[i] for i in chosen), tuple(self.rows[i] for i in chosen), self.labels[chosen])


def bags_by_creator(posts: PostFeatures) -> Bags:
    """One bag for each creator, in the order of their first posts.

    Raises:
        NotEnoughDataError: no post at all.
        ShapeError: a creator's posts have different labels, or none: they are no creator's, but those of labelled
            photos, from which creators can be made up.
    """
    if not len(posts):
        raise NotEnoughDataError("expected posts of creators, got none; extract features first")
    names, first, member = np.unique(np.asarray(posts.creators, object), return_index=True, return_inverse=True)
    order = np.argsort(member, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(member))[:-1])
    for name, own in zip(names, rows, strict=True):
        _check_one_label(str(name), posts.labels[own], posts.classes)
    at = np.argsort(first)
    return Bags(tuple(str(names[i]) for i in at), tuple(rows[i] for i in at), posts.labels[first[at]])


def labelled_part(posts: PostFeatures, *, of_creators: bool) -> tuple[PostFeatures, tuple[str, ...]]:
    """The posts that have a label, and the creators left out because none of theirs has one.

    Args:
        of_creators: a creator of whose posts some have a label keeps all, for `bags_by_creator` to refuse; else the
            posts are labelled photos, and those without a label are left out.

    Raises:
        NotEnoughDataError: no post has a label.
    """
    known = posts.labels >= 0
    labelled = {creator for creator, is_known in zip(posts.creators, known, strict=True) if is_known}
    if len(posts) and not labelled:
        raise NotEnoughDataError(
            f"expected posts with a label, got none of {len(posts)}; extract from labelled posts: the influencer "
            "layout, manifest.csv, or folders by label (--labelled)"
        )
    left_out = tuple(dict.fromkeys(creator for creator in posts.creators if creator not in labelled))
    kept = np.array([creator in labelled for creator in posts.creators], bool) if of_creators else known
    return posts[kept], left_out


def _check_one_label(creator: str, labels: IntArray, classes: Sequence[str]) -> None:
    found = sorted(set(labels.tolist()))
    if len(found) != 1 or found[0] < 0:
        names = [classes[k] if k >= 0 else "none" for k in found]
        raise ShapeError(
            f"{creator}: expected one label for all posts of a creator, got {', '.join(names)}; if these are labelled "
            "photos by source, make up creators from them (--made-up)"
        )


# --- where bags come from -------------------------------------------------------------------------------------------


class BagSource(Protocol):
    """Creators to learn from, as many as there are, each drawn anew whenever asked for."""

    def __len__(self) -> int:
        """Number of creators in an epoch."""

    @property
    def labels(self) -> IntArray:
        """(B,) of the creators."""

    def draw(self, bag: int, rng: np.random.Generator) -> tuple[IntArray, int]:
        """Row numbers of a bag's posts, at least one, and its label."""


@dataclass(frozen=True, slots=True)
class RealBags:
    """Creators of the data, each seen through a random part of its posts."""

    bags: Bags
    fewest: int  # posts, where the creator has so many
    most: int

    def __len__(self) -> int:
        return len(self.bags)

    @property
    def labels(self) -> IntArray:
        """Of the creators."""
        return self.bags.labels

    def draw(self, bag: int, rng: np.random.Generator) -> tuple[IntArray, int]:
        """A part of random size, log-uniform from `fewest` to `most`."""
        own = self.bags.rows[bag]
        n = min(draw_size(self.fewest, self.most, rng), len(own))
        return rng.choice(own, n, replace=False), int(self.bags.labels[bag])


@dataclass(frozen=True, slots=True)
class MadeUpBags:
    """Creators made up from labelled photos, each label's photos from a random half of its sources.

    Share on topic and background are drawn for every bag, so that none of them is learnt by heart.
    """

    rows: IntArray  # (R,) photos to draw from
    truth: IntArray  # (R,) their labels, positions in NICHES
    sources: IntArray  # (R,) numbers of their sources
    n: int  # bags in an epoch
    fewest: int  # posts
    most: int

    @classmethod
    def of(cls, posts: PostFeatures, rows: IntArray, *, n: int, fewest: int, most: int) -> MadeUpBags:
        """Bags from the given photos. Raises `ShapeError` for other labels, `NotEnoughDataError` without a niche."""
        if posts.classes != NICHES:
            raise ShapeError(f"made-up creators need photos labelled {', '.join(NICHES)}, got {posts.classes}")
        absent = sorted(set(range(len(NICHES))) - set(posts.labels[rows].tolist()))
        if absent:
            raise NotEnoughDataError(
                f"expected photos of every niche in every part, got none of {', '.join(NICHES[k] for k in absent)}; "
                "add photos of more sources"
            )
        sources = np.unique(np.asarray(posts.creators, object)[rows], return_inverse=True)[1]
        return cls(rows, posts.labels[rows], sources.astype(np.int64), n, fewest, most)

    def __len__(self) -> int:
        return self.n

    @property
    def labels(self) -> IntArray:
        """The niches in turn."""
        return np.arange(self.n) % len(NICHES)

    def draw(self, bag: int, rng: np.random.Generator) -> tuple[IntArray, int]:
        """A new bag of the niche `bag` modulo 9."""
        niche = bag % len(NICHES)
        plan = draw_plan(draw_size(self.fewest, self.most, rng), rng)
        return self.rows[draw_bag(plan, niche, truth=self.truth, groups=self.sources, rng=rng)], niche

    def fixed(self, rng: np.random.Generator) -> Bags:
        """All bags of an epoch, drawn once: for validation and test."""
        rows = tuple(self.draw(bag, rng)[0] for bag in range(self.n))
        return Bags(tuple(f"made-up {number}" for number in range(self.n)), rows, self.labels)


def draw_size(fewest: int, most: int, rng: np.random.Generator) -> int:
    """A number of posts, log-uniform between the two."""
    return round(float(np.exp(rng.uniform(np.log(fewest), np.log(most)))))


def draw_plan(n_posts: int, rng: np.random.Generator) -> BagPlan:
    """A made-up creator's share on topic and background, see the constants above."""
    share = rng.uniform(*(THIN_SHARES if rng.random() < 0.5 else ALL_SHARES))
    return BagPlan(n_posts, float(share), float(rng.uniform(*OTHER_SHARES)))


# --- padding --------------------------------------------------------------------------------------------------------


class Padded(NamedTuple):
    """Bags of different sizes as one array, filled up with zeros."""

    features: FloatArray  # (B, N, D)
    mask: NDArray[np.bool_]  # (B, N) True at posts
    measures: FloatArray | None  # (B, N, F), NaN where not known and at padding


def pad(posts: PostFeatures, rows: Sequence[IntArray]) -> Padded:
    """The bags' posts, padded to the largest bag. Raises `NotEnoughDataError` for a bag without posts."""
    sizes = np.array([len(own) for own in rows])
    if not len(rows) or not sizes.min():
        raise NotEnoughDataError("expected at least one post in every bag, got a bag without any; leave it out")
    mask = np.arange(sizes.max()) < sizes[:, None]
    features = np.zeros((*mask.shape, posts.dim), np.float32)
    joined = np.concatenate(rows)
    features[mask] = posts.vectors[joined]
    if posts.measures is None:
        return Padded(features, mask, None)
    measures = np.full((*mask.shape, posts.measures.shape[1]), np.nan, np.float32)
    measures[mask] = posts.measures[joined]
    return Padded(features, mask, measures)
