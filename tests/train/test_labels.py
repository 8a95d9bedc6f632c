"""Labelled images are read from every layout; what cannot be used is named."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import EmptySourceError, NotEnoughDataError, ShapeError, SourceNotFoundError, TableError
from postlens.train.labels import LabelledImages, read_labelled_images
from postlens.types import NICHES

from ..influencers import write_influencers


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def manifest(folder: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("file", "label", "source_group")):
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return folder


def rows_of(images: LabelledImages) -> list[tuple[str, str, str]]:
    """(file name, label, group's last part), sorted."""
    names = [Path(path).name for path in images.paths]
    labels = [images.classes[k] for k in images.labels]
    return sorted(zip(names, labels, [Path(group).name for group in images.groups], strict=True))


# --- labelled folders -----------------------------------------------------------------------------------------------


def test_the_first_folder_is_the_label_and_each_image_its_own_group(tmp_path):
    images = read_labelled_images(touch(tmp_path, "pet/a.jpg", "food/b.png", "food/notes.txt"))
    assert images.classes == ("food", "pet")
    assert rows_of(images) == [("a.jpg", "pet", "a.jpg"), ("b.png", "food", "b.png")]


def test_a_folder_below_the_label_is_the_group_whatever_the_label(tmp_path):
    images = read_labelled_images(touch(tmp_path, "pet/ann/a.jpg", "food/ann/b.jpg", "food/ben/old/c.jpg"))
    assert rows_of(images) == [("a.jpg", "pet", "ann"), ("b.jpg", "food", "ann"), ("c.jpg", "food", "ben")]


def test_paths_are_absolute(tmp_path, monkeypatch):
    touch(tmp_path, "pet/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert read_labelled_images(Path()).paths == (str(tmp_path / "pet" / "a.jpg"),)


# --- manifest -------------------------------------------------------------------------------------------------------


def test_a_manifest_gives_label_and_source(tmp_path):
    touch(tmp_path, "x/1.jpg", "x/2.jpg")
    images = read_labelled_images(manifest(tmp_path, [("x/1.jpg", "pet", "museum"), ("x/2.jpg", " food ", "")]))
    assert rows_of(images) == [("1.jpg", "pet", "museum"), ("2.jpg", "food", "2.jpg")]


def test_case_tells_no_labels_apart_and_niches_are_spelled_as_ours(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    rows = [("1.jpg", "Pet"), ("2.jpg", "pet"), ("3.jpg", "Cars"), ("4.jpg", "CARS")]
    images = read_labelled_images(manifest(tmp_path, rows, ("file", "label")))
    assert images.n_by_class == {"Cars": 2, "pet": 2}


def test_a_listed_file_that_is_absent_is_a_failure(tmp_path):
    touch(tmp_path, "1.jpg")
    images = read_labelled_images(manifest(tmp_path, [("1.jpg", "pet", "s"), ("2.jpg", "pet", "s")]))
    assert len(images) == 1
    (failure,) = images.failures
    assert (failure.error, failure.subject) == ("MediaNotFoundError", str(tmp_path / "2.jpg"))


def test_a_manifest_without_labels_is_refused(tmp_path):
    with pytest.raises(TableError, match="columns file and label"):
        read_labelled_images(manifest(tmp_path, [("1.jpg",)], ("file",)))


# --- influencers ----------------------------------------------------------------------------------------------------


def test_the_influencer_layout_gives_the_accounts_category_and_name(tmp_path):
    images = read_labelled_images(write_influencers(tmp_path, n_per_category=2, posts=2, categories=("pet", "food")))
    assert images.n_by_class == {"food": 4, "pet": 4}
    assert set(images.groups) == {"pet_0", "pet_1", "food_0", "food_1"}
    assert all(images.classes[k] == group.split("_")[0] for k, group in zip(images.labels, images.groups, strict=True))


def test_a_missing_image_and_an_unknown_category_are_failures(tmp_path):
    write_influencers(tmp_path, n_per_category=1, posts=2, categories=("pet", "food", "cars"))
    next((tmp_path / "image").glob("pet_0-*")).unlink()
    images = read_labelled_images(tmp_path)
    assert images.n_by_class == {"food": 2, "pet": 1}
    assert sorted(failure.error for failure in images.failures) == ["MediaNotFoundError", "RowError"]


def test_a_category_whose_images_are_all_missing_is_an_error(tmp_path):
    write_influencers(tmp_path, n_per_category=1, posts=2, categories=("pet", "food"))
    for path in (tmp_path / "image").glob("pet_0-*"):
        path.unlink()
    with pytest.raises(NotEnoughDataError, match="none of pet"):
        read_labelled_images(tmp_path)


def test_half_of_the_influencer_layout_is_not_taken_for_labelled_folders(tmp_path):
    write_influencers(tmp_path, n_per_category=1, posts=1, categories=("pet",))
    (tmp_path / "JSON-Image_files_mapping.txt").unlink()
    with pytest.raises(TableError, match="JSON-Image_files_mapping"):
        read_labelled_images(tmp_path)


# --- classes --------------------------------------------------------------------------------------------------------


def test_given_classes_number_the_labels_and_others_are_failures(tmp_path):
    images = read_labelled_images(touch(tmp_path, "pet/a.jpg", "food/b.jpg", "cars/c.jpg"), classes=["pet", "food"])
    assert (images.classes, images.labels.tolist()) == (("pet", "food"), [1, 0])
    (failure,) = images.failures
    assert (failure.error, "'cars'" in failure.message) == ("UnknownNameError", True)


@pytest.mark.parametrize(
    ("names", "classes", "absent"),
    [
        (["pet/a.jpg"], ["pet", "food", "travel"], "food, travel"),
        (["pet/a.jpg", "food/notes.txt"], None, "food"),
        (["pet/a.jpg"], NICHES, "beauty, family, fashion, fitness, food, interior, other, travel"),
    ],
)
def test_classes_without_images_are_all_named(tmp_path, names, classes, absent):
    with pytest.raises(NotEnoughDataError, match=f"none of {absent} "):
        read_labelled_images(touch(tmp_path, *names), classes=classes)


@pytest.mark.parametrize("names", [[], ["a.jpg"], ["pet/notes.txt"]])
def test_a_folder_without_labelled_images_is_an_error_that_helps(tmp_path, names):
    with pytest.raises((EmptySourceError, NotEnoughDataError), match="expected"):
        read_labelled_images(touch(tmp_path, *names))


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceNotFoundError):
        read_labelled_images(tmp_path / "nowhere")


# --- the record -----------------------------------------------------------------------------------------------------


def test_rows_are_taken_as_of_all_columns(tmp_path):
    images = read_labelled_images(touch(tmp_path, "pet/a.jpg", "food/b.jpg", "food/c.jpg"))
    part = images[np.array([2, 0])]
    assert (len(part), part.classes, part.labels.tolist()) == (2, ("food", "pet"), [1, 0])


@pytest.mark.parametrize("labels", [[0], [0, 2], [0, -1]])
def test_columns_that_do_not_fit_are_refused(labels):
    with pytest.raises(ShapeError):
        LabelledImages(("a", "b"), np.array(labels), ("a", "b"), ("pet", "food"))
