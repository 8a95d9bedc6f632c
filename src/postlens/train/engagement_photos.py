"""Photos with the likes that they got, as one array, with or without copies turned by quarter turns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.history import known_count
from postlens.types import FloatArray, Image, IntArray, as_utc

SIDE_PX = 64  # of the pictures that the reference network takes
TURNS = (0, 1, 2, 3)  # quarter turns: as it is, 90, 180 and 270 degrees, anticlockwise


@dataclass(frozen=True, slots=True)
class Photos:
    """N photos of known likes, in memory: 12 kB each."""

    pixels: NDArray[np.uint8]  # (N, 64, 64, 3) RGB
    likes: FloatArray  # (N,)
    account: IntArray  # (N,) number of the account
    followers: FloatArray  # (N,) NaN where unknown
    post_ids: tuple[str, ...] = ()  # N of them where photos are to be told from each other

    def __post_init__(self) -> None:
        n = len(self.likes)
        found = (self.pixels.shape, self.likes.shape, self.account.shape, self.followers.shape)
        if found != ((n, SIDE_PX, SIDE_PX, 3), (n,), (n,), (n,)):
            raise ShapeError(f"photos must have shapes ({n}, {SIDE_PX}, {SIDE_PX}, 3) and ({n},) thrice, got {found}")

    def __len__(self) -> int:
        return len(self.likes)

    @property
    def n_accounts(self) -> int:
        """Different ones."""
        return len(np.unique(self.account))


def squeeze(images: Iterable[Image]) -> NDArray[np.uint8]:
    """Images uint8 (H, W, 3) of any size to (N, 64, 64, 3): the whole picture, its sides scaled apart (bilinear)."""
    from PIL import Image as Pillow

    small = [
        np.asarray(Pillow.fromarray(image).resize((SIDE_PX, SIDE_PX), Pillow.Resampling.BILINEAR)) for image in images
    ]
    return np.stack(small) if small else np.zeros((0, SIDE_PX, SIDE_PX, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class PhotoSquares:
    """Photos by row number; with `turned`, rows N to 4N are the same photos, turned: row % N is the photo."""

    pixels: NDArray[np.uint8]  # (N, 64, 64, 3)
    turned: bool = False

    @property
    def fingerprint(self) -> str:
        """16 hex digits."""
        return hashlib.sha256(self.pixels.tobytes() + bytes([self.turned])).hexdigest()[:16]

    def image(self, row: int) -> Image:
        """uint8 (64, 64, 3) RGB."""
        turn, photo = divmod(row, len(self.pixels))
        return np.ascontiguousarray(np.rot90(self.pixels[photo], TURNS[turn]))


def with_turns(rows: IntArray, *, n: int) -> IntArray:
    """Rows of photos and of their three turned copies."""
    return np.concatenate([rows + turn * n for turn in TURNS])


def collect_photos(accounts: Mapping[str, Sequence[PostFacts]], picture: Callable[[PostFacts], Image | None]) -> Photos:
    """Photos of the posts that have likes and a picture, each account's by time (posts without one first).

    Raises `NotEnoughDataError` where there is none.
    """
    rows, images, names = [], [], []
    for number, posts in enumerate(accounts.values()):
        for post in sorted(posts, key=_time):
            likes = known_count(post, "likes")
            image = None if likes is None else picture(post)
            if image is not None:
                images.append(squeeze([image])[0])
                names.append(post.post_id)
                rows.append((likes, number, np.nan if post.followers is None else post.followers))
    if not rows:
        raise NotEnoughDataError("expected posts with likes and a picture that can be read, got none")
    likes_column, account, followers = np.array(rows, np.float64).T
    return Photos(
        pixels=np.stack(images),
        likes=likes_column.astype(np.float32),
        account=account.astype(int),
        followers=followers.astype(np.float32),
        post_ids=tuple(names),
    )


def _time(post: PostFacts) -> float:
    return -math.inf if post.published_at is None else as_utc(post.published_at).timestamp()
