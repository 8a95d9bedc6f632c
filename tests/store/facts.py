"""Facts for tests of the store: posts and features made from a number, always the same."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from postlens.store.posts import LocatedPost
from postlens.types import (
    Embeddings,
    Faces,
    FaceTracks,
    FrameHashes,
    MediaFeatures,
    MediaFile,
    MediaRef,
    Provenance,
    SourcePost,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
ENCODER = "encoder-1"


def sha(number: int) -> str:
    """The sha256 of a pretended file."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def post(number: int, **changes: Any) -> SourcePost:
    """A post with one photo."""
    fields: dict[str, Any] = {
        "handle": "anna",
        "media": (MediaRef(path=f"/photos/{number}.jpg"),),
        "platform": "instagram",
        "post_key": str(number),
        "metrics": {"likes": 10.0 * number},
    }
    return SourcePost(**{**fields, **changes})


def located(number: int, **changes: Any) -> LocatedPost:
    """The post with its photo read."""
    return LocatedPost(post(number, **changes), (sha(number),))


def boxes(*lefts: float) -> Faces:
    """Faces of 50 px side by side in one image, each its own track, with templates and thumbnails."""
    n = len(lefts)
    left = np.array(lefts, np.float32)
    return Faces(
        xyxy_px=np.stack([left, left * 0, left + 50, left * 0 + 50], axis=1),
        score=np.full(n, 0.9, np.float32),
        landmarks_px=np.ones((n, 6, 2), np.float32),
        quality=np.linspace(0.5, 0.9, n).astype(np.float32),
        frame=np.zeros(n, np.int64),
        pts_s=np.zeros(n, np.float32),
        template=np.stack([template(value) for value in lefts]) if n else None,
        expression=np.full((n, 8), 0.125, np.float32),
        attributes=np.full((n, 6), 0.5, np.float32),
        track_id=np.arange(n),
        thumbnails=tuple(f"face at {value}".encode() for value in lefts),
    )


def template(seed: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """An identity vector."""
    return np.random.default_rng(int(seed) + 1).normal(size=128).astype(np.float32)


def tracks_of(sha256: str, faces: Faces) -> FaceTracks:
    """One track per face."""
    n = len(faces)
    return FaceTracks(
        track_id=tuple(f"{sha256}:{i}" for i in range(n)),
        start_s=np.zeros(n, np.float32),
        end_s=np.full(n, 2.0, np.float32),
        n_frames=np.ones(n, np.int64),
        quality=faces.quality,
        template=faces.template if faces.template is not None else np.zeros((n, 128), np.float32),
    )


def features(number: int, faces: Faces | None = None, **changes: Any) -> MediaFeatures:
    """Everything about one image with two faces."""
    sha256, found = sha(number), boxes(0, 100) if faces is None else faces
    rng = np.random.default_rng(number)
    fields: dict[str, Any] = {
        "media": MediaFile(sha256, "image", "", 640, 480, 1234 + number),
        "thumbnail": f"picture {number}".encode(),
        "embeddings": Embeddings((f"{sha256}:0",), rng.normal(size=(1, 16)).astype(np.float32), ENCODER),
        "pts_s": np.zeros(1, np.float32),
        "measures": {"brightness": 0.25, "symmetry": number / 8},
        "faces": found,
        "tracks": tracks_of(sha256, found),
        "hashes": FrameHashes(rng.integers(0, 256, (1, 32)).astype(np.uint8), np.array([90]), np.zeros(1, np.float32)),
    }
    return MediaFeatures(**{**fields, **changes})


def provenance(number: int, stage: str, version: str = "1", fingerprint: str = "model-1") -> Provenance:
    """A stage done on an image."""
    return Provenance(stage, version, fingerprint, sha(number), NOW, "0.1.0")
