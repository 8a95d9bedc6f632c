"""Evaluation sees files as analysis does: with the same settings, in every task."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from postlens.config import Settings
from postlens.errors import TooLargeError, UnsupportedMediaError
from postlens.pipelines.decode import decode_work
from postlens.pipelines.evaluation import evaluate_task
from postlens.pipelines.evaluation.media import read_media, read_photo
from postlens.pipelines.photos import largest
from postlens.pipelines.plan import WorkItem
from postlens.types import Faces

from ..fakes import picture

PORTRAIT = "sample.portraits/smile.jpg"
CLIP = "sample.archive/commodore.mp4"
LISTED = {
    "niche": ("manifest.csv", "file,label", "pet"),
    "expression": ("manifest.csv", "file,label", "happy"),
    "scene_emotion": ("manifest.csv", "file,label", "happy"),
    "attributes": ("attributes.csv", "file,hat", "1"),
    "faces_identity": ("pairs.csv", "file_a,file_b,same", "small.png,1"),
}


def settings(**values: float) -> Settings:
    return Settings(image_max_side_px=200, video_max_side_px=160, video_max_frames=2, **values)


def test_photos_are_decoded_at_the_scale_that_is_set(sample_campaign: Path) -> None:
    photo = read_photo(sample_campaign / "media" / PORTRAIT, settings=settings())
    assert 200 <= max(photo.image.shape[:2]) < 400
    with pytest.raises(TooLargeError):
        read_photo(sample_campaign / "media" / PORTRAIT, settings=settings(max_pixels=100))


@pytest.mark.parametrize("name", [PORTRAIT, CLIP])
def test_media_is_decoded_as_in_an_analysis(name: str, sample_campaign: Path) -> None:
    read = read_media(sample_campaign / "media" / name, settings=settings())
    media = read.features.media
    work = decode_work(WorkItem(media.sha256, media.path, media.kind, frozenset()), settings=settings(), stored=None)
    assert len(read.frames) == len(work.frames) <= 2
    assert all(np.array_equal(a, b) for a, b in zip(read.frames.images, work.frames.images, strict=True))


def test_a_clip_among_photos_is_refused(sample_campaign: Path) -> None:
    with pytest.raises(UnsupportedMediaError):
        read_photo(sample_campaign / "media" / CLIP, settings=settings())


@pytest.mark.parametrize("task", LISTED)
def test_every_task_reads_the_settings(task: str, tmp_path: Path, sample_campaign: Path, monkeypatch) -> None:
    name, header, label = LISTED[task]
    picture(tmp_path / "small.png", seed=1)
    shutil.copy(sample_campaign / "media" / PORTRAIT, tmp_path / "large.jpg")
    (tmp_path / name).write_text(f"{header}\nlarge.jpg,{label}\nsmall.png,{label}\n")
    monkeypatch.setenv("POSTLENS_MAX_PIXELS", "10000")
    assert evaluate_task(task, tmp_path)["failures"]["TooLargeError"] == 1


def test_clips_are_sampled_at_the_rate_that_is_set(tmp_path: Path, sample_campaign: Path, monkeypatch) -> None:
    from postlens.pipelines.evaluation.video import look_at

    shutil.copy(sample_campaign / "media" / CLIP, tmp_path / "a.mp4")
    monkeypatch.setenv("POSTLENS_VIDEO_MAX_FRAMES", "1")
    found, _ = look_at(tmp_path, ["a.mp4"])
    assert found["a.mp4"].embeddings is not None and len(found["a.mp4"].embeddings) == 1


def test_the_largest_face_has_the_largest_box() -> None:
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 30, 20], [5, 5, 25, 25]])
    n = np.zeros(3, np.float32)
    assert largest(Faces(boxes, n, np.zeros((3, 6, 2), np.float32), n, np.zeros(3, np.int64), n)) == 1
