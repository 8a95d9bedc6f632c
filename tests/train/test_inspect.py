"""A sheet shows what the real steps give, with captions, in one file that needs no other."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from postlens.errors import DecodeError, MediaNotFoundError, MissingExtraError, UsageError
from postlens.media.image import decode_image
from postlens.train.augment_recipe import AugmentRecipe
from postlens.train.inspect import RESIZED, Inspection, inspect_image, inspect_mixing, spec_of, value_map
from postlens.train.recipe import load_recipe
from postlens.train.sheet import write_sheet
from postlens.vision.encoder import prepare
from postlens.vision.zoo import load_spec

from ..media.samples import CORNERS, GREY, RED, corner_colours, corners, encoded, photo

SPEC = load_spec("efficientnet_lite0")


@pytest.fixture
def jpeg(tmp_path) -> Path:
    """A photo that EXIF turns by 90 degrees."""
    path = tmp_path / "turned <1>.jpg"
    path.write_bytes(encoded(corners(120, 80), "JPEG", orientation=6, quality=95))
    return path


def steps_of(inspection: Inspection) -> dict[str, np.ndarray]:
    return {step.title: step.picture for step in inspection.preprocessing}


def facts_of(inspection: Inspection) -> str:
    return "\n".join(fact for step in inspection.preprocessing for fact in step.facts)


# --- steps ----------------------------------------------------------------------------------------------------------


def test_a_jpeg_is_shown_as_stored_and_then_upright(jpeg):
    found = inspect_image(jpeg, spec=SPEC)
    steps = steps_of(found)
    assert list(steps) == ["decoded", "upright", "cropped", "resized", "normalised"]
    assert corner_colours(steps["decoded"]) == list(CORNERS)
    assert np.array_equal(steps["upright"], decode_image(jpeg).image)
    assert (steps["decoded"].shape, steps["upright"].shape) == ((80, 120, 3), (120, 80, 3))
    assert "EXIF orientation 6: turned by 90° to the right" in facts_of(found)


@pytest.mark.parametrize(("form", "name"), [("PNG", "a.png"), ("WEBP", "a.webp"), ("HEIF", "a.heic")])
def test_other_formats_are_decoded_and_turned_at_once(tmp_path, form, name):
    (tmp_path / name).write_bytes(encoded(corners(), form))
    found = inspect_image(tmp_path / name, spec=SPEC)
    assert list(steps_of(found)) == ["decoded, upright", "cropped", "resized", "normalised"]
    assert "applied by the decoder" in facts_of(found)


def test_large_jpegs_say_at_which_scale_they_were_decoded(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(photo(2600, 1300), "JPEG"))
    found = inspect_image(tmp_path / "a.jpg", spec=SPEC)
    assert steps_of(found)["decoded"].shape == (325, 650, 3)
    assert "2600 x 1300 px when upright, decoded at scale 0.25" in facts_of(found)


def test_the_last_step_is_what_the_encoder_is_given(jpeg):
    found = inspect_image(jpeg, spec=SPEC)
    values = prepare(decode_image(jpeg).image, SPEC)
    maps = np.concatenate([value_map(plane, 1.0) for plane in values], axis=1)
    assert np.abs(steps_of(found)["normalised"].astype(int) - maps).max() <= 2  # the map's limit is 128 / 127
    assert f"values {values.min():.2f} .. {values.max():.2f}" in facts_of(found)


def test_what_the_crop_leaves_out_is_dimmed(jpeg):
    picture = steps_of(inspect_image(jpeg, spec=SPEC))["cropped"]
    whole = decode_image(jpeg).image
    assert np.array_equal(picture[20:100], whole[20:100])
    assert picture[:20].mean() < 0.4 * whole[:20].mean()


def test_a_recipe_gives_size_and_normalisation(jpeg):
    recipe = load_recipe("resnet50").changed(input_size=(3, 64, 64))
    found = inspect_image(jpeg, spec=spec_of(recipe, SPEC))
    assert steps_of(found)[RESIZED].shape == (64, 64, 3)
    assert "(123.675, 116.28, 103.53)" in facts_of(found)


def test_values_become_blue_white_and_red():
    colours = value_map(np.array([[-2.0, 0.0, 1.0]], np.float32), 1.0)[0]
    assert colours[0].argmax() == 2
    assert colours[1].tolist() == [247, 247, 247]
    assert colours[2].argmax() == 0


@pytest.mark.parametrize(("content", "error"), [(None, MediaNotFoundError), (b"\xff\xd8\xff\xe0 cut", DecodeError)])
def test_an_image_that_cannot_be_read_is_a_media_error(tmp_path, content, error):
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(error):
        inspect_image(tmp_path / "a.jpg", spec=SPEC)


# --- augmentations --------------------------------------------------------------------------------------------------


def test_each_augmentation_is_shown_alone_and_all_together(jpeg):
    found = inspect_image(jpeg, spec=SPEC, augment=AugmentRecipe(erase_probability=0.1), n_augmented=3)
    titles = [step.title for step in found.augmentations]
    alone = ["random crop alone", "mirror alone", "colours alone", "RandAugment alone", "erasing alone"]
    assert titles == [*alone, "all, draw 1", "all, draw 2", "all, draw 3"]
    assert {step.picture.shape for step in found.augmentations} == {(224, 224, 3)}
    assert "done to 10% of the pictures" in found.augmentations[4].facts


def test_what_is_shown_alone_is_always_done(jpeg):
    found = inspect_image(jpeg, spec=SPEC, augment=AugmentRecipe(flip_probability=0.01), n_augmented=1)
    square, mirrored = steps_of(found)[RESIZED], found.augmentations[1].picture
    assert np.array_equal(mirrored, square[:, ::-1])


def test_the_seed_decides_what_is_drawn(jpeg):
    drawn = [inspect_image(jpeg, spec=SPEC, n_augmented=2, seed=seed).augmentations[-2:] for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0][0].picture, drawn[1][0].picture)
    assert np.array_equal(drawn[0][1].picture, drawn[2][0].picture)
    assert not np.array_equal(drawn[0][0].picture, drawn[2][0].picture)


def test_images_are_mixed_with_each_other(tmp_path):
    found = []
    for name, colour in (("red.png", RED), ("grey.png", GREY)):
        Pil.new("RGB", (64, 64), colour).save(tmp_path / name)
        found.append(inspect_image(tmp_path / name, spec=SPEC))
    mixed = inspect_mixing(found, augment=AugmentRecipe(mix_probability=0.5))
    assert mixed is not None
    assert [step.title for step in mixed.augmentations] == ["mixup", "mixup", "cutmix", "cutmix"]
    shares = [float(re.match(r"(\d+)%", step.facts[0])[1]) / 100 for step in mixed.augmentations]
    means = [step.picture[..., 0].mean() for step in mixed.augmentations]
    expected = [share * RED[0] + (1 - share) * GREY[0] for share in shares]
    assert means == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("augment", [AugmentRecipe(), AugmentRecipe(mix_probability=1)])
def test_nothing_is_mixed_where_it_is_off_or_there_is_one_image(jpeg, augment):
    found = inspect_image(jpeg, spec=SPEC)
    n_images = 1 if augment.mix_probability else 2
    assert inspect_mixing([found] * n_images, augment=augment) is None


def test_without_the_train_extra_only_augmentations_are_missing(jpeg, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert inspect_image(jpeg, spec=SPEC).preprocessing
    with pytest.raises(MissingExtraError, match=r"--augmentations 0 leaves them out.*postlens\[train\]"):
        inspect_image(jpeg, spec=SPEC, n_augmented=1)


# --- the sheet ------------------------------------------------------------------------------------------------------


@pytest.fixture
def inspections(jpeg, tmp_path) -> list[Inspection]:
    """A turned image and one with a very long name."""
    (tmp_path / ("x" * 200 + ".png")).write_bytes(encoded(photo(900, 60), "PNG"))
    paths = [jpeg, tmp_path / ("x" * 200 + ".png")]
    return [inspect_image(path, spec=SPEC, n_augmented=2) for path in paths]


def test_a_png_sheet_is_one_picture(inspections, tmp_path):
    write_sheet(inspections, tmp_path / "out" / "sheet.png", title="Title")
    with Pil.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.width == 1256
        assert sheet.height > 1500
        border = np.asarray(sheet.convert("RGB"))[:, -20:]
    assert (border == 255).all()  # nothing runs over the edge


def test_a_page_holds_its_pictures_and_names_no_other_file(inspections, tmp_path):
    write_sheet(inspections, tmp_path / "sheet.html", title="Title")
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    n_steps = sum(len(steps) for one in inspections for _, steps in one.sections)
    assert page.count('src="data:image/png;base64,') == page.count("<img") == n_steps
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "turned &lt;1&gt;.jpg" in page
    assert 'name="viewport"' in page


def test_another_ending_is_wrong_usage(inspections, tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.html, got 'sheet\.pdf'"):
        write_sheet(inspections, tmp_path / "sheet.pdf", title="Title")
