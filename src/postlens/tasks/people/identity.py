"""Face tracks to persons: who is the same, independent of the order and the batches in which tracks arrive.

Good tracks are clustered by average linkage (`linkage.py`). A cluster that has gathered enough becomes a person, the
others wait. A track of low quality joins the nearest person within the threshold but neither founds nor pulls
together persons. Two tracks that overlap in time in one media file are never one person, unless a user says so.

The partition into persons is a function of the tracks and the links alone. Only the ids depend on history: a person
keeps the id that most of its tracks had, so that names and corrections stay with it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from postlens.errors import UsageError
from postlens.tasks.people.linkage import (
    BoolArray,
    Clusters,
    Float64Array,
    Pairs,
    components,
    link,
    near_components,
    near_rows,
    neighbours,
)
from postlens.types import FaceTracks, IntArray

Links = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Founding:
    """When a cluster becomes a person. Higher values: fewer chance persons, and later."""

    min_tracks: int = 2  # good tracks that must gather (DESIGN: a person is seen at least twice) ...
    min_frames: int = 3  # ... or frames of one good track of a video: 3 agreeing detections are no false hit
    # Of a track's best face: below it different people come within .5 seven times as often (recipes/people.py). Higher
    # lets fewer small or turned faces become persons.
    min_quality: float = 0.3


def assign(
    tracks: FaceTracks,
    *,
    threshold: float,
    must_link: Links = (),
    cannot_link: Links = (),
    previous: Mapping[str, str | None] | None = None,
    changed: Collection[str] | None = None,
    founding: Founding | None = None,
) -> dict[str, str | None]:
    """The person of every track; `None` for a track that waits for company.

    `threshold` is the largest root-mean-square L2 distance of two clusters that merge (`match` on the template's card,
    measured by recipes/people.py): higher joins more looks of one person, and at some point two persons, which cannot
    be told apart again; lower leaves one person in several parts, which a user can merge.
    `must_link` and `cannot_link` are a user's decisions by track id. A must-link joins the clusters of both tracks; a
    pair of a track with itself makes it a person alone. Links to unknown tracks are ignored (their media may be gone).
    `previous` gives the person ids of earlier calls. `changed` names the new tracks and the ends of new links: only
    what they can reach is computed again, with the result of a full run; after a removal, leave it out.
    Raises `UsageError` when the links contradict each other.
    """
    tracks, previous = tracks[sorted(range(len(tracks)), key=tracks.track_id.__getitem__)], previous or {}
    must_link, cannot_link = list(must_link), list(cannot_link)
    links = _Links.of(tracks, must_link=must_link, cannot_link=cannot_link)
    active = _reach(tracks, links, threshold=threshold, changed=changed)
    reached = tracks[active]
    links = _Links.of(reached, must_link=must_link, cannot_link=cannot_link)
    person = _persons(reached, links, threshold=threshold, founding=founding or Founding())
    people = {track: previous.get(track) for track in tracks[~active].track_id}
    people |= _named(reached.track_id, person, previous=previous, taken={name for name in people.values() if name})
    return {track: people[track] for track in tracks.track_id}


@dataclass(frozen=True, slots=True)
class _Links:
    """A user's links, as rows of the tracks."""

    must: Pairs
    cannot: Pairs
    joined: IntArray  # (N,) smallest row that must-links connect to

    @classmethod
    def of(cls, tracks: FaceTracks, *, must_link: Links, cannot_link: Links) -> _Links:
        row = {track: i for i, track in enumerate(tracks.track_id)}
        must, apart = _rows(must_link, row), _rows(cannot_link, row)
        joined = components(len(row), must)
        broken = np.flatnonzero(joined[apart[:, 0]] == joined[apart[:, 1]])
        if len(broken):
            a, b = (tracks.track_id[i] for i in apart[broken[0]])
            raise UsageError(f"{a} and {b} are kept apart and joined at once; remove one of the links between them")
        return cls(must, apart, joined)


def _rows(links: Links, row: Mapping[str, int]) -> Pairs:
    known = [(row[a], row[b]) for a, b in links if a in row and b in row]
    return np.array(known, np.int64).reshape(-1, 2)


def overlapping(tracks: FaceTracks) -> Pairs:
    """Pairs of rows whose tracks overlap in time in the same media file (both ends included): (E, 2)."""
    by_media: dict[str, list[int]] = defaultdict(list)
    for row, track in enumerate(tracks.track_id):
        by_media[track.rpartition(":")[0]].append(row)
    found = [_overlaps(np.array(rows), tracks) for rows in by_media.values() if len(rows) > 1]
    return np.concatenate([np.empty((0, 2), np.int64), *found])


def _overlaps(rows: IntArray, tracks: FaceTracks) -> Pairs:
    start, end = tracks.start_s[rows], tracks.end_s[rows]
    meet = np.maximum(start[:, None], start) <= np.minimum(end[:, None], end)
    a, b = np.nonzero(np.triu(meet, 1))
    return np.stack([rows[a], rows[b]], axis=1)


