"""Face tracks to persons: who is the same, independent of the order and the batches in which tracks arrive.

Good tracks are clustered by average linkage (`linkage.py`). A cluster that has gathered enough becomes a person, the
others wait. A track of low quality joins the nearest person within the threshold but neither founds nor pulls
together persons. Two tracks that overlap in time in one media file are never one person, unless a user says so.

The partition into persons is a function of the tracks and the links alone. Only the ids depend on history: a person
keeps the id that most of its tracks had, so that names and corrections stay with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import compress
from typing import Any

import numpy as np

from postlens.tasks.people.gather import Founding, gather, good_rows
from postlens.tasks.people.linkage import Clusters, neighbours
from postlens.tasks.people.links import Links, Words
from postlens.tasks.people.naming import name_persons
from postlens.tasks.people.near import BoolArray, Float64Array
from postlens.tasks.people.reach import reach
from postlens.types import FaceTracks, IntArray

# Largest `Founding.min_tracks` at which every waiting track is alone, so that earlier groups follow from their persons.
MAX_WAITING = 2
AT_ONCE = 20_000  # tracks up to which a full run links all of them at once: beyond, batches take less time
BATCH = (
    5_000  # tracks of such a batch: smaller ones pass over all tracks more often, larger ones meet more of their own
)


def assign(
    tracks: FaceTracks,
    *,
    threshold: float,
    must_link: Words = (),
    cannot_link: Words = (),
    gallery: Mapping[str, str] | None = None,
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
    `gallery` gives the person id of tracks that a user vouches for. Those of one person are joined, those of two never
    are unless a must-link joins them too; a single one makes its person, which keeps that id whatever the others had.
    `previous` gives the person ids of earlier calls. `changed` names the new tracks and the ends of words (links and
    gallery) that came or went: only what they can reach is computed again, with the result of a full run; after a
    removal of tracks, leave it out.
    Raises `UsageError` when the words contradict each other.
    """
    previous, gallery, founding = previous or {}, gallery or {}, founding or Founding()
    must_link, cannot_link = list(must_link), list(cannot_link)
    links = Links.of(tracks, must_link=must_link, cannot_link=cannot_link, gallery=gallery)
    good = good_rows(tracks, links, founding=founding)
    if changed is None or founding.min_tracks > MAX_WAITING:
        active = np.array(sorted(range(len(tracks)), key=tracks.track_id.__getitem__), np.int64)
        words = {"must_link": must_link, "cannot_link": cannot_link, "gallery": gallery}
        island = _islands(tracks[active], threshold=threshold, founding=founding, words=words)
    else:
        active, island = reach(
            tracks, links, good=good, previous=previous, gallery=gallery, changed=changed, threshold=threshold
        )
    people = dict(zip(tracks.track_id, map(previous.get, tracks.track_id), strict=True))
    settled = good.copy()
    settled[active] = False
    taken = {name for name in set(compress(people.values(), settled.tolist())) if name is not None}
    reached = tracks[active]
    return people | name_persons(
        reached.track_id,
        _persons(reached, links[active], good=good[active], island=island, threshold=threshold, founding=founding),
        voting=good[active],
        previous=previous,
        gallery={track: gallery[track] for track in gallery if track in people},
        taken=taken,
    )


def _islands(tracks: FaceTracks, *, threshold: float, founding: Founding, words: Mapping[str, Any]) -> IntArray | None:
    """The person of each track, a number of its own for those that wait: (N,); `None` for few tracks.

    Found by adding the tracks in batches, which costs less than linking them at once where most of them are connected
    by pairs that are near by chance.
    """
    if len(tracks) <= AT_ONCE or founding.min_tracks > MAX_WAITING:
        return None
    people: dict[str, str | None] = {}
    for start in range(0, len(tracks), BATCH):
        new = tracks.track_id[start : start + BATCH]
        seen = tracks[slice(0, start + BATCH)]
        people = assign(seen, threshold=threshold, founding=founding, previous=people, changed=new, **words)
    number = {name: k for k, name in enumerate(dict.fromkeys(people.values()))}
    return np.array([number[person] if person else len(number) + row for row, person in enumerate(people.values())])


def _persons(
    tracks: FaceTracks,
    links: Links,
    *,
    good: BoolArray,
    island: IntArray | None,
    threshold: float,
    founding: Founding,
) -> IntArray:
    """The person of each row, named by its smallest row, or -1 for one that waits: (N,)."""
    clusters = gather(tracks, links, good=good, threshold=threshold, island=island)
    enough = links.vouched() | (tracks.n_frames >= founding.min_frames)
    n_good = np.bincount(clusters.person[good], minlength=len(tracks))
    founded = (n_good >= founding.min_tracks) | np.isin(np.arange(len(tracks)), clusters.person[good & enough])
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
