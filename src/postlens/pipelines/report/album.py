"""Media of a campaign to small pictures with the name of their file and where a face is in them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.report.cards import TINY_PX, small_uri
from postlens.types import Faces, MediaFile, PostAnalysis

Box = tuple[float, float, float, float]  # left, top, width, height in percent of the picture


@dataclass(frozen=True, slots=True)
class Seen:
    """One image as the page shows it."""

    title: str  # name of its file
    image: str | None  # data URI
    box: Box | None = None  # of the face
    is_video: bool = False

    @property
    def parts(self) -> list[str]:
        """The title in parts between which a line may break: after signs, so that no ending is torn."""
        return [part for part in re.split(r"(?<=[-_ ])", self.title) if part]


@dataclass(frozen=True, slots=True)
class Photo:
    """A medium with its faces and the name of its file."""

    media: MediaFile
    faces: Faces
    title: str


@dataclass(frozen=True, slots=True)
class Album:
    """All media of a creator that could be read, with pictures of those that the page shows."""

    photos: Mapping[str, Photo]  # by sha256
    thumbnails: Mapping[str, bytes]  # JPEGs by sha256

    @classmethod
    def by_creator(cls, campaign: Campaign, thumbnails: Mapping[str, bytes]) -> dict[str, Album]:
        """An album for each creator, by creator_id: copies that two creators posted have the names of each's own."""
        posts: dict[str, list[PostAnalysis]] = defaultdict(list)
        for post in campaign.posts:
            posts[post.post.creator_id].append(post)
        return {creator_id: cls(_photos(campaign, own), thumbnails) for creator_id, own in posts.items()}

    def seen(self, sha256: str | None, *, face: int | None = None, side_px: int = TINY_PX) -> Seen | None:
        """The picture of a medium, its longest side at most `side_px`, with the box of a face by running number."""
        if sha256 is None or sha256 not in self.photos:
            return None
        photo, jpeg = self.photos[sha256], self.thumbnails.get(sha256)
        image = None if jpeg is None else small_uri(jpeg, side_px=side_px)
        return Seen(photo.title, image, _box(photo, face), photo.media.kind == "video")


def _photos(campaign: Campaign, posts: Sequence[PostAnalysis]) -> dict[str, Photo]:
    """By sha256, of several files the first by place: as reasons name them (`facts.places_by_content`)."""
    found: dict[str, tuple[str, Photo]] = {}
    for post in posts:
        for media, faces in zip(post.media, post.faces, strict=False):
            place = campaign.locations.get((post.post.post_id, media.sha256), media.path)
            if media.sha256 not in found or place < found[media.sha256][0]:
                title = Path(place).name.encode("utf-8", "replace").decode() or post.post.post_id
                found[media.sha256] = place, Photo(media, faces, title)
    return {sha256: photo for sha256, (_, photo) in found.items()}


def _box(photo: Photo, face: int | None) -> Box | None:
    """None for a video, whose picture may be of another frame."""
    if face is None or photo.media.kind == "video" or not 0 <= face < len(photo.faces):
        return None
    left, top, right, bottom = photo.faces.xyxy_px[face].astype(float).tolist()
    width, height = photo.media.width_px, photo.media.height_px
    left, right = max(0.0, left) / width, min(width, right) / width
    top, bottom = max(0.0, top) / height, min(height, bottom) / height
    return round(100 * left, 1), round(100 * top, 1), round(100 * (right - left), 1), round(100 * (bottom - top), 1)
