"""The two TOML files beside this one, as records."""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Package:
    """One pinned file of the package index."""

    name: str
    version: str
    file: str
    sha256: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel (a zip) rather than a source archive (a tar)."""
        return self.file.endswith(".whl")


@dataclass(frozen=True)
class Source:
    """One picture inside a package, with its origin and licence."""

    name: str
    package: str
    member: str
    shows: str
    author: str
    licence: str
    evidence: str
    raw_size: tuple[int, int] | None = None  # (width, height) of bz2-compressed RGB bytes


@dataclass(frozen=True)
class Shot:
    """A slow move over one picture: views are (centre x, centre y, width) as fractions of its size."""

    source: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    duration_s: float
    brightness: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Creator:
    """One invented account."""

    handle: str
    platform: str
    followers: int
    like_rate: float  # likes of a usual post per follower


@dataclass(frozen=True)
class Post:
    """One post: how its file is made, and what its figures follow."""

    path: str
    creator: str
    published_at: datetime
    caption: str
    lift: float
    hidden: tuple[str, ...] = ()
    source: str | None = None
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)  # left, top, right, bottom as fractions
    exif_orientation: int = 1
    verbatim: bool = False
    copy: str | None = None
    shots: tuple[Shot, ...] = ()
    footage: str | None = None
    start_s: float = 0.0
    duration_s: float = 0.0
    size_px: tuple[int, int] = (0, 0)  # width, height of a clip

    @property
    def is_clip(self) -> bool:
        """Whether the post is a video."""
        return bool(self.shots or self.footage)


@dataclass(frozen=True)
class Campaign:
    """Everything the build needs to know."""

    packages: dict[str, Package]
    sources: dict[str, Source]
    creators: dict[str, Creator]
    posts: tuple[Post, ...]

    def sources_of(self, post: Post) -> tuple[Source, ...]:
        """The pictures that a post is made of, in order of appearance."""
        if post.copy is not None:
            return self.sources_of(next(p for p in self.posts if p.path == post.copy))
        names = [post.source, post.footage, *(shot.source for shot in post.shots)]
        return tuple(self.sources[name] for name in names if name is not None)


def read_campaign() -> Campaign:
    """Read sources.toml and campaign.toml."""
    origins = tomllib.loads((HERE / "sources.toml").read_text(encoding="utf-8"))
    plan = tomllib.loads((HERE / "campaign.toml").read_text(encoding="utf-8"))
    return Campaign(
        packages={name: Package(name=name, **row) for name, row in origins["packages"].items()},
        sources={name: Source(name=name, **_tuples(row)) for name, row in origins["sources"].items()},
        creators={row["handle"]: Creator(**row) for row in plan["creators"]},
        posts=tuple(_post(row) for row in plan["posts"]),
    )


def _post(row: dict[str, Any]) -> Post:
    shots = tuple(Shot(**_tuples(shot)) for shot in row.pop("shots", ()))
    return Post(shots=shots, **_tuples(row))


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
