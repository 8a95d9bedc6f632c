"""The people in a creator's media to the one that the profile is about, if any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, and_, select

from postlens.store.faces import track_number
from postlens.store.schema import faces, person_tracks, persons, tracks
from postlens.store.statements import select_in
from postlens.tasks.products.readings import MIN_QUALITY

Tracks = Mapping[str, frozenset[int]]  # by sha256, numbers of tracks

# A person is the profile's own when seen in at least this many images. Higher: fewer profiles have one, and the largest
# face speaks for their images. Three is the least at which being in most images is no accident of two photos.
LEAST_IMAGES = 3
# And in at least this share of the images with a face. Higher: fewer profiles have one; below a half, two could be it.
LEAST_SHARE = 0.5


def profile_tracks(conn: Connection, sha256s: Sequence[str]) -> Tracks:
    """Tracks of the profile's person in media, by sha256; empty where nobody is.

    `sha256s`: all media of one creator. Persons are those of the store, so there are none in one that is not kept;
    persons whom the user hid are left out.
    """
    seen = _tracks_by_person(conn, sha256s)
    person = main_person({person: set(own) for person, own in seen.items()}, n_with_face=_n_with_face(conn, sha256s))
    return {} if person is None else seen[person]


def main_person(images: Mapping[str, set[str]], *, n_with_face: int) -> str | None:
    """The person in the most images, where that is enough and more than any other; `images`: by person_id."""
    if not images:
        return None
    most = max(len(own) for own in images.values())
    first = [person for person, own in images.items() if len(own) == most]
    enough = most >= LEAST_IMAGES and most >= LEAST_SHARE * n_with_face
    return first[0] if enough and len(first) == 1 else None


def _tracks_by_person(conn: Connection, sha256s: Iterable[str]) -> dict[str, dict[str, frozenset[int]]]:
    chosen = select(person_tracks.c.person_id, tracks.c.sha256, tracks.c.track_id)
    chosen = chosen.join(tracks, tracks.c.track_id == person_tracks.c.track_id)
    chosen = chosen.join(persons, and_(persons.c.person_id == person_tracks.c.person_id, ~persons.c.hidden))
    found: dict[str, dict[str, frozenset[int]]] = defaultdict(dict)
    for row in select_in(conn, chosen, tracks.c.sha256, sha256s):
        own = found[row.person_id].get(row.sha256, frozenset())
        found[row.person_id][row.sha256] = own | {track_number(row.track_id)}
    return found


def _n_with_face(conn: Connection, sha256s: Iterable[str]) -> int:
    """Media with a face that can be read."""
    chosen = select(faces.c.sha256).where(faces.c.quality >= MIN_QUALITY).distinct()
    return len({row.sha256 for row in select_in(conn, chosen, faces.c.sha256, sha256s)})
