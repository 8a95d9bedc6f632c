"""Persons to proposals for the user: which two are probably one, and which one is probably two.

The running assignment compares tracks (average linkage of `identity.py`). This is another look at all of it:
- A merge: two persons whose mean templates, weighted by quality, are near (centroid linkage, Sokal & Michener 1958). A
  mean of many tracks errs less than each of them, so it may go further than the running threshold.
- A split: a person whose good tracks fall into parts that no pair of tracks bridges (single linkage, which is DBSCAN
  of Ester et al. 1996 with one neighbour), each with what founds a person.

Nothing is proposed against a user's word: persons kept apart, two persons of the gallery, tracks joined by a link. Nor
are two persons who are seen at the same time in one media file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from postlens.tasks.people.gather import Founding, good_rows
from postlens.tasks.people.links import Links, Words, overlapping
from postlens.tasks.people.near import BLOCK_CELLS, Float64Array, near_components
from postlens.types import FaceTracks, FloatArray, IntArray

# A part of a person stands alone if its nearest track of the rest is this share of the running threshold away. Higher:
# fewer splits are proposed. At .75 none of 34 was right on photos, at .9 the wrong merges of clips come first, at a
# threshold that makes some (docs/log/people.md).
SPLIT_GAP = 0.9
# Distance of two mean templates up to which a merge is proposed, as a share of the running threshold. Higher: more
# right merges, among ever more wrong ones: benchmarks/results/people_suggest.csv, by recipes/people_clusters.py.
LOOSE = 1.1


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a user may want to say about persons."""

    kind: Literal["merge", "split"]
    persons: tuple[str, ...]  # merge: two, sorted; split: one
    tracks: tuple[str, ...]  # merge: the best track of each person; split: the tracks to take out
    strength: float  # 0..1, comparable within a kind: 1 is surest
    distance: float  # L2: of the mean templates for a merge, of the nearest tracks of both parts for a split
    reason: str


def suggest(
    tracks: FaceTracks,
    people: Mapping[str, str | None],
    *,
    threshold: float,
    loose: float | None = None,
    must_link: Words = (),
    cannot_link: Words = (),
    gallery: Mapping[str, str] | None = None,
) -> tuple[Proposal, ...]:
    """Merges and splits of persons, merges first, each kind with the surest first.

    `people` is what `assign` gave for `tracks` at `threshold`. `loose`: largest distance of two mean templates for a
    merge, `LOOSE` times the threshold by default: higher proposes more, and more of them wrong. Words are as for
    `assign`.
    """
    loose = LOOSE * threshold if loose is None else loose
    tracks = tracks[sorted(range(len(tracks)), key=tracks.track_id.__getitem__)]
    links = Links.of(tracks, must_link=must_link, cannot_link=cannot_link, gallery=gallery or {})
    crowd = _Crowd.of(tracks, people, links)
    return (*_merges(crowd, links, loose=loose), *_splits(crowd, links, threshold=threshold))


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Persons with what their good tracks look like on the whole."""

    tracks: FaceTracks
    names: tuple[str, ...]
    rows: tuple[IntArray, ...]  # of all tracks of each person
    good: tuple[IntArray, ...]  # of those that may found one
    person: IntArray  # (N,) number of each track's person, or -1
    mean: Float64Array  # (P, D) quality-weighted, unit length where the templates have it

    @classmethod
    def of(cls, tracks: FaceTracks, people: Mapping[str, str | None], links: Links) -> _Crowd:
        members: dict[str, list[int]] = defaultdict(list)
        for row, track in enumerate(tracks.track_id):
            if (name := people.get(track)) is not None:
                members[name].append(row)
        names = tuple(sorted(members))
        rows = tuple(np.array(members[name], np.int64) for name in names)
        fit = good_rows(tracks, links, founding=Founding())
        good = tuple(own[fit[own]] if fit[own].any() else own for own in rows)
        person = np.full(len(tracks), -1)
        for number, own in enumerate(rows):
            person[own] = number
        means = [_mean(tracks, own) for own in good]
        return cls(tracks, names, rows, good, person, np.array(means).reshape(len(names), tracks.template.shape[1]))

    def best(self, number: int) -> str:
        """The person's track of highest quality."""
        own = self.good[number]
        return self.tracks.track_id[int(own[np.argmax(self.tracks.quality[own])])]


def _mean(tracks: FaceTracks, rows: IntArray) -> Float64Array:
    """Quality-weighted mean template, as long as its tracks' templates are on average."""
    vectors, weight = tracks.template[rows].astype(np.float64), np.maximum(tracks.quality[rows], 1e-3)
    mean = np.asarray(np.average(vectors, axis=0, weights=weight), np.float64)
    length = float(np.linalg.norm(mean))
    return mean * (np.linalg.norm(vectors, axis=1).mean() / length) if length else mean


