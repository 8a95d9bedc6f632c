"""A cache holds what serving sees, survives kills and changes of its files, and tells what it could not read."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from postlens.config import Settings
from postlens.errors import CacheError, EmptySourceError, UsageError
from postlens.media.hashing import sha256_file
from postlens.media.image import decode_image
from postlens.train.cache import ImageCache, build_cache, is_cache
from postlens.train.cache_manifest import JOURNAL, MANIFEST
from postlens.train.labels import LabelledImages, read_labelled_images
from postlens.vision.encoder import normalize, prepare
from postlens.vision.zoo import load_spec

from ..influencers import draw
from ..media.samples import encoded, photo

N = 11


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two labels, 11 JPEGs in all."""
    rng, root = np.random.default_rng(0), tmp_path / "photos"
    for number in range(N):
        label = ("food", "pet")[number % 2]
        (root / label).mkdir(parents=True, exist_ok=True)
        draw(label, rng=rng, size_px=40 + number).save(root / label / f"{number:02d}.jpg")
    return root


def build(folder: Path, out: Path, **asked):
    return build_cache(
        read_labelled_images(folder), out, **({"size_px": 32, "rows_per_shard": 4, "workers": 2} | asked)
    )


def pictures(out: Path) -> np.ndarray:
    cache = ImageCache.open(out)
    return np.stack([cache.image(row) for row in range(len(cache))])


def shard_files(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("*.np[yz]")}


# --- content --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_cached_picture_is_what_the_encoder_is_given_when_serving(tmp_path, compressed):
    root, spec = tmp_path / "photos", load_spec("efficientnet_lite0")
    (root / "pet").mkdir(parents=True)
    for number, turn in enumerate((1, 3, 6, 8)):  # EXIF orientations; 1500 px are decoded at half size
        (root / "pet" / f"{number}.jpg").write_bytes(encoded(photo(1500, 1100, seed=number), "JPEG", orientation=turn))
    build(root, tmp_path / "out", size_px=224, compressed=compressed)
    cache = ImageCache.open(tmp_path / "out")
    for row, path in enumerate(cache.labelled.paths):
        assert np.array_equal(normalize(cache.image(row), spec), prepare(decode_image(path).image, spec))


@pytest.mark.parametrize("compressed", [False, True])
def test_the_files_are_plain_numpy(folder, tmp_path, compressed):
    manifest = build(folder, tmp_path / "out", compressed=compressed)
    path = tmp_path / "out" / manifest.shards[0].file
    loaded = np.load(path)
    first = loaded["00000"] if compressed else loaded[0]
    assert np.array_equal(first, ImageCache.open(tmp_path / "out").image(0))
    assert (first.shape, first.dtype) == ((32, 32, 3), np.uint8)


def test_compressed_and_plain_hold_the_same(folder, tmp_path):
    build(folder, tmp_path / "plain")
    build(folder, tmp_path / "packed", compressed=True)
    assert np.array_equal(pictures(tmp_path / "plain"), pictures(tmp_path / "packed"))


def test_rows_keep_paths_labels_groups_and_hashes(folder, tmp_path):
    images = read_labelled_images(folder)
    manifest = build(folder, tmp_path / "out")
    labelled = ImageCache.open(tmp_path / "out").labelled
    assert (labelled.paths, labelled.groups, labelled.classes) == (images.paths, images.groups, images.classes)
    assert labelled.labels.tolist() == images.labels.tolist()
    assert [row.sha256 for row in manifest.rows] == [sha256_file(Path(path)) for path in images.paths]


def test_a_margin_makes_the_stored_squares_larger(folder, tmp_path):
    build(folder, tmp_path / "out", margin_px=8)
    cache = ImageCache.open(tmp_path / "out")
    assert (cache.size_px, cache.side_px, cache.image(0).shape) == (32, 40, (40, 40, 3))


def test_settings_of_analyze_count_for_the_cache_too(folder, tmp_path):
    manifest = build(folder, tmp_path / "out", settings=Settings(image_max_side_px=960, max_pixels=45 * 45))
    assert manifest.form.decode_side_px == 960
    assert {failure.error for failure in manifest.all_failures} == {"TooLargeError"}


def test_large_squares_are_decoded_at_twice_their_side(folder, tmp_path):
    assert build(folder, tmp_path / "out", size_px=384).form.decode_side_px == 768


# --- unreadable images ----------------------------------------------------------------------------------------------


