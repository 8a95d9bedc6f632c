"""Images of several emotions divided for training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import NotEnoughDataError, SplitError
from postlens.train.emotion_pictures import open_emotion_pictures
from postlens.train.emotion_sets import read_emotion_images
from postlens.train.emotion_split import split_emotions, stratify

from .emotions import draw_emotion, write_fer2013, write_folders


def opened(data):
    return open_emotion_pictures(read_emotion_images(data), size_px=32)


def parts(data, *, seed=0):
    images, _, hashes = opened(data)
    split, _ = split_emotions(images, hashes=hashes, rng=np.random.default_rng(seed))
    return images, split


def test_every_emotion_gets_its_share_of_each_part(tmp_path):
    images, split = parts(write_folders(tmp_path, n=20))
    for rows, n in ((split.train, 14), (split.val, 3), (split.test, 3)):
        assert np.nansum(images.truth[rows] == 1, axis=0)[:3].tolist() == [n, n, n]


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=30), st.integers(0, 99))
def test_every_group_is_in_one_part(rows, seed):
    counts = np.array([[*row, max(sum(row), 1)] for row in rows], float)
    found = stratify(counts, (0.7, 0.15, 0.15), rng=np.random.default_rng(seed))
    assert set(found.tolist()) <= {0, 1, 2}
    assert (found[counts[:, 0] > 0] == 0).any() or not counts[:, 0].any()  # what there is is trained on


def test_groups_and_equal_files_stay_together(tmp_path):
    for label in ("happy", "sad"):
        for person in range(8):
            for i in range(2):
                draw_emotion(tmp_path / label / f"p{person}" / f"{i}.png", label, seed=person * 10 + i)
    copy = (tmp_path / "happy" / "p0" / "0.png").read_bytes()
    (tmp_path / "happy" / "p1" / "copy.png").write_bytes(copy)
    images, split = parts(tmp_path)
    of = {images.groups[row]: name for name, rows in split.parts.items() for row in rows}
    for name, rows in split.parts.items():
        assert {of[images.groups[row]] for row in rows} <= {name}
    assert of["p0"] == of["p1"]


def test_parts_of_the_data_set_are_kept(tmp_path):
    images, split = parts(write_fer2013(tmp_path / "fer2013.csv"))
    assert [len(rows) for rows in split.parts.values()] == [6, 3, 3]
    assert {images.parts[row] for row in split.test} == {"test"}


def test_validation_is_drawn_from_training_where_only_a_test_is_given(tmp_path):
    write_folders(tmp_path / "train", n=10)
    write_folders(tmp_path / "test", n=12)
    for path in (tmp_path / "train").rglob("*.png"):  # other pictures than those of the test
        draw_emotion(path, path.parent.name, seed=int(path.stem) + 500)
    images, split = parts(tmp_path)
    assert {images.parts[row] for row in split.val} == {"train"}
    assert len(split.val) in range(3, 7)
    assert len(split.test) == 36


def test_a_training_image_that_is_also_tested_is_left_out(tmp_path):
    for part in ("train", "val", "test"):
        write_folders(tmp_path / part, n=2)
    for i, path in enumerate(sorted((tmp_path / "train").rglob("*.png"))):
        draw_emotion(path, path.parent.name, seed=900 + i)
    for i, path in enumerate(sorted((tmp_path / "val").rglob("*.png"))):
        draw_emotion(path, path.parent.name, seed=800 + i)
    same = tmp_path / "train" / "happy" / "0.png"
    same.write_bytes((tmp_path / "test" / "happy" / "1.png").read_bytes())
    images, _, hashes = opened(tmp_path)
    split, left_out = split_emotions(images, hashes=hashes, rng=np.random.default_rng(0))
    assert left_out == (1, 0)
    assert len(split.train) == 5


def test_a_person_who_is_also_validated_or_tested_on_is_left_out_of_training(tmp_path):
    places = {"train": ("ann", "bea", "cem", "dan"), "val": ("bea", "eve"), "test": ("cem", "fay")}
    for k, (part, people) in enumerate(places.items()):
        for label in ("happy", "sad"):
            for person in people:
                draw_emotion(tmp_path / part / label / person / "1.png", label, seed=100 * k + ord(person[0]))
    images, _, hashes = opened(tmp_path)
    split, left_out = split_emotions(images, hashes=hashes, rng=np.random.default_rng(0))
    assert {images.groups[row] for row in split.train} == {"ann", "dan"}
    assert {images.groups[row] for row in split.val} == {"bea", "eve"}
    assert (left_out.n_met, len(split.val), len(split.test)) == (4, 4, 4)


def test_too_few_groups_are_told(tmp_path):
    draw_emotion(tmp_path / "happy" / "ann" / "1.png", "happy")
    draw_emotion(tmp_path / "sad" / "bea" / "1.png", "sad")
    with pytest.raises(SplitError, match="to validate on, got train 2, val 0"):
        parts(tmp_path)


# --- pictures -------------------------------------------------------------------------------------------------------


def test_images_that_cannot_be_decoded_are_left_out_and_told(tmp_path):
    write_folders(tmp_path, n=3)
    (tmp_path / "happy" / "0.png").write_bytes(b"\x89PNG cut off")
    images, squares, hashes = opened(tmp_path)
    assert len(images) == len(hashes) == 8
    assert images.failures[0].subject.endswith("happy/0.png")
    assert squares.image(7).shape == (32, 32, 3)
    assert [path.rsplit("/", 2)[-2] for path in images.paths].count("happy") == 2


def test_no_image_that_can_be_decoded_is_refused(tmp_path):
    for label in ("happy", "sad"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"no image")
    with pytest.raises(NotEnoughDataError, match="got none of 2"):
        opened(tmp_path)


def test_pixels_of_a_table_are_squares_of_three_equal_channels(tmp_path):
    images, squares, _ = opened(write_fer2013(tmp_path / "fer2013.csv"))
    image = squares.image(0)
    assert image.shape == (32, 32, 3)
    assert (image[..., 0] == image[..., 2]).all()
    assert image.mean() == pytest.approx(images.pixels[0].mean(), abs=2)
