"""Pictures of crops and results: sizes, marks and letters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from postlens.errors import DecodeError, MediaNotFoundError
from postlens.media.decode import decode_file
from postlens.pipelines import pictures
from postlens.pipelines.pictures import CHOSEN, OTHER, SIDE_PX, Shot, crop_picture, result_picture, take_shot
from postlens.types import Faces

from ..media.samples import encoded, photo, write_video
from .fakes import settings

LANDMARKS = np.array([[30, 40], [50, 40], [40, 50], [40, 60], [25, 45], [55, 45]], np.float32)


def shot(n_faces: int = 1, *, width: int = 400, height: int = 300) -> Shot:
    lefts = np.arange(n_faces, dtype=np.float32)[:, None] * 80
    corners = np.array([[20, 25]], np.float32) + np.concatenate([lefts, np.zeros_like(lefts)], axis=1)
    faces = Faces(
        xyxy_px=np.concatenate([corners, corners + 40], axis=1),
        score=np.ones(n_faces, np.float32),
        landmarks_px=LANDMARKS + np.stack([lefts, np.zeros_like(lefts)], axis=2),
        quality=np.ones(n_faces, np.float32),
        frame=np.zeros(n_faces, np.int64),
        pts_s=np.zeros(n_faces, np.float32),
    )
    return Shot(np.full((height, width, 3), 90, np.uint8), faces, 1.0)


def has_colour(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((image == colour).all(axis=2).any())


def test_before_and_after_cropping_stand_side_by_side() -> None:
    one = shot()
    picture = crop_picture(one, box_px=one.faces.xyxy_px[0].tolist())
    assert picture.shape == (SIDE_PX, round(400 * SIDE_PX / 300) + pictures.GAP_PX + SIDE_PX, 3)
    assert has_colour(picture, CHOSEN)


@pytest.mark.parametrize(("n_faces", "columns"), [(1, 2), (2, 3), (4, 3)])
def test_other_faces_are_marked_and_cropped_smaller(n_faces: int, columns: int) -> None:
    one = shot(n_faces)
    picture = crop_picture(one, box_px=one.faces.xyxy_px[n_faces - 1].tolist())
    width_px = round(400 * SIDE_PX / 300) + pictures.GAP_PX + SIDE_PX
    assert (picture.shape[1] > width_px) == (columns == 3)
    assert has_colour(picture, OTHER) == (n_faces > 1)


def test_an_image_without_a_face_is_shown_as_it_is() -> None:
    one = replace(shot(), faces=Faces.none())
    assert crop_picture(one, box_px=None).shape == (SIDE_PX, round(400 * SIDE_PX / 300), 3)


@pytest.mark.parametrize(("width", "height"), [(3000, 20), (20, 3000), (1, 1)])
def test_odd_shapes_give_pictures(width: int, height: int) -> None:
    one = replace(shot(width=width, height=height), faces=Faces.none())
    assert crop_picture(one, box_px=None).size
    assert result_picture(one, title="Cap", text="hat in 1 of 1 image").shape[1] >= SIDE_PX


@pytest.mark.parametrize("text", ["", "hat " * 80, "x" * 900, "Öl für Bärte 漢字 🧢", "a\nb\tc"])
def test_any_title_and_text_fit_the_width(text: str) -> None:
    narrow = result_picture(shot(), title=text, text=text)
    assert narrow.shape[1] == round(400 * SIDE_PX / 300) + 2 * pictures.MARGIN_PX


def test_without_fonts_letters_lose_their_accents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FONTS", ("no-such-font.ttf",))
    accented = result_picture(shot(), title="Öl für Bärte", text="漢")
    assert np.array_equal(accented, result_picture(shot(), title="Ol fur Barte", text="?"))
    assert isinstance(ImageFont.load_default(20), ImageFont.FreeTypeFont)


def test_a_file_that_changed_or_went_away_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(photo(64, 48, seed=1), "PNG"))
    media = decode_file(path).media
    assert take_shot(media, Faces.none(), None, settings=settings()).image.shape == (48, 64, 3)
    path.write_bytes(encoded(photo(64, 48, seed=2), "PNG"))
    with pytest.raises(DecodeError, match="changed"):
        take_shot(media, Faces.none(), None, settings=settings())
    path.unlink()
    with pytest.raises(MediaNotFoundError):
        take_shot(media, Faces.none(), None, settings=settings())


def test_of_a_video_the_frame_of_the_face_is_shown(tmp_path: Path) -> None:
    media = decode_file(write_video(tmp_path / "a.mp4")).media
    faces = replace(shot(2).faces, frame=np.array([0, 3]))
    first, later = (take_shot(media, faces, row, settings=settings()) for row in (0, 1))
    assert (len(first.faces), len(later.faces)) == (1, 1)
    assert first.image.mean() < later.image.mean()