def _merges(crowd: _Crowd, links: Links, *, loose: float) -> list[Proposal]:
    apart, known = _apart(crowd, links), set(crowd.person[links.known].tolist())
    found = []
    for a, b, distance in _near_means(crowd.mean, radius=loose):
        if (a, b) not in apart and not known.issuperset((a, b)):
            found.append(_merge(crowd, a, b, distance=distance, loose=loose))
    return sorted(found, key=lambda one: (-one.strength, one.persons))


def _merge(crowd: _Crowd, a: int, b: int, *, distance: float, loose: float) -> Proposal:
    sizes = " and ".join(f"{len(crowd.rows[number])} tracks" for number in (a, b))
    return Proposal(
        kind="merge",
        persons=(crowd.names[a], crowd.names[b]),
        tracks=(crowd.best(a), crowd.best(b)),
        strength=1 - distance / loose,
        distance=distance,
        reason=f"the mean faces of {sizes} are {distance:.2f} apart, within {loose:.2f}",
    )


def _near_means(mean: Float64Array, *, radius: float) -> list[tuple[int, int, float]]:
    """Pairs of persons whose means are within the radius."""
    found: list[tuple[int, int, float]] = []
    squares = np.einsum("ij,ij->i", mean, mean)
    step = max(1, BLOCK_CELLS // 2 // max(1, len(mean)))
    for start in range(0, len(mean), step):
        block = slice(start, start + step)
        squared = squares[block, None] + squares - 2 * mean[block] @ mean.T
        for a, b in np.argwhere(squared <= radius * radius).tolist():
            if start + a < b:
                found.append((start + a, b, float(np.sqrt(max(0.0, squared[a, b])))))
    return found


def _apart(crowd: _Crowd, links: Links) -> set[tuple[int, int]]:
    """Pairs of persons that are two by a user's links or as they are seen at once."""
    ends = crowd.person[np.concatenate([links.cannot, overlapping(crowd.tracks)])]
    return {(min(a, b), max(a, b)) for a, b in ends.tolist() if a != b and min(a, b) >= 0}


def _splits(crowd: _Crowd, links: Links, *, threshold: float) -> list[Proposal]:
    gap = SPLIT_GAP * threshold
    found = [
        proposal
        for number in range(len(crowd.names))
        if len(crowd.good[number]) > 1
        if (proposal := _split(crowd, links, number, gap=gap, threshold=threshold)) is not None
    ]
    return sorted(found, key=lambda one: (-one.strength, one.persons))


def _split(crowd: _Crowd, links: Links, number: int, *, gap: float, threshold: float) -> Proposal | None:
    """The person's tracks without the largest part, if the rest would make a person of its own."""
    rows = crowd.good[number]
    vectors = crowd.tracks.template[rows]
    if np.linalg.norm(vectors - vectors[0], axis=1).max() <= gap:
        return None  # most persons: all near to one
    part = near_components(vectors, radius=gap, joined=links.joined[rows])
    sizes = [(int((part == name).sum()), -int(name), name) for name in np.unique(part)]
    rest = part != max(sizes)[2]
    if not _founds(crowd.tracks, rows[rest]) or not _founds(crowd.tracks, rows[~rest]):
        return None
    nearest = _nearest(vectors[rest], vectors[~rest])
    return Proposal(
        kind="split",
        persons=(crowd.names[number],),
        tracks=tuple(crowd.tracks.track_id[row] for row in rows[rest]),
        strength=min(1.0, nearest / (2 * threshold)),
        distance=nearest,
        reason=f"{rest.sum()} of {len(rows)} tracks are at least {nearest:.2f} from all the others",
    )


def _nearest(first: FloatArray, second: FloatArray) -> float:
    """The smallest L2 distance of vectors (N, D) from vectors (M, D), some rows at a time."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    squares = np.einsum("ij,ij->i", other, other)
    step = max(1, BLOCK_CELLS // len(other))
    blocks = (one[start : start + step] for start in range(0, len(one), step))
    least = min((np.einsum("ij,ij->i", x, x)[:, None] + squares - 2 * x @ other.T).min() for x in blocks)
    return float(np.sqrt(max(0.0, least)))


def _founds(tracks: FaceTracks, rows: IntArray) -> bool:
    rule = Founding()
    return len(rows) >= rule.min_tracks or bool((tracks.n_frames[rows] >= rule.min_frames).any())
