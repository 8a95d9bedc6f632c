"""A store to what a user reads about its persons: who there is, where they are seen, what was done and may be done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from postlens.config import Settings
from postlens.errors import UsageError
from postlens.pipelines.enrol_rows import n_outdated
from postlens.pipelines.people import best_track
from postlens.store import Store
from postlens.store.decisions import Decision, read_decisions
from postlens.store.faces import read_tracks
from postlens.store.gallery import read_gallery
from postlens.store.people import Person, find_person, read_constraints, read_owners, read_persons
from postlens.store.person_tracks import TrackPlace, read_places
from postlens.store.schema import faces
from postlens.store.statements import select_in
from postlens.tasks.people.suggest import Proposal, suggest
from postlens.vision.templates import MATCH, TEMPLATE
from postlens.vision.zoo import load_spec


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as `people list` shows it."""

    person_id: str
    name: str | None
    hidden: bool
    n_posts: int
    n_tracks: int  # in posts
    n_enrolled: int  # photos given for the person
    seconds: float  # of all tracks in posts, copies of posts included
    similarity: float | None  # of the track that fits worst
    best_track: str | None


@dataclass(frozen=True, slots=True)
class PersonDetail:
    """A person with all tracks."""

    row: PersonRow
    tracks: tuple[TrackPlace, ...]
    linked: tuple[tuple[str, str], ...]  # tracks that the user said to be one person, of this one
    apart: tuple[tuple[str, str], ...]  # a track of this person, and one of another by the user's word


def list_people(store: Store, *, hidden: bool = True) -> list[PersonRow]:
    """All persons, those in the most posts first; without those whom the user hid if so asked."""
    with store.read() as conn:
        people = read_persons(conn)
        places = _by_person(read_places(conn))
    rows = [_row(person, places.get(person.person_id, [])) for person in people if hidden or not person.hidden]
    return sorted(rows, key=lambda row: (-row.n_posts, -row.n_tracks, row.person_id))


def list_waiting(store: Store) -> list[TrackPlace]:
    """Tracks that show nobody yet, the best first."""
    with store.read() as conn:
        waiting = [one for one in read_places(conn) if one.person_id is None]
    return sorted(waiting, key=lambda one: (-one.quality, one.track_id))


def show_person(store: Store, who: str) -> PersonDetail:
    """A person with tracks and the user's words about them. Raises as `find_person`."""
    with store.read() as conn:
        person = find_person(conn, who)
        own = _by_person(read_places(conn)).get(person.person_id, [])
        words = read_constraints(conn)
    ids = {one.track_id for one in own}
    mine = [one for one in words if one.track_a in ids or one.track_b in ids]
    return PersonDetail(
        row=_row(person, own),
        tracks=tuple(own),
        linked=tuple((one.track_a, one.track_b) for one in mine if one.kind == "must_link"),
        apart=tuple((one.track_a, one.track_b) for one in mine if one.kind == "cannot_link"),
    )


def write_faces(store: Store, tracks: Iterable[TrackPlace], folder: Path) -> list[Path]:
    """Write the picture of each track's best face as `<short id>.jpg`, with `-` for the colon; returns the paths.

    Raises `UsageError` where the folder cannot be written.
    """
    with store.read() as conn:
        chosen = select(faces.c.track_id, faces.c.quality, faces.c.thumbnail).where(faces.c.thumbnail.is_not(None))
        rows = list(select_in(conn, chosen, faces.c.track_id, [one.track_id for one in tracks]))
    best = {row.track_id: row.thumbnail for row in sorted(rows, key=lambda row: row.quality)}
    names = {one.track_id: one.short_id.replace(":", "-") for one in tracks}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = {track_id: folder / f"{names[track_id]}.jpg" for track_id in best}
        for track_id, path in paths.items():
            path.write_bytes(best[track_id])
    except OSError as error:
        raise UsageError(f"expected a folder that can be written at {folder}, got: {error.strerror}") from error
    return sorted(paths.values())


def suggestions(store: Store, *, settings: Settings) -> tuple[Proposal, ...]:
    """Merges and splits that a second look proposes, never against the user's word. Nothing is changed."""
    thresholds = load_spec(TEMPLATE).thresholds
    with store.read() as conn:
        tracks, words = read_tracks(conn), read_constraints(conn)
        people = read_owners(conn)
        known = {one.track_id: one.person_id for one in read_gallery(conn)}
    return suggest(
        tracks,
        people,
        threshold=settings.match_threshold or thresholds[MATCH],
        must_link=[(one.track_a, one.track_b) for one in words if one.kind == "must_link"],
        cannot_link=[(one.track_a, one.track_b) for one in words if one.kind == "cannot_link"],
        gallery=known,
    )


def list_decisions(store: Store) -> list[Decision]:
    """All decisions, the latest first."""
    with store.read() as conn:
        return read_decisions(conn)[::-1]


def notes(store: Store) -> list[str]:
    """What a user should know about the persons of a store."""
    with store.read() as conn:
        old = n_outdated(conn)
    return [f"{old} photos of enrolled persons were read by earlier models: enroll them again"] if old else []


def _by_person(places: Sequence[TrackPlace]) -> dict[str, list[TrackPlace]]:
    found: dict[str, list[TrackPlace]] = defaultdict(list)
    for one in places:
        if one.person_id is not None:
            found[one.person_id].append(one)
    return found


def _row(person: Person, own: Sequence[TrackPlace]) -> PersonRow:
    in_posts = [one for one in own if one.post_ids]
    known = Counter(one.known for one in own)
    return PersonRow(
        person_id=person.person_id,
        name=person.name,
        hidden=person.hidden,
        n_posts=len({post_id for one in own for post_id in one.post_ids}),
        n_tracks=len(in_posts),
        n_enrolled=known["enrolled"],
        seconds=sum(one.end_s - one.start_s for one in in_posts),
        similarity=min((one.similarity for one in own if one.similarity is not None), default=None),
        best_track=best_track(own).track_id if own else None,
    )
