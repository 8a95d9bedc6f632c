"""Trees of folders and CSV files to images with several labels each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import EmptySourceError, SourceError, SourceNotFoundError, TableError, UsageError
from postlens.train.products_table import ProductImages, read_product_images, write_table


def put(root: Path, *names: str, content: str = "") -> None:
    """Files whose bytes are their name, or the content."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((content or name).encode())


def truths(images: ProductImages) -> dict[str, list[float]]:
    return {Path(path).name: row.tolist() for path, row in zip(images.paths, images.truth, strict=True)}


def csv(root: Path, *lines: str) -> Path:
    path = root / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_folder_is_a_label_and_none_is_no_label(tmp_path):
    put(tmp_path, "hat/a.jpg", "scarf/b.jpg", "none/c.jpg", "other/d.jpg")
    images = read_product_images(tmp_path)
    assert images.labels == ("hat", "scarf")
    assert truths(images) == {"a.jpg": [1, 0], "b.jpg": [0, 1], "c.jpg": [0, 0], "d.jpg": [0, 0]}


def test_a_label_is_one_whatever_its_case_and_spaces(tmp_path):
    put(tmp_path, "Hat/a.jpg", "hat/b.jpg", "Straw  Hat/c.jpg", "None/d.jpg")
    images = read_product_images(tmp_path, labels=["HAT"])
    assert truths(images) == {"a.jpg": [1], "b.jpg": [1], "c.jpg": [0], "d.jpg": [0]}
    assert read_product_images(tmp_path).labels == ("hat", "straw hat")
    table = csv(tmp_path, "file, Hat ,Group", "Hat/a.jpg,1,ann", "hat/b.jpg,0,ben")
    assert (read_product_images(table).labels, read_product_images(table).groups) == (("hat",), ("ann", "ben"))


@pytest.mark.parametrize("name", ["hat, cap", "hat;cap", "hat|cap", os.fsdecode(b"h\xfct"), "hat\x7f"])
def test_a_name_that_no_label_may_have_is_refused(tmp_path, name):
    put(tmp_path, f"{name}/a.jpg", "none/b.jpg", content="any")
    with pytest.raises(UsageError, match=r"expected a label.s name of printable signs .*; rename it"):
        read_product_images(tmp_path)
    if name.isprintable():
        with pytest.raises(UsageError, match=r"table\.csv: expected a label.s name"):
            read_product_images(csv(tmp_path, f'file,"{name}"', "none/b.jpg,1"))


def test_a_column_in_two_spellings_is_refused(tmp_path):
    put(tmp_path, "a.jpg")
    with pytest.raises(TableError, match="expected each column once, got several of hat; keep one"):
        read_product_images(csv(tmp_path, "file,Hat,hat", "a.jpg,1,0"))


def test_an_image_in_several_folders_has_several_labels(tmp_path):
    put(tmp_path, "hat/a.jpg", "scarf/copy.jpg", content="same bytes")
    images = read_product_images(tmp_path)
    assert truths(images) == {"a.jpg": [1, 1]}
    assert images.n_positive == {"hat": 1, "scarf": 1}


def test_an_image_of_a_label_and_of_none_is_told_and_left_out(tmp_path):
    put(tmp_path, "hat/a.jpg", "none/a.jpg", content="same bytes")
    put(tmp_path, "hat/b.jpg")
    images = read_product_images(tmp_path)
    assert list(truths(images)) == ["b.jpg"]
    assert "expected one truth of equal files, got both of hat" in images.failures[0].message


def test_folders_below_a_label_are_groups_whatever_the_label(tmp_path):
    put(tmp_path, "hat/ann/a.jpg", "scarf/ann/b.jpg", "scarf/c.jpg")
    assert read_product_images(tmp_path).groups == ("ann", "", "ann")


def test_an_image_beside_the_folders_is_told(tmp_path):
    put(tmp_path, "hat/a.jpg", "b.jpg")
    images = read_product_images(tmp_path)
    assert len(images) == 1
    assert "expected the image in a folder named after its label" in images.failures[0].message


