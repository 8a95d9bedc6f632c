"""Good tracks to clusters, by average linkage and the links among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from postlens.tasks.people.linkage import Clusters, link
from postlens.tasks.people.links import Links, overlapping
from postlens.tasks.people.near import BoolArray, near_components
from postlens.types import FaceTracks, IntArray


@dataclass(frozen=True, slots=True)
class Founding:
    """When a cluster becomes a person. Higher values: fewer chance persons, and later."""

    min_tracks: int = 2  # good tracks that must gather (DESIGN: a person is seen at least twice) ...
    min_frames: int = 3  # ... or frames of one good track of a video: 3 agreeing detections are no false hit
    # Of a track's best face: below it different people come within .5 seven times as often (recipes/people.py). Higher
    # lets fewer small or turned faces become persons.
    min_quality: float = 0.3


def good_rows(tracks: FaceTracks, links: Links, *, founding: Founding) -> BoolArray:
    """Which tracks may found persons: (N,); a user's word outranks the quality."""
    return (tracks.quality >= founding.min_quality) | links.vouched()


def gather(
    tracks: FaceTracks, links: Links, *, good: BoolArray, threshold: float, island: IntArray | None = None
) -> Clusters:
    """The clusters of the good tracks; the others stay alone. Ties go to the tracks that come first.

    `island` (N,): tracks of different ones are known not to meet; without it, that is found out.
    """
    conflicts = np.concatenate([links.cannot, overlapping(tracks)])
    clusters = Clusters.singles(tracks.template, person=links.joined, conflicts=conflicts, known=links.known)
    component = np.full(len(tracks), -1)
    if island is None:
        island = np.zeros(len(tracks), np.int64)
        island[good] = near_components(tracks.template[good], radius=threshold, joined=links.joined[good])
    component[good] = island[good]
    return link(clusters, component, threshold=threshold)
