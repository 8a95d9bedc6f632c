from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from postlens.errors import MediaNotFoundError
from postlens.media.hashing import hash_frames, pdq_hash, sha256_bytes, sha256_file
from postlens.types import FrameBatch

from .samples import photo

SAME_PICTURE_BITS = 31  # the published PDQ threshold


def distance(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.bitwise_count(a ^ b).sum())


@pytest.mark.parametrize("n_bytes", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_file_hashes_like_its_bytes(n_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\x07" * n_bytes)
    assert sha256_file(path) == sha256_bytes(b"\x07" * n_bytes) == hashlib.sha256(b"\x07" * n_bytes).hexdigest()


def test_a_missing_file_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError):
        sha256_file(tmp_path / "nowhere")


def test_a_resized_picture_keeps_its_pdq_hash() -> None:
    large = photo(640, 480)
    small = np.array(PillowImage.fromarray(large).resize((320, 240)))
    (a, quality), (b, _) = pdq_hash(large), pdq_hash(small)
    assert (a.shape, a.dtype, quality > 50) == ((32,), np.uint8, True)
    assert distance(a, b) <= SAME_PICTURE_BITS


def test_different_pictures_have_distant_pdq_hashes() -> None:
    assert distance(pdq_hash(photo(320, 240, seed=1))[0], pdq_hash(photo(320, 240, seed=2))[0]) > 2 * SAME_PICTURE_BITS


def test_a_plain_picture_has_no_hash_quality() -> None:
    assert pdq_hash(np.full((64, 64, 3), 90, np.uint8))[1] < 50


def test_views_and_read_only_images_can_be_hashed() -> None:
    image = photo(64, 64)
    image.setflags(write=False)
    assert distance(pdq_hash(image[:, ::-1])[0], pdq_hash(np.ascontiguousarray(image[:, ::-1]))[0]) == 0


@pytest.mark.parametrize("n", [0, 1, 3])
def test_every_frame_is_hashed_in_order(n: int) -> None:
    images = tuple(photo(64, 64, seed=seed) for seed in range(n))
    hashes = hash_frames(FrameBatch(images, np.arange(n, dtype=np.float32), np.arange(n)))
    assert (hashes.bits.shape, hashes.pts_s.tolist()) == ((n, 32), list(range(n)))
    assert all(distance(hashes.bits[i], pdq_hash(images[i])[0]) == 0 for i in range(n))
