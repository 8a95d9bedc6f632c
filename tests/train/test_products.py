"""Labelled pictures to a run folder: its files, its pages, and the model that answers as it was trained."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import ModelError, NotEnoughDataError, SplitError, UsageError
from postlens.tasks.products.model import load_product_models
from postlens.train.products import ProductRecipe, train_products
from postlens.train.products_export import export_heads
from postlens.train.products_fit import fit_heads, root
from postlens.train.products_table import read_product_images

from .drawn import draw, fill_faces, fill_tree


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """Ten drawn pictures of each kind, one of both, and a file that is no picture."""
    data = fill_tree(tmp_path_factory.mktemp("things"), n=10)
    both = draw("shoes", "jewellery", seed=77)
    for label in ("shoes", "jewellery"):
        (data / label / "both").mkdir()
        both.save(data / label / "both" / "both.png")
    (data / "shoes" / "torn <i>.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    return data


@pytest.fixture(scope="module")
def trained(things, tmp_path_factory):
    return train_products(things, out=tmp_path_factory.mktemp("out") / "run", recipe=ProductRecipe(n_folds=4))


def test_drawn_things_are_told_apart(trained):
    assert [one.label for one in trained.scores] == ["jewellery", "shoes"]
    assert all(one.table["auc"] > 0.95 for one in trained.scores)
    assert (trained.reads, trained.test, len(trained.images)) == ("image", (), 31)


def test_the_folder_holds_table_pages_scores_and_model(trained):
    names = {path.name for path in trained.out.iterdir()}
    pages = {"labels.csv", "eda.html", "report.html", "metrics.json", "answers.csv", "roc.svg", "pr.svg"}
    assert names == {*pages, "command.txt", "training.log", "head.onnx", "head.toml", "products.toml"}


def test_the_model_answers_what_training_did(trained):
    (model,) = load_product_models([trained.out])
    vectors = np.random.default_rng(0).uniform(0, 2, (5, 1280)).astype(np.float32)
    assert model.labels == trained.labels
    assert model.scores(vectors).shape == (5, 2)
    assert model.nets[0].metrics["parity"]["max_difference"] < 1e-4


def test_metrics_have_counts_intervals_and_confusion(trained):
    found = json.loads((trained.out / "metrics.json").read_text())
    shoes = found["labels"]["shoes"]
    assert (found["n"], found["n_failures"], found["n_folds"], found["reads"]) == (31, 1, 4, "image")
    assert sum(shoes["confusion"]) == shoes["n"] == 31
    assert shoes["auc_ci"][0] <= shoes["auc"] <= shoes["auc_ci"][1]
    assert {"ap", "f1", "precision", "recall", "ece"} <= shoes.keys()


def test_scores_without_a_mistake_have_an_interval_with_width(trained):
    found = json.loads((trained.out / "metrics.json").read_text())["labels"]
    for one in found.values():
        assert all(low < high for low, high in (one[f"{name}_ci"] for name in ("auc", "f1", "precision", "recall")))


def test_what_is_called_on_photos_unlike_those_trained_on_is_told(trained):
    assert trained.outside is not None
    assert (trained.outside.n, set(trained.outside.called)) == (29, {"jewellery", "shoes"})
    told = json.loads((trained.out / "metrics.json").read_text())["outside"]
    assert told["called"] == dict(trained.outside.called)
    assert "Called on photos unlike yours" in (trained.out / "report.html").read_text()
    (model,) = load_product_models([trained.out])
    assert ("train again with photos of the kind" in model.nets[0].limits) == bool(trained.outside.warning)


def test_labels_of_whole_images_are_not_wearable_and_shares_are_told(trained):
    assert not any(label.wearable for label in trained.labels)
    shares = json.loads((trained.out / "metrics.json").read_text())["shares"]
    assert shares["shoes"] == {"data": pytest.approx(11 / 31, abs=1e-4), "wild": pytest.approx(11 / 31, abs=1e-4)}
    assert "made for a share of" in (trained.out / "report.html").read_text()


def test_answers_are_listed_by_image_with_its_fold(trained):
    rows = list(csv.DictReader((trained.out / "answers.csv").read_text().splitlines()))
    assert len(rows) == 31
    both = next(row for row in rows if row["file"].endswith("both.png"))
    assert 0 <= float(both["shoes"]) <= 1
    assert {row["fold"] for row in rows} == {"0", "1", "2", "3"}
    assert {row["shoes_called"] for row in rows} == {"0", "1"}


def test_the_table_is_read_as_data_where_the_images_are(trained, things):
    (things / "labels.csv").write_bytes((trained.out / "labels.csv").read_bytes())
    again = read_product_images(things / "labels.csv")
    assert again.n_positive == trained.images.n_positive
    (things / "labels.csv").unlink()


def test_the_report_and_the_card_speak_of_calibrated_heads(trained):
    page = (trained.out / "report.html").read_text()
    assert "heads, image labels" in page
    assert "answered by a head that saw no image of its group, with a threshold and a calibration" in page
    assert "Probabilities and thresholds are made for" in (trained.out / "head.toml").read_text()


@pytest.mark.parametrize("name", ["eda.html", "report.html"])
def test_pages_escape_names_and_need_no_other_file(trained, name):
    page = (trained.out / name).read_text()
    assert "torn &lt;i&gt;.jpg" in page
    assert "<i>.jpg" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "prefers-color-scheme: dark" in page


def test_the_page_of_the_data_shows_what_there_is(trained):
    page = (trained.out / "eda.html").read_text()
    assert "31 images, each content once, with 2 labels; read from whole images" in page
    assert re.search(r'<td data-label="label">jewellery</td><td data-label="[^"]+">11</td>', page)
    assert "expected a whole image" in page


def test_images_of_the_test_part_are_scored_apart(tmp_path):
    data = fill_tree(tmp_path / "data", n=8, labels=("shoes", "none"))
    rows = [f"{path.relative_to(data)},{int(path.parent.name == 'shoes')},{'test' if i % 4 == 0 else 'train'}"
            for i, path in enumerate(sorted(data.rglob("*.png")))]  # fmt: skip
    (data / "table.csv").write_text("\n".join(["file,shoes,split", *rows]))
    result = train_products(data / "table.csv", out=tmp_path / "run", recipe=ProductRecipe(reads="image", n_folds=2))
    assert (result.scores[0].table["n"], result.test[0].table["n"]) == (12, 4)
    assert "Scores on the test images" in (tmp_path / "run" / "report.html").read_text()


def test_the_same_data_gives_the_same_model(things, trained, tmp_path):
    again = train_products(things, out=tmp_path / "run", recipe=ProductRecipe(reads="image", n_folds=4))
    assert (tmp_path / "run" / "head.onnx").read_bytes() == (trained.out / "head.onnx").read_bytes()
    assert again.labels == trained.labels


# --- faces ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faces(sample_campaign, tmp_path_factory):
    """Portraits with and without a red nose, each turned three ways, and a photo of a cup."""
    folder = fill_faces(tmp_path_factory.mktemp("faces"), sample_campaign)
    cup = sample_campaign / "media" / "sample.cats.coffee" / "espresso.jpg"
    shutil.copy(cup, folder / "none" / "cup.jpg")
    return folder


def test_labels_of_faces_are_read_from_the_face(faces, tmp_path):
    result = train_products(faces, out=tmp_path / "run", recipe=ProductRecipe(n_folds=3))
    assert result.reads == "face"
    assert result.scores[0].table["auc"] > 0.9
    assert [Path(one.subject).name for one in result.images.failures] == ["cup.jpg"]
    assert "no face found" in result.images.failures[0].message
    (model,) = load_product_models([result.out])
    assert (model.reads, model.labels[0].reads) == ("face", "face")
    assert "Side of the faces" in (result.out / "eda.html").read_text()


# --- refused --------------------------------------------------------------------------------------------------------


def test_three_images_of_a_label_are_too_few(tmp_path):
    data = fill_tree(tmp_path / "data", n=3)
    with pytest.raises(NotEnoughDataError, match="got 3 with jewellery, 3 with shoes; add some"):
        train_products(data, out=tmp_path / "run", recipe=ProductRecipe(reads="image"))
    assert (tmp_path / "run" / "eda.html").exists()
    assert not (tmp_path / "run" / "products.toml").exists()


def test_one_person_with_all_positives_is_told(tmp_path):
    data = fill_tree(tmp_path / "data", n=6, labels=("shoes", "none"))
    (data / "shoes").rename(data / "only")
    (data / "shoes").mkdir()
    (data / "only").rename(data / "shoes" / "only")
    with pytest.raises(SplitError, match="got only one with shoes"):
        train_products(data, out=tmp_path / "run", recipe=ProductRecipe(reads="image"))


def test_a_run_that_was_refused_can_be_tried_again_in_its_folder(tmp_path):
    data = fill_tree(tmp_path / "data", n=3, labels=("shoes", "none"))
    with pytest.raises(NotEnoughDataError):
        train_products(data, out=tmp_path / "run", recipe=ProductRecipe(reads="image"))
    fill_tree(data, n=6, labels=("shoes", "none"))
    assert (
        train_products(data, out=tmp_path / "run", recipe=ProductRecipe(reads="image", n_folds=2)).out
        == tmp_path / "run"
    )
    with pytest.raises(UsageError, match="expected a new folder"):
        train_products(data, out=tmp_path / "run", recipe=ProductRecipe(reads="image"))


def test_images_of_which_none_can_be_read_are_told(tmp_path):
    for label in ("shoes", "none"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "a.jpg").write_bytes(label.encode())
    with pytest.raises(NotEnoughDataError, match="expected images that can be read, got none of 2; the first"):
        train_products(tmp_path / "data", out=tmp_path / "run", recipe=ProductRecipe(reads="image"))


def test_an_exported_file_that_computes_something_else_is_removed(tmp_path, monkeypatch):
    draw_ = np.random.default_rng(0)
    vectors = draw_.normal(size=(40, 6)).astype(np.float32)
    truth = (vectors[:, :1] > 0).astype(np.float32)
    heads = fit_heads(vectors, truth, np.arange(40) % 2, labels=["a"], priors={})
    assert heads.predict(root(vectors)).shape == (40, 1)
    monkeypatch.setattr("postlens.train.products_export.PARITY", -1.0)
    with pytest.raises(ModelError, match="expected the heads' probabilities within"):
        export_heads(
            heads, tmp_path, vectors=vectors, reads="image", labels=[], metrics={}, trained_on=(), limits="a test"
        )
    assert not (tmp_path / "head.onnx").exists()
