"""Posts and persons to the small records that several pages show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postlens.pipelines.people_list import PersonRow
from postlens.serve.web.campaigns import Shown
from postlens.serve.web.names import path_part
from postlens.serve.web.pictures import media_address
from postlens.serve.web.tables import Cell
from postlens.types import NICHES, NichePrediction, PostAnalysis


@dataclass(frozen=True, slots=True)
class Tile:
    """A post as a small picture with a title."""

    post_id: str
    title: str
    href: str
    image: str | None
    is_video: bool


@dataclass(frozen=True, slots=True)
class Face:
    """A person as a round picture with a label."""

    person_id: str
    label: str
    href: str
    image: str | None


def post_href(post_id: str) -> str:
    """The page of a post."""
    return f"/web/posts/{path_part(post_id)}"


def creator_href(creator_id: str) -> str:
    """The page of a creator."""
    return f"/web/creators/{path_part(creator_id)}"


def person_href(person_id: str) -> str:
    """The page of a person."""
    return f"/web/people/{path_part(person_id)}"


def post_image(post: PostAnalysis | None, shown: Shown) -> str | None:
    """The address of a post's first picture."""
    found = (sha256 for sha256 in (post.post.media if post else ()) if sha256 in shown.pictured)
    return next(map(media_address, found), None)


def tile(post_id: str, shown: Shown) -> Tile:
    """A post by its id; one that is gone has no picture."""
    post = shown.posts.get(post_id)
    is_video = post is not None and any(media.kind == "video" for media in post.media)
    return Tile(post_id, shown.title(post_id), post_href(post_id), post_image(post, shown), is_video)


def face(person_id: str, shown: Shown) -> Face:
    """A person by id."""
    person = shown.people.get(person_id)
    href = person_href(person_id)
    image = face_href(person_id) if person is not None and person.thumbnail else None
    return Face(person_id, shown.labels.get(person_id) or shown.numbered(person_id), href, image)


def any_face(row: PersonRow, shown: Shown) -> Face:
    """A person who may be hidden."""
    image = face_href(row.person_id) if row.best_track else None
    return Face(row.person_id, row.name or shown.numbered(row.person_id), person_href(row.person_id), image)


def face_href(person_id: str) -> str:
    """Where the best face of a person is served."""
    return f"{person_href(person_id)}/face.jpg"


def joined(words: Iterable[str]) -> Cell:
    """Words with commas; None for none."""
    return ", ".join(words) or None


def signs(emoji: Iterable[str]) -> Cell:
    """Emoji with spaces between; None for none."""
    return " ".join(emoji) or None


def occurring(found: Iterable[NichePrediction | None]) -> list[str]:
    """The niches that occur, in the order of NICHES."""
    there = {one.label for one in found if one is not None}
    return [name for name in NICHES if name in there]