def _reach(tracks: FaceTracks, links: _Links, *, threshold: float, changed: Collection[str] | None) -> BoolArray:
    """Which tracks must be computed again: (N,)."""
    n = len(tracks)
    if changed is None:
        return np.ones(n, bool)
    active = np.zeros(n, bool)
    frontier = np.flatnonzero(np.isin(tracks.track_id, list(changed)))
    while len(frontier):
        active[frontier] = True
        near = near_rows(tracks.template, frontier, radius=threshold)
        joined = np.flatnonzero(np.isin(links.joined, links.joined[frontier]))
        reached = np.union1d(near, joined)
        frontier = reached[~active[reached]]
    return active


def _persons(tracks: FaceTracks, links: _Links, *, threshold: float, founding: Founding) -> IntArray:
    """The person of each row, named by its smallest row, or -1 for one that waits: (N,)."""
    rows = np.arange(len(tracks))
    vouched = np.isin(rows, links.must)
    good = (tracks.quality >= founding.min_quality) | vouched
    conflicts = np.concatenate([links.cannot, overlapping(tracks)])
    clusters = Clusters.singles(tracks.template, person=links.joined, conflicts=conflicts)
    component = np.full(len(tracks), -1)
    component[good] = near_components(tracks.template[good], radius=threshold, joined=links.joined[good])
    link(clusters, component, threshold=threshold)
    enough = vouched | (tracks.n_frames >= founding.min_frames)
    n_good = np.bincount(clusters.person[good], minlength=len(tracks))
    founded = (n_good >= founding.min_tracks) | np.isin(rows, clusters.person[good & enough])
    person = np.where(good & founded[clusters.person], clusters.person, -1)
    _join_low(clusters, person, np.flatnonzero(~good), threshold=threshold)
    return person


def _join_low(clusters: Clusters, person: IntArray, low: IntArray, *, threshold: float) -> None:
    """Give each low-quality row the person of its nearest cluster within the threshold; changes `person`."""
    ends, squared = clusters.near(low, np.unique(clusters.cluster[person >= 0]), threshold=threshold)
    rivals = neighbours(clusters.conflicts)
    for k in np.lexsort((ends[:, 1], ends[:, 0], squared)):
        row, cluster = ends[k]
        if person[row] < 0 and person[cluster] not in person[rivals[int(row)]]:
            person[row] = person[cluster]


def _named(
    ids: tuple[str, ...], person: IntArray, *, previous: Mapping[str, str | None], taken: set[str]
) -> dict[str, str | None]:
    """Person ids by track: earlier ids by majority, then new ones from the smallest track id."""
    members: dict[int, list[str]] = defaultdict(list)
    for row in np.flatnonzero(person >= 0):
        members[int(person[row])].append(ids[row])
    named: dict[str, str | None] = dict.fromkeys(ids)
    kept = _kept_ids(members, previous=previous, taken=taken)
    for first, tracks in members.items():
        name = kept.get(first) or _new_id(tracks, taken=taken)
        taken.add(name)
        named |= dict.fromkeys(tracks, name)
    return named


def _kept_ids(
    members: Mapping[int, list[str]], *, previous: Mapping[str, str | None], taken: set[str]
) -> dict[int, str]:
    """Earlier id of each person: most tracks first, then the smallest id, then the person with the smallest track."""
    claims = [
        (-n_tracks, name, first)
        for first, tracks in members.items()
        for name, n_tracks in Counter(map(previous.get, tracks)).items()
        if name is not None
    ]
    kept: dict[int, str] = {}
    for _, name, first in sorted(claims):
        if first not in kept and name not in taken:
            kept[first] = name
            taken.add(name)
    return kept


def _new_id(tracks: list[str], *, taken: Collection[str]) -> str:
    """A hash of the smallest track id; of the next one where an earlier person already has that id."""
    names = ["person-" + hashlib.sha256(track.encode()).hexdigest()[:12] for track in tracks]
    repeated = hashlib.sha256("\n".join(tracks).encode()).hexdigest()
    return next((name for name in names if name not in taken), f"person-{repeated[:16]}")


def similarities(tracks: FaceTracks, people: Mapping[str, str | None], *, threshold: float) -> dict[str, float]:
    """How well each assigned track fits the rest of its person: 1 - distance / (2 * threshold), within [0, 1].

    The distance is from the track's template to the mean of the person's other tracks: 1 is identical, 0.5 at the
    threshold. A person's only track has 1.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, track in enumerate(tracks.track_id):
        if (person := people.get(track)) is not None:
            rows[person].append(row)
    found: dict[str, float] = {}
    for members in rows.values():
        distances = _from_the_others(tracks.template[members].astype(np.float64))
        values = np.clip(1 - distances / (2 * threshold), 0, 1)
        found |= {tracks.track_id[row]: float(value) for row, value in zip(members, values, strict=True)}
    return found


def _from_the_others(vectors: Float64Array) -> Float64Array:
    n = len(vectors)
    if n == 1:
        return np.zeros(1)
    others = (vectors.sum(axis=0) - vectors) / (n - 1)
    return np.asarray(np.linalg.norm(vectors - others, axis=1), np.float64)