def test_unreadable_images_are_failures_and_the_others_keep_their_labels(folder, tmp_path):
    for name, content in (("food/00.jpg", b""), ("food/04.jpg", b"no picture"), ("pet/05.jpg", b"\xff\xd8\xff\xe0")):
        (folder / name).write_bytes(content)
    manifest = build(folder, tmp_path / "out")
    labelled = ImageCache.open(tmp_path / "out").labelled
    assert len(labelled) == N - 3 == len(pictures(tmp_path / "out"))
    assert all(labelled.classes[k] in path for k, path in zip(labelled.labels, labelled.paths, strict=True))
    errors = [failure.error for failure in manifest.all_failures]
    assert errors == ["EmptyMediaError", "UnsupportedMediaError", "DecodeError"]


def test_a_shard_without_a_readable_image_has_no_file(folder, tmp_path):
    for path in sorted((folder / "food").iterdir())[:4]:
        path.write_bytes(b"no picture")
    manifest = build(folder, tmp_path / "out")
    assert [shard.file is None for shard in manifest.shards] == [True, False, False]
    assert len(pictures(tmp_path / "out")) == N - 4
    assert build(folder, tmp_path / "out").n_written == 0


def test_no_readable_image_at_all_is_an_error(tmp_path):
    (tmp_path / "photos" / "pet").mkdir(parents=True)
    (tmp_path / "photos" / "pet" / "1.jpg").write_bytes(b"no picture")
    with pytest.raises(EmptySourceError, match=r"got none of 1; the first: .*1\.jpg"):
        build(tmp_path / "photos", tmp_path / "out")
    assert not is_cache(tmp_path / "out")


# --- stopped and resumed --------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from postlens.train.cache import build_cache
from postlens.train.labels import read_labelled_images

def progress(done, total):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

