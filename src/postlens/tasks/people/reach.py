"""Changed tracks to all tracks whose person may change with them, so that the others need not be looked at again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from postlens.tasks.people.links import Links
from postlens.tasks.people.low import Low
from postlens.tasks.people.near import BoolArray
from postlens.tasks.people.search import Search
from postlens.tasks.people.settled import Settled
from postlens.types import FaceTracks, IntArray


def reach(
    tracks: FaceTracks,
    links: Links,
    *,
    good: BoolArray,
    previous: Mapping[str, str | None],
    gallery: Mapping[str, str],
    changed: Collection[str],
    threshold: float,
) -> tuple[IntArray, IntArray]:
    """Rows to compute again, by track id, all good tracks of a person or none of them, and their islands: 2 x (M,).

    Good tracks of different islands do not meet (`search.py`). `previous`: the result for all tracks but the changed
    ones, under the words of then. Who had an id that the gallery now gives to a changed track is computed again, too.
    """
    settled = Settled.of(tracks, good=good, previous=previous, changed=changed)
    given = {gallery[track] for track in changed if track in gallery}
    search = Search(tracks, links, settled, threshold=threshold, renamed=settled.numbers(given))
    search.settle()
    low = Low(search)
    chosen = low.affected()
    parts = [*search.islands(), *(settled.members(group) for group in low.beside(chosen)), chosen]
    rows = np.concatenate(parts)
    island = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.array(sorted(range(len(rows)), key=lambda k: tracks.track_id[rows[k]]), np.int64)
    return rows[order], island[order]
