"""Tracks of persons with the places where they are seen, and a user's words for a track to its id.

A track is given by its id, by an unambiguous start of it (`3fa2b1c4d5e6:0`, as `people show` prints it), by a post or
file, or by either with a time: `POST@12.5` is what is seen there at that second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from sqlalchemy import Connection, select

from postlens.errors import UnknownNameError, UsageError
from postlens.store.schema import files, gallery, person_tracks, post_media, tracks
from postlens.store.statements import select_in

SHORT_DIGITS = 12  # of a media's sha256 in a printed track id: two of a million media share them once in 500 stores
SLACK_S = 0.5  # of a given time: half the distance of frames at the default rate


@dataclass(frozen=True, slots=True)
class TrackPlace:
    """A track, whom it shows, and where."""

    track_id: str
    person_id: str | None  # None: it waits for company
    similarity: float | None
    start_s: float
    end_s: float
    n_frames: int
    quality: float
    known: str | None  # "enrolled" or "named" where a user vouches for it
    post_ids: tuple[str, ...]  # none: a photo of an enrolled person
    files: tuple[str, ...]  # paths and URLs

    @property
    def sha256(self) -> str:
        """Of the media file."""
        return self.track_id.rpartition(":")[0]

    @property
    def short_id(self) -> str:
        """The id with the first digits of the sha256."""
        return f"{self.sha256[:SHORT_DIGITS]}:{self.track_id.rpartition(':')[2]}"


def read_places(conn: Connection, track_ids: Iterable[str] | None = None) -> list[TrackPlace]:
    """All tracks, or these, by person and id; those that wait come last."""
    joined = tracks.outerjoin(person_tracks, person_tracks.c.track_id == tracks.c.track_id)
    joined = joined.outerjoin(gallery, gallery.c.track_id == tracks.c.track_id)
    columns = [tracks.c[name] for name in ("track_id", "sha256", "start_s", "end_s", "n_frames", "quality")]
    chosen = select(*columns, person_tracks.c.person_id, person_tracks.c.similarity, gallery.c.kind)
    rows = list(select_in(conn, chosen.select_from(joined), tracks.c.track_id, track_ids))
    wanted = None if track_ids is None else {row.sha256 for row in rows}
    post_ids, names = _places(conn, wanted)
    found = [
        TrackPlace(
            track_id=row.track_id,
            person_id=row.person_id,
            similarity=row.similarity,
            start_s=row.start_s,
            end_s=row.end_s,
            n_frames=row.n_frames,
            quality=row.quality,
            known=row.kind,
            post_ids=post_ids.get(row.sha256, ()),
            files=names.get(row.sha256, ()),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.person_id is None, one.person_id or "", one.track_id))


def _places(
    conn: Connection, sha256s: Iterable[str] | None
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Posts, and paths and URLs, by media."""
    wanted = None if sha256s is None else list(sha256s)
    post_ids: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for row in select_in(conn, select(post_media), post_media.c.sha256, wanted):
        if row.sha256 is not None:
            post_ids[row.sha256].add(row.post_id)
            names[row.sha256].add(row.path or row.url)
    for row in select_in(conn, select(files.c.sha256, files.c.path), files.c.sha256, wanted):
        if row.sha256 not in names:
            names[row.sha256].add(row.path)
    return _sorted(post_ids), _sorted(names)


def _sorted(found: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(sorted(values)) for key, values in found.items()}


def find_tracks(places: Sequence[TrackPlace], references: Iterable[str]) -> list[TrackPlace]:
    """The tracks that the references mean, each once.

    Raises:
        UnknownNameError: a reference means none of the tracks.
        UsageError: the start of an id means several.
    """
    found: dict[str, TrackPlace] = {}
    for reference in references:
        found |= {one.track_id: one for one in _meant(places, reference)}
    return list(found.values())


def _meant(places: Sequence[TrackPlace], reference: str) -> list[TrackPlace]:
    exact = [one for one in places if one.track_id == reference] or _by_start(places, reference)
    if len(exact) > 1:
        ids = ", ".join(one.track_id for one in exact[:3])
        raise UsageError(f"{reference!r} is the start of several tracks: {ids}; give more digits")
    found = exact or [one for one in places if _is_at(one, reference)]
    where, sign, when = reference.rpartition("@")
    if not found and sign and _is_number(when):
        found = [one for one in places if _is_at(one, where) and _is_when(one, float(when))]
    if not found:
        raise UnknownNameError(
            f"expected a track, a post or a file, or POST@SECONDS, got {reference!r}; `people show` lists them"
        )
    return found


def _by_start(places: Sequence[TrackPlace], reference: str) -> list[TrackPlace]:
    start, sign, number = reference.rpartition(":")
    if not sign or not start:
        return []
    return [one for one in places if one.sha256.startswith(start) and one.track_id.endswith(f":{number}")]


def _is_at(one: TrackPlace, where: str) -> bool:
    return where in one.post_ids or any(where in (name, PurePath(name).name) for name in one.files)


def _is_when(one: TrackPlace, at_s: float) -> bool:
    return one.start_s - SLACK_S <= at_s <= one.end_s + SLACK_S


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
