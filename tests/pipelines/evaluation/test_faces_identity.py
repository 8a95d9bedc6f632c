"""Folders of photo pairs to scores, on the bundled portraits."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.errors import EmptySourceError, SourceNotFoundError, TableError
from postlens.pipelines.evaluation.faces_identity import evaluate, find_face
from postlens.pipelines.photos import BORDERS
from postlens.types import Faces
from postlens.vision.boxes import box_iou
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import load_spec

PHOTOS = ("sample.portraits/flight-suit.jpg", "sample.portraits/smile.jpg", "sample.portraits/navy-cap.jpg")


@pytest.fixture
def folder(tmp_path: Path, sample_campaign: Path) -> Path:
    for photo in PHOTOS:
        shutil.copy(sample_campaign / "media" / photo, tmp_path / Path(photo).name)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    return tmp_path


def pairs(folder: Path, *rows: str, header: str = "file_a,file_b,same,source_group") -> None:
    (folder / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")


def test_pairs_of_the_same_and_of_different_people_are_told_apart(folder):
    seen: list[tuple[int, int]] = []
    pairs(folder, "flight-suit.jpg,smile.jpg,1,x", "flight-suit.jpg,navy-cap.jpg,0,y", "smile.jpg,navy-cap.jpg,0,y")
    table = evaluate(folder, progress=lambda done, total: seen.append((done, total)))
    assert (table["n"], table["accuracy"], table["auc"], table["failed"]) == (3, 1.0, 1.0, 0)
    assert table["n_padded"] == 0 and table["threshold"] == load_spec("face_template").thresholds["same_person"]
    assert set(table["by_source"]) == {"x", "y"} and table["in_sample"] is False
    assert seen[-1] == (3, 3)


def test_unreadable_photos_count_as_failed_and_their_pairs_as_different(folder):
    pairs(folder, "flight-suit.jpg,broken.jpg,1,x", "flight-suit.jpg,gone.jpg,0,x", "flight-suit.jpg,smile.jpg,1,x")
    table = evaluate(folder)
    assert (table["failed"], sum(table["failures"].values()), table["n_compared"]) == (2, 2, 1)
    assert table["accuracy"] == pytest.approx(2 / 3, abs=1e-3)


def test_sources_may_be_missing(folder):
    pairs(folder, "flight-suit.jpg,smile.jpg,1", header="file_a,file_b,same")
    assert list(evaluate(folder)["by_source"]) == ["unknown"]


def test_a_folder_without_usable_pairs_is_refused(tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"pairs\.csv"):
        evaluate(tmp_path)
    pairs(tmp_path)
    with pytest.raises(EmptySourceError, match="got none"):
        evaluate(tmp_path)
    pairs(tmp_path, "a,b", header="left,right")
    with pytest.raises(TableError, match="file_a"):
        evaluate(tmp_path)


class PickyDetector(FaceDetector):
    """Finds faces only in images of at least `min_side_px`: stands for a photo that needs a border."""

    def __init__(self, min_side_px: int, *, trust: float = 1.0) -> None:
        super().__init__()
        self._min_side_px, self._trust = min_side_px, trust

    def detect(self, image: np.ndarray, **where: float) -> Faces:
        faces = super().detect(image, **where) if max(image.shape) >= self._min_side_px else Faces.none()
        return replace(faces, quality=faces.quality * self._trust)


def test_a_face_found_with_a_border_keeps_its_place(folder):
    photo = np.asarray(Image.open(folder / "smile.jpg").convert("RGB"))
    plain, none = find_face(FaceDetector(), photo)
    padded, border = find_face(PickyDetector(max(photo.shape) + 1), photo)
    assert (none, border) == (0.0, BORDERS[0])
    assert box_iou(plain.xyxy_px, padded.xyxy_px)[0, 0] > 0.7
    assert np.linalg.norm(plain.template[0] - padded.template[0]) < 0.3


def test_a_face_of_no_quality_counts_only_without_a_border(folder):
    photo = np.asarray(Image.open(folder / "smile.jpg").convert("RGB"))
    sizes = [len(find_face(PickyDetector(max(photo.shape) + more, trust=0.0), photo)[0]) for more in (0, 1)]
    assert sizes == [1, 0]


def test_photos_without_a_face_fail_whatever_the_border(folder):
    Image.new("RGB", (90, 60), (120, 130, 140)).save(folder / "wall.png")
    pairs(folder, "flight-suit.jpg,wall.png,1,x", "flight-suit.jpg,smile.jpg,1,x")
    table = evaluate(folder)
    assert table["failures"] == {"NoFace": 1} and table["n_padded"] == 0
    assert (table["accuracy"], table["n_compared"]) == (0.5, 1)
