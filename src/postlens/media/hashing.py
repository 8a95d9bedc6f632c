"""Bytes and frames to hashes: sha256 for the same bytes, PDQ for the same picture, a sketch for parts of it."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from postlens.media.probe import StrPath, open_file, read_from
from postlens.types import FrameBatch, FrameHashes, Image

_CHUNK_BYTES = 1 << 20
PDQ_BYTES = 32  # 256 bits
SKETCH_PX = 48  # side; 32 cannot tell portraits of one person apart, see docs/log/copies.md


def sha256_bytes(data: bytes) -> str:
    """64 hex digits of the sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: StrPath) -> str:
    """64 hex digits of the sha256 of the file's bytes, read in pieces of 1 MiB.

    Raises:
        MediaNotFoundError, UnreadableMediaError
    """
    digest = hashlib.sha256()
    with open_file(path) as file:
        while piece := read_from(file, _CHUNK_BYTES, path=path):
            digest.update(piece)
    return digest.hexdigest()


def pdq_hash(image: Image) -> tuple[NDArray[np.uint8], int]:
    """PDQ hash (Facebook 2019, "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing algorithm").

    Args:
        image: uint8 (H, W, 3) RGB of any size.

    Returns:
        The hash as 32 bytes, uint8 (32,), first bit highest; and its quality, 0..100. Flat images have low quality:
        below 50 a hash is not to be trusted.
    """
    import pdqhash

    bits, quality = pdqhash.compute(np.ascontiguousarray(image))
    return np.packbits(bits.astype(np.uint8)), int(quality)


def sketch_of(image: Image) -> NDArray[np.uint8]:
    """The whole image in grey, pressed into a square of `SKETCH_PX` by averaging: uint8 (48, 48)."""
    from PIL import Image as PillowImage

    grey = PillowImage.fromarray(image).convert("L")
    return np.asarray(grey.resize((SKETCH_PX, SKETCH_PX), PillowImage.Resampling.BOX), np.uint8)


def hash_frames(frames: FrameBatch) -> FrameHashes:
    """The PDQ hash and the sketch of every frame, in the frames' order."""
    hashed = [pdq_hash(image) for image in frames.images]
    return FrameHashes(
        bits=np.array([bits for bits, _ in hashed], np.uint8).reshape(-1, PDQ_BYTES),
        quality=np.array([quality for _, quality in hashed], np.int64),
        pts_s=frames.pts_s,
        sketch=np.array([sketch_of(image) for image in frames.images], np.uint8).reshape(-1, SKETCH_PX, SKETCH_PX),
    )
