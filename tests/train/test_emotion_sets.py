"""Data sets of emotions, each in its own layout, to images with our eight emotions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from postlens.errors import (
    EmptySourceError,
    NotEnoughDataError,
    SettingsError,
    SourceNotFoundError,
    TableError,
    UnknownNameError,
)
from postlens.train.emotion_layouts import LAYOUTS, find_layout
from postlens.train.emotion_map import MAP_OF_LAYOUT, SHIPPED_MAPS, list_maps, load_map
from postlens.train.emotion_sets import learnable, read_emotion_images
from postlens.types import EMOTIONS

from .emotions import (
    COLOURS,
    draw_emotion,
    write_affectnet_folders,
    write_affectnet_tables,
    write_csv,
    write_emoset,
    write_fer2013,
    write_fi_folders,
    write_fi_lists,
    write_folders,
)


def found(data, **options):
    """File name (or row) to emotions and part."""
    images = read_emotion_images(data, **options)
    names = [path.rsplit("/", 1)[-1] for path in images.paths]
    shown = [{EMOTIONS[k] for k in np.flatnonzero(row == 1)} for row in images.truth]
    return {name: (emotions, part) for name, emotions, part in zip(names, shown, images.parts, strict=True)}


def failed(images):
    """Names of what could not be used, without folders."""
    return [one.subject.rsplit("/", 1)[-1] for one in images.failures]


def unknown_of(images):
    """Emotions of which nothing is known for any image."""
    return {name for name, column in zip(EMOTIONS, images.truth.T, strict=True) if np.isnan(column).all()}


# --- each layout ----------------------------------------------------------------------------------------------------


def test_affectnet_tables_with_and_without_header(tmp_path):
    data = write_affectnet_tables(tmp_path)
    assert find_layout(data) == "affectnet"
    assert found(data) == {
        "happy.png": ({"happy"}, "train"),
        "sad.png": ({"sad"}, "train"),
        "contempt.png": ({"other"}, "train"),
        "angry.png": ({"angry"}, "val"),
    }
    assert read_emotion_images(data).n_skipped == 1  # expression 8: none


def test_one_affectnet_table_alone(tmp_path):
    data = write_affectnet_tables(tmp_path) / "training.csv"
    assert find_layout(data) == "affectnet"
    assert set(found(data)) == {"happy.png", "sad.png", "contempt.png"}


def test_affectnet_folders(tmp_path):
    data = write_affectnet_folders(tmp_path)
    assert find_layout(data) == "affectnet"
    images = read_emotion_images(data)
    assert images.n_positive["happy"] == 2
    assert sorted(images.parts) == ["train", "train", "val", "val"]


def test_fi_folders(tmp_path):
    data = write_fi_folders(tmp_path)
    assert find_layout(data) == "fi"
    assert found(data)["awe_1.png"] == ({"happy", "surprise"}, "")
    assert unknown_of(read_emotion_images(data)) == {"neutral", "other"}  # no label of FI can mean these


def test_fi_lists(tmp_path):
    data = write_fi_lists(tmp_path)
    assert find_layout(data) == "fi"
    images = read_emotion_images(data)
    assert found(data) == {"1.png": ({"happy"}, "train"), "2 b.png": ({"sad"}, "train"), "3.png": ({"fear"}, "test")}
    assert failed(images) == ["absent.png"]


@pytest.mark.parametrize("splits", [True, False])
def test_emoset_annotations_and_split_files(tmp_path, splits):
    data = write_emoset(tmp_path, splits=splits)
    assert find_layout(data) == "emoset"
    assert found(data) == {
        "amusement_0.jpg": ({"happy"}, "train" if splits else ""),
        "anger_0.jpg": ({"angry"}, "train" if splits else ""),
        "sadness_0.jpg": ({"sad"}, "test" if splits else ""),
    }


def test_an_emoset_annotation_that_cannot_be_read_is_a_failure(tmp_path):
    data = write_emoset(tmp_path)
    (data / "annotation" / "anger" / "anger_0.json").write_text("{")
    images = read_emotion_images(data)
    assert len(images) == 2
    assert "expected a JSON file" in images.failures[0].message


def test_fer2013_pixels(tmp_path):
    data = write_fer2013(tmp_path / "fer" / "fer2013.csv")
    assert find_layout(data) == find_layout(data.parent) == "fer2013"
    images = read_emotion_images(data)
    assert images.pixels.shape == (12, 48, 48)
    assert images.pixels[images.truth[:, 0] == 1].mean() > 200
    assert [images.parts.count(part) for part in ("train", "val", "test")] == [6, 3, 3]
    assert unknown_of(images) == {"other"}


def test_a_damaged_row_of_pixels_is_a_failure(tmp_path):
    data = write_fer2013(tmp_path / "fer2013.csv")
    with data.open("a") as file:
        file.write("3,1 2 3,Training\n3,a b,Training\n")
    images = read_emotion_images(data)
    assert len(images) == 12
    assert failed(images) == ["fer2013.csv, row 14", "fer2013.csv, row 15"]


def test_folders_with_groups_and_parts(tmp_path):
    for part in ("train", "test"):
        for label in ("joy", "Sad"):
            draw_emotion(tmp_path / part / label / "ann" / "1.png", label)
    assert find_layout(tmp_path) == "folders"
    images = read_emotion_images(tmp_path)
    assert images.n_positive["happy"] == images.n_positive["sad"] == 2
    assert set(images.parts) == {"train", "test"}
    assert set(images.groups) == {"ann"}


CSV = [
    "file,happy,sad,fear,person,split",
    "happy.png,1,0,,ann,train",
    "sad.png,0,1,1,bea,train",
    "angry.png,1,1,0,bea,test",
]


def test_a_csv_of_columns_with_several_emotions_and_unknown_cells(tmp_path):
    data = write_csv(tmp_path / "manifest.csv", CSV)
    assert find_layout(data) == find_layout(tmp_path) == "csv"
    images = read_emotion_images(tmp_path)
    assert found(data)["angry.png"] == ({"happy", "sad"}, "test")
    assert np.isnan(images.truth[0, EMOTIONS.index("fear")])
    assert unknown_of(images) == {"angry", "surprise", "disgust", "neutral", "other"}
    assert images.groups == ("ann", "bea", "bea")


def test_a_csv_of_words(tmp_path):
    data = write_csv(tmp_path / "my.csv", ["file,label", "happy.png,happy; surprise", "sad.png,sadness"])
    assert found(data) == {"happy.png": ({"happy", "surprise"}, ""), "sad.png": ({"sad"}, "")}


def test_rows_without_a_label_or_of_another_length_are_failures(tmp_path):
    lines = ["file,label,split", "happy.png,happy,train", "sad.png,sad,train"]
    bad = ["angry.png,,train", "angry.png", "fear.png, ; ,train", "fear.png,fear,train,more", ""]
    images = read_emotion_images(write_csv(tmp_path / "my.csv", [*lines, *bad]))
    assert len(images) == 2 and images.n_skipped == 0
    assert failed(images) == [f"my.csv, row {number}" for number in (4, 5, 6, 7)]
    told = [one.message for one in images.failures]
    assert "expected a label, got none" in told[0] and "expected 3 cells as in the header, got 1" in told[1]


def test_rows_of_emotions_that_are_cut_off_are_failures(tmp_path):
    data = write_csv(tmp_path / "my.csv", ["file,happy,sad", "happy.png,1,0", "sad.png,0,1", "fear.png,0"])
    assert failed(read_emotion_images(data)) == ["my.csv, row 4"]


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "b" * 5000 + ".png"])
def test_names_that_no_file_can_have_are_failures(tmp_path, name):
    data = write_csv(tmp_path / "my.csv", ["file,label", "happy.png,happy", "sad.png,sad", f"{name},sad"])
    (failure,) = read_emotion_images(data).failures
    assert failure.error == "MediaNotFoundError"


def test_an_annotation_that_no_file_can_be_is_not_read(tmp_path):
    data = write_emoset(tmp_path)
    entries = json.loads((data / "train.json").read_text())
    (data / "train.json").write_text(json.dumps([[*one[:2], "x" * 300] for one in entries]))
    assert set(found(data)) == {"amusement_0.jpg", "anger_0.jpg", "sadness_0.jpg"}


def test_an_annotation_nested_too_deeply_is_a_failure(tmp_path):
    data = write_emoset(tmp_path)
    (data / "annotation" / "anger" / "anger_0.json").write_text("[" * 200_000)
    images = read_emotion_images(data)
    assert len(images) == 2
    assert "nested too deeply" in images.failures[0].message


# --- bad input ------------------------------------------------------------------------------------------------------


def test_an_unknown_label_is_told_with_the_known_ones(tmp_path):
    write_folders(tmp_path, labels=("happy", "sad", "bored"), n=3)
    with pytest.raises(UnknownNameError, match=r"got 'bored' \(3 images\)") as caught:
        read_emotion_images(tmp_path)
    assert all(name in str(caught.value) for name in (*EMOTIONS, "--labels", "table folders, version 1"))


def test_an_unknown_column_is_told(tmp_path):
    data = write_csv(tmp_path / "my.csv", ["file,happy,boredom", "happy.png,1,0", "sad.png,0,1"])
    with pytest.raises(UnknownNameError, match="'boredom'"):
        read_emotion_images(data)


def test_a_table_of_ones_own_gives_labels_a_meaning(tmp_path):
    write_folders(tmp_path / "data", labels=("happy", "bored"), n=2)
    own = tmp_path / "own.toml"
    own.write_text('version = 3\nskip = []\n[labels]\nhappy = ["happy"]\nbored = ["neutral", "sad"]\n')
    images = read_emotion_images(tmp_path / "data", labels=own)
    assert images.map.version == 3
    assert images.n_positive["neutral"] == images.n_positive["sad"] == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = 1\n[labels]\nhappy = ['glad']", "a list out of happy"),
        ("version = 1\n[labels]\nhappy = []", "a list out of happy"),
        ("version = '1'\n[labels]\nhappy = ['happy']", "a whole number as version"),
        ("version = 1", "a table \\[labels\\]"),
        ("version = 1\nskip = ['joy']\n[labels]\njoy = ['happy']", "'joy' in both"),
        ("version = 1\nmore = 2\n[labels]\njoy = ['happy']", "'more'"),
        ("version = ", "expected a table of labels out of"),
        ("version = " + "[" * 200_000, "nested too deeply"),
        ("version = 0x" + "f" * 5000, "expected a table of labels out of"),
    ],
)
def test_a_wrong_table_of_labels_is_told(tmp_path, text, told):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(SettingsError, match=told):
        load_map(tmp_path / "own.toml")


def test_missing_files_are_failures_and_the_rest_is_used(tmp_path):
    data = write_csv(tmp_path / "my.csv", ["file,label", "happy.png,happy", "sad.png,sad", "gone.png,sad"])
    images = read_emotion_images(data)
    assert len(images) == 2
    assert failed(images) == ["gone.png"]


def test_one_class_only_is_refused(tmp_path):
    write_folders(tmp_path, labels=("happy",))
    with pytest.raises(NotEnoughDataError, match=r"got happy \(8\)"):
        read_emotion_images(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(EmptySourceError, match="expected labelled images, got none"):
        read_emotion_images(tmp_path)
    with pytest.raises(SourceNotFoundError):
        read_emotion_images(tmp_path / "nowhere")
    with pytest.raises(UnknownNameError, match="a layout out of"):
        read_emotion_images(tmp_path, layout="imagenet")


def test_an_image_outside_of_label_folders_is_a_failure(tmp_path):
    write_folders(tmp_path, n=1)
    draw_emotion(tmp_path / "loose.png", "happy")
    assert failed(read_emotion_images(tmp_path)) == ["loose.png"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["name,happy", "happy.png,1"], "expected a column file"),
        (["file,happy", "happy.png,maybe"], "expected 1, 0 or nothing"),
        (["file,label,split", "happy.png,happy,later"], "expected train, val or test"),
    ],
)
def test_a_wrong_table_is_told(tmp_path, lines, told):
    with pytest.raises(TableError, match=told):
        read_emotion_images(write_csv(tmp_path / "my.csv", lines), layout="csv")


def test_a_damaged_split_file_is_told(tmp_path):
    data = write_emoset(tmp_path)
    (data / "train.json").write_text('{"a": 1}')
    with pytest.raises(TableError, match=r"expected a list of \[emotion, image, annotation\]"):
        read_emotion_images(data)


# --- tables of labels -----------------------------------------------------------------------------------------------


def test_every_layout_has_a_table_of_labels():
    assert set(list_maps()) == set(LAYOUTS)


@pytest.mark.parametrize("name", list_maps())
def test_a_table_has_a_version_and_a_source(name):
    table = load_map(name)
    assert table.version >= 1
    assert len(table.source) > 20
    assert table.reachable <= set(EMOTIONS)


def test_no_two_tables_have_the_same_labels():
    texts = [path.read_text().partition("[labels]")[2] for path in SHIPPED_MAPS.glob("*.toml")]
    assert len(set(texts)) == len(texts) == len(set(MAP_OF_LAYOUT.values()))
    assert load_map("csv").emotions == load_map("folders").emotions and load_map("csv").name == "csv"


def test_only_emotions_with_both_answers_can_be_learnt():
    truth = np.full((2, 8), np.nan, np.float32)
    truth[:, 0], truth[:, 1], truth[:, 2] = (1, 0), (1, 1), (0, 0)
    assert learnable(truth) == ("happy",)
    assert set(COLOURS) <= set(EMOTIONS)