def test_a_table_knows_what_is_not_known(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    images = read_product_images(csv(tmp_path, "file,hat,scarf", "a.jpg,1,", "b.jpg,0,yes", "c.jpg,,no"))
    expected = np.array([[1, np.nan], [0, 1], [np.nan, 0]])
    assert np.array_equal(images.truth, expected, equal_nan=True)


def test_groups_persons_and_test_images_of_a_table(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    rows = ("file,hat,group,person,split", "a.jpg,1,g,p,train", "b.jpg,0,,p,test", "c.jpg,0,,,")
    images = read_product_images(csv(tmp_path, *rows))
    assert images.groups == ("g", "p", "")
    assert images.held_out.tolist() == [False, True, False]


def test_other_columns_are_left_alone_where_labels_are_named(tmp_path):
    put(tmp_path, "a.jpg")
    images = read_product_images(csv(tmp_path, "file,hat,photographer", "a.jpg,1,Ann"), labels=["hat"])
    assert images.labels == ("hat",)


def test_rows_of_one_content_add_up(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg", content="same bytes")
    images = read_product_images(csv(tmp_path, "file,hat,scarf", "a.jpg,1,", "b.jpg,,0"))
    assert images.truth.tolist() == [[1, 0]]


def test_rows_of_one_content_that_contradict_are_told_and_left_out(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg", content="same bytes")
    put(tmp_path, "c.jpg")
    images = read_product_images(csv(tmp_path, "file,hat,scarf", "a.jpg,1,1", "b.jpg,0,1", "c.jpg,1,0"))
    assert list(truths(images)) == ["c.jpg"]
    assert "got both of hat (" in images.failures[0].message


def test_a_row_without_its_file_is_told(tmp_path):
    put(tmp_path, "a.jpg")
    images = read_product_images(csv(tmp_path, "file,hat", "a.jpg,1", "gone.jpg,0"))
    assert images.failures[0].subject.endswith("table.csv, row 3: gone.jpg")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("file,hat,photographer", "a.jpg,1,Ann"), r"row 2: a\.jpg: column photographer: expected 1, 0 or nothing"),
        (("file,hat,photographer", "a.jpg,1,Ann"), "name those that are by --label"),
        (("file,hat", "a.jpg,0.5"), "column hat: expected 1, 0 or nothing for a label, got '0.5'"),
        (("file,hat,split", "a.jpg,1,later"), "expected train, val or test, got 'later'"),
        (("image,hat", "a.jpg,1"), "expected a column file, got image, hat"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_with_its_place(tmp_path, lines, told):
    put(tmp_path, "a.jpg")
    with pytest.raises(TableError, match=told):
        read_product_images(csv(tmp_path, *lines))


def test_a_row_with_a_cell_that_cannot_be_read_is_told_and_the_others_count(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    images = read_product_images(csv(tmp_path, "file,hat,split", "a.jpg,1,", "b.jpg,maybe,", "c.jpg,0,later"))
    assert list(truths(images)) == ["a.jpg"]
    assert [one.subject.rpartition(", ")[2] for one in images.failures] == ["row 3: b.jpg", "row 4: c.jpg"]
    assert "column hat: expected 1, 0 or nothing for a label, got 'maybe'" in images.failures[0].message


def test_of_many_labels_a_message_names_some(tmp_path):
    put(tmp_path, *(f"label{n:03}/a.jpg" for n in range(50)))
    with pytest.raises(UsageError, match=r"labels out of label000, .*, label011 and 38 more, got hat"):
        read_product_images(tmp_path, labels=["hat"])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("none/a.jpg", "other/b.jpg"), "got only none and other or no images; name a folder after"),
        (("hat/readme.txt",), "expected a folder or column for each label"),
        ((), "expected a folder or column for each label"),
    ],
)
def test_folders_without_a_label_are_refused(tmp_path, names, told):
    put(tmp_path, *names)
    with pytest.raises(EmptySourceError, match=told):
        read_product_images(tmp_path)


def test_a_table_of_missing_files_is_refused_with_the_first(tmp_path):
    with pytest.raises(EmptySourceError, match=r"got none \(1 unusable, the first: .*gone.jpg"):
        read_product_images(csv(tmp_path, "file,hat", "gone.jpg,1"))


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceNotFoundError):
        read_product_images(tmp_path / "nowhere")
    put(tmp_path, "hat/a.jpg")
    with pytest.raises(UsageError, match="expected labels out of hat, got cap"):
        read_product_images(tmp_path, labels=["cap"])
    assert issubclass(SourceNotFoundError, SourceError)


def test_the_table_that_is_written_is_read_back(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg")
    rows = ("file,hat,scarf,group,split", "a.jpg,1,,x,train", "b.jpg,0,1,y,test")
    images = read_product_images(csv(tmp_path, *rows))
    write_table(images, tmp_path / "labels.csv", root=tmp_path, groups=images.groups)
    again = read_product_images(tmp_path / "labels.csv")
    assert (again.paths, again.groups, again.labels) == (images.paths, images.groups, images.labels)
    assert np.array_equal(again.truth, images.truth, equal_nan=True)
    assert again.held_out.tolist() == images.held_out.tolist()
