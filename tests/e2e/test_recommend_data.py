"""Photos of real people through recommending: a beard behind a mask, and a guest who is larger than the profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from postlens.config import Settings
from postlens.pipelines.recommend import Offered, Recommended, recommend_media
from postlens.store import Store
from postlens.store.faces import read_faces
from postlens.types import Faces

pytestmark = pytest.mark.data
BEARDED, GUEST = "will_smith", "bryce_dallas_howard"
N_PHOTOS = 6


@pytest.fixture(scope="module")
def photos(data_root: Path) -> list[Path]:
    """Photos of a man who wears a beard in many of them."""
    return sorted((data_root / "faces_identity" / BEARDED).iterdir())[:N_PHOTOS]


def look(folder: Path, out: Path) -> Recommended:
    return recommend_media([str(folder)], out, settings=Settings(workers=2))


def stored_faces(found: Recommended, sha256: str) -> Faces:
    """All faces of an image, also of one that no picture is made of."""
    with Store.open(found.store, read_only=True) as store, store.read() as conn:
        return read_faces(conn, [sha256])[sha256]


def hide_mouth(found: Recommended, one: Offered, to: Path) -> None:
    """The photo with its face hidden from the upper nose down."""
    media = one.media[0]
    row, faces = one.read[media.sha256], stored_faces(found, media.sha256)
    left, _, right, bottom = faces.xyxy_px[row].tolist()
    nose, side = float(faces.landmarks_px[row][2][1]), right - left
    image = Image.open(media.path).convert("RGB")
    box = [left - 0.05 * side, nose - 0.12 * side, right + 0.05 * side, bottom + 0.15 * side]
    ImageDraw.Draw(image).rectangle(box, fill=(120, 170, 215))
    image.save(to / f"{Path(media.path).stem}.png")


def test_a_beard_behind_a_mask_sells_nothing(photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "masked").mkdir()
    for path in photos:
        shutil.copy(path, tmp_path / "bare" / path.name)
    bare = look(tmp_path / "bare", tmp_path / "out")
    bearded = [one for one in bare.posts if one.answer.label == "beard"]
    for one in bearded:
        hide_mouth(bare, one, tmp_path / "masked")
    masked = look(tmp_path / "masked", tmp_path / "masked-out")
    assert bearded
    assert [one.answer.label for one in masked.posts] == [None] * len(bearded)


def test_beside_a_larger_guest_the_profiles_person_speaks(photos: list[Path], data_root: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for path in photos:
        shutil.copy(path, own / path.name)
    alone = look(own, tmp_path / "out")
    guest = sorted((data_root / "faces_identity" / GUEST).iterdir())[0]
    beside(photos[0], guest, own / "both.png")
    found = look(own, tmp_path / "out")
    both = next(one for one in found.posts if Path(one.media[0].path).name == "both.png")
    media = both.media[0].sha256
    row, boxes = both.read[media], stored_faces(found, media).xyxy_px
    assert len(alone.posts) + 1 == len(found.posts)
    assert row is not None
    assert boxes[row][0] < 260
    assert int(np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))) != row


def beside(own: Path, guest: Path, to: Path) -> None:
    """One photo, 260 px wide, left of another, 900 px wide."""
    small, large = (Image.open(path).convert("RGB") for path in (own, guest))
    small, large = (
        image.resize((width, round(image.height * width / image.width)))
        for image, width in ((small, 260), (large, 900))
    )
    sheet = Image.new("RGB", (1160, max(small.height, large.height)), (255, 255, 255))
    sheet.paste(small, (0, 0))
    sheet.paste(large, (260, 0))
    sheet.save(to)
