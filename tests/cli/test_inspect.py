"""`postlens inspect`: one sheet, with what could not be read told beside it."""

from __future__ import annotations

import pytest

from postlens.cli.app import run

from ..media.samples import encoded, photo


@pytest.fixture
def image(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(photo(90, 60), "JPEG"))
    return tmp_path / "a.jpg"


@pytest.mark.parametrize("name", ["sheet.png", "sheet.html"])
def test_images_become_one_sheet(image, tmp_path, capsys, name):
    assert run(["inspect", str(image), str(image), "--out", str(tmp_path / name), "--augmentations", "0"]) == 0
    assert "2 images in" in capsys.readouterr().out
    assert (tmp_path / name).stat().st_size > 10_000


def test_a_recipe_gives_preprocessing_and_augmentation(image, tmp_path):
    out = tmp_path / "sheet.html"
    words = ["--recipe", "resnet50", "--augmentations", "2", "--seed", "5", "--out", str(out)]
    assert run(["inspect", str(image), str(image), *words]) == 0
    page = out.read_text(encoding="utf-8")
    assert "Preprocessing for resnet50" in page
    assert "seed 6" in page
    assert "mixup" in page


def test_without_a_recipe_the_augmentation_is_that_of_the_default_training(image, tmp_path):
    out = tmp_path / "sheet.html"
    assert run(["inspect", str(image), str(image), "--augmentations", "1", "--out", str(out)]) == 0
    assert "mixup" in out.read_text(encoding="utf-8")


def test_an_image_that_cannot_be_read_is_told_and_left_out(image, tmp_path, capsys):
    words = ["--out", str(tmp_path / "sheet.png"), "--augmentations", "0"]
    assert run(["inspect", str(image), str(tmp_path / "gone.jpg"), *words]) == 0
    out = capsys.readouterr().out
    assert "1 image in" in out
    assert "MediaNotFoundError" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--out", "sheet.pdf"], 2), (["--recipe", "no_such_recipe"], 2), (["--augmentations", "-1"], 2)],
)
def test_words_that_cannot_be_followed_are_wrong_usage(image, capsys, words, code):
    assert run(["inspect", str(image), *words]) == code
    assert capsys.readouterr().err


def test_a_sheet_that_cannot_be_written_is_wrong_usage(image, capsys):
    assert run(["inspect", str(image), "--augmentations", "0", "--out", str(image / "sheet.png")]) == 2
    assert "expected a sheet that can be written" in capsys.readouterr().err


def test_no_readable_image_is_an_error_and_no_sheet(tmp_path, capsys):
    assert run(["inspect", str(tmp_path / "gone.jpg"), "--out", str(tmp_path / "sheet.png")]) == 1
    assert not (tmp_path / "sheet.png").exists()