images = read_labelled_images(Path(sys.argv[1]))
build_cache(images, Path(sys.argv[2]), size_px=32, rows_per_shard=4, workers=2, progress=progress)
"""


@pytest.mark.parametrize("n_done", [1, 6, N])
def test_a_killed_run_is_finished_by_the_next(folder, tmp_path, n_done):
    words = [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "out"), str(n_done)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    with pytest.raises(CacheError, match="one that is not finished"):
        ImageCache.open(tmp_path / "out")
    build(folder, tmp_path / "out")
    build(folder, tmp_path / "whole")
    assert np.array_equal(pictures(tmp_path / "out"), pictures(tmp_path / "whole"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {path.name for path in (tmp_path / "whole").iterdir()}


def test_what_a_stopped_run_finished_is_not_made_again(folder, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(folder, tmp_path / "out", workers=1, progress=stop)
    lines = (tmp_path / "out" / JOURNAL).read_text().splitlines()
    (tmp_path / "out" / JOURNAL).write_text("\n".join(lines) + '\n{"key": "cut off in the mid')
    assert build(folder, tmp_path / "out").n_written == 1


def test_progress_counts_every_image_and_ends_at_all(folder, tmp_path):
    told: list[tuple[int, int]] = []
    build(folder, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(N + 1))
    assert {total for _, total in told} == {N}


def test_a_failing_disk_is_an_error_that_says_to_run_again(folder, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(CacheError, match="cannot write the cache"):
        build(folder, tmp_path / "out")


def test_two_runs_at_once_are_refused(folder, tmp_path):
    inner: list[type] = []

    def again(done: int, total: int) -> None:
        with pytest.raises(CacheError, match="another run writes"):
            build(folder, tmp_path / "out")
        inner.append(CacheError)

    build(folder, tmp_path / "out", progress=again)
    assert inner


# --- changed --------------------------------------------------------------------------------------------------------


def test_an_unchanged_source_is_not_decoded_again(folder, tmp_path):
    first = build(folder, tmp_path / "out")
    before = shard_files(tmp_path / "out")
    second = build(folder, tmp_path / "out")
    assert (second.n_written, shard_files(tmp_path / "out")) == (0, before)
    assert second.fingerprint == first.fingerprint


def test_a_changed_image_is_noticed_and_only_its_shard_is_made_again(folder, tmp_path):
    first, before = build(folder, tmp_path / "out"), shard_files(tmp_path / "out")
    Pil.new("RGB", (50, 50), (9, 200, 9)).save(folder / "pet" / "09.jpg")
    second, after = build(folder, tmp_path / "out"), shard_files(tmp_path / "out")
    assert (second.n_written, len(before.items() & after.items()), len(after)) == (1, 2, 3)
    assert second.fingerprint != first.fingerprint
    row = [Path(path).name for path in ImageCache.open(tmp_path / "out").labelled.paths].index("09.jpg")
    assert ImageCache.open(tmp_path / "out").image(row).mean(axis=(0, 1)).round(-1).tolist() == [10, 200, 10]


def test_new_labels_are_taken_over_without_decoding(folder, tmp_path):
    build(folder, tmp_path / "out")
    images = read_labelled_images(folder)
    turned = LabelledImages(images.paths, 1 - images.labels, ("one",) * N, ("cat", "dog"))
    manifest = build_cache(turned, tmp_path / "out", size_px=32, rows_per_shard=4, workers=1)
    labelled = ImageCache.open(tmp_path / "out").labelled
    assert (manifest.n_written, labelled.classes, set(labelled.groups)) == (0, ("cat", "dog"), {"one"})
    assert labelled.labels.tolist() == turned.labels.tolist()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"size_px": 48}, "expected size_px 48, got size_px 32"),
        ({"compressed": True}, "compressed True"),
        ({"margin_px": 4}, "margin_px 4"),
    ],
)
def test_a_cache_of_another_form_is_not_overwritten(folder, tmp_path, asked, said):
    build(folder, tmp_path / "out")
    with pytest.raises(CacheError, match=said):
        build(folder, tmp_path / "out", **asked)
    assert len(pictures(tmp_path / "out")) == N


def test_a_cache_of_other_images_is_not_overwritten(folder, tmp_path):
    build(folder, tmp_path / "out")
    with pytest.raises(CacheError, match="one of others"):
        build(folder.rename(tmp_path / "moved"), tmp_path / "out")


@pytest.mark.parametrize("asked", [{"size_px": 0}, {"margin_px": -1}, {"rows_per_shard": 0}, {"workers": 0}])
def test_sizes_that_cannot_be_are_wrong_usage(folder, tmp_path, asked):
    with pytest.raises(UsageError, match="1 or more"):
        build(folder, tmp_path / "out", **asked)


# --- read -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_cache_can_be_sent_to_another_process_and_read_after_a_fork(folder, tmp_path, compressed):
    build(folder, tmp_path / "out", compressed=compressed)
    cache = ImageCache.open(tmp_path / "out")
    first = cache.image(0)
    assert np.array_equal(pickle.loads(pickle.dumps(cache)).image(0), first)
    child = os.fork()
    if child == 0:
        os._exit(0 if all(cache.image(row).any() for row in range(N)) and (cache.image(0) == first).all() else 1)
    assert all(cache.image(row).any() for row in range(N))
    assert os.waitpid(child, 0)[1] == 0


def test_a_picture_read_may_be_written_to(folder, tmp_path):
    build(folder, tmp_path / "out")
    cache = ImageCache.open(tmp_path / "out")
    cache.image(0)[:] = 0
    assert cache.image(0).any()


@pytest.mark.parametrize("row", [-1, N])
def test_rows_outside_are_refused(folder, tmp_path, row):
    build(folder, tmp_path / "out")
    with pytest.raises(IndexError):
        ImageCache.open(tmp_path / "out").image(row)


def test_a_shard_cut_off_is_found_on_opening_and_made_again(folder, tmp_path):
    manifest = build(folder, tmp_path / "out")
    path = tmp_path / "out" / manifest.shards[1].file
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CacheError, match=r"absent or damaged"):
        ImageCache.open(tmp_path / "out")
    assert build(folder, tmp_path / "out").n_written == 1
    ImageCache.open(tmp_path / "out").verify()


def test_a_shard_with_other_bytes_is_found_by_verify(folder, tmp_path):
    manifest = build(folder, tmp_path / "out")
    path = tmp_path / "out" / manifest.shards[2].file
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CacheError, match="sha256"):
        ImageCache.open(tmp_path / "out").verify()


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1}', '{"version": 99}', "[1]"])
def test_a_manifest_that_cannot_be_read_is_a_cache_error(folder, tmp_path, text):
    build(folder, tmp_path / "out")
    (tmp_path / "out" / MANIFEST).write_text(text)
    with pytest.raises(CacheError):
        ImageCache.open(tmp_path / "out")


def test_a_folder_that_is_no_cache_says_what_to_run(tmp_path):
    with pytest.raises(CacheError, match="got none; run `postlens preprocess`"):
        ImageCache.open(tmp_path)


def test_the_manifest_says_how_pictures_were_made(folder, tmp_path):
    build(folder, tmp_path / "out")
    values = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert values["version"] == 1
    assert values["form"]["size_px"] == 32
    assert "centre square" in values["form"]["preprocessing"]
    assert {"key", "file", "sha256", "n_bytes", "rows", "failures"} == values["shards"][0].keys()


def test_each_compressed_picture_can_be_read_alone(folder, tmp_path):
    manifest = build(folder, tmp_path / "out", compressed=True)
    with zipfile.ZipFile(tmp_path / "out" / manifest.shards[0].file) as archive:
        assert archive.namelist() == ["00000.npy", "00001.npy", "00002.npy", "00003.npy"]
