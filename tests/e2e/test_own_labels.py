"""A label of one's own, from a small folder of pictures to a recommendation: no line of code."""

from __future__ import annotations

import csv
import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from postlens.cli.app import run
from postlens.store import Store
from postlens.store.schema import ledger
from postlens.train.products_vectors import Reader

from ..train.drawn import PORTRAITS, draw, draw_nose, fill_faces, fill_tree, save_turned

CATALOG = """product_id,title,labels,price
runner,Running shoe,SHOES,89.90
band,Gold ring,gifts,249
oil,Beard oil,beard,12
tent,Tent,camping,199
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run that tells shoes and jewellery, the latter as the item gifts, from ten drawn pictures each."""
    data = fill_tree(tmp_path_factory.mktemp("data"), n=10)
    (data / "shoes").rename(data / "Shoes")
    out = tmp_path_factory.mktemp("runs") / "things"
    words = ["--data", str(data), "--out", str(out), "--reads", "image", "--item", "jewellery=Gifts"]
    assert run(["train", "products", *words]) == 0
    return out


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Path:
    """Three creators: one shows mostly shoes, one mostly rings, one plants alone."""
    root = tmp_path_factory.mktemp("campaign")
    shown = {"ann": ("shoes", "shoes", "jewellery"), "ben": ("jewellery", "jewellery", "none"), "cat": ("none", "none")}
    for c, (creator, motifs) in enumerate(shown.items()):
        (root / creator).mkdir()
        for i, motif in enumerate(motifs):
            draw(motif, seed=5000 + 100 * c + i).save(root / creator / f"{i}_{motif}.png")
    return root


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.csv"
    path.write_text(CATALOG, encoding="utf-8")
    return path


def recommended(out: Path) -> dict[str, dict[str, str]]:
    """Rows of recommendations.csv by creator."""
    rows = csv.DictReader((out / "recommendations.csv").read_text(encoding="utf-8").splitlines())
    return {row["creator"].partition(":")[2]: row for row in rows if row["kind"] == "creator"}


def looked_at(out: Path) -> list[tuple[Any, ...]]:
    """What was done to which media, and when."""
    with Store.open(out / "postlens.db") as store, store.read() as conn:
        return sorted(map(tuple, conn.execute(select(ledger))))


def test_the_run_says_how_good_it_is_on_pictures_that_it_did_not_see(trained):
    scores = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))["labels"]
    assert scores.keys() == {"shoes", "jewellery"}
    assert all(table["auc"] > 0.95 for table in scores.values())


@pytest.fixture(scope="module")
def answered(trained, campaign, catalog, tmp_path_factory) -> tuple[Path, str]:
    """The folder of `postlens recommend` with model and catalog, and what it printed."""
    out = tmp_path_factory.mktemp("answered")
    words = [str(campaign), "--out", str(out), "--product-model", str(trained), "--catalog", str(catalog)]
    with redirect_stdout(StringIO()) as said:
        assert run(["recommend", *words]) == 0
    return out, said.getvalue()


def test_a_catalog_of_own_labels_is_recommended_however_they_are_spelled(answered):
    found = recommended(answered[0])
    assert {name: row["product_id"] for name, row in found.items()} == {"ann": "runner", "ben": "band", "cat": ""}
    assert "shoes in 2 of 3 images" in found["ann"]["reason"]
    assert found["cat"]["reason"].startswith("no items detected")


def test_pictures_without_a_face_count_for_labels_of_the_whole_image_alone(answered):
    creators = json.loads((answered[0] / "recommendations.json").read_text(encoding="utf-8"))["creators"]
    counts = {item["item"]: item["n_images"] for item in creators["unknown:ann"]["items"]}
    assert counts == {"hat": 0, "beard": 0, "eyewear": 0, "gifts": 3, "shoes": 3}


def test_a_label_that_no_model_reads_is_told(answered):
    assert "'camping'" in answered[1]


def test_a_model_that_is_given_later_looks_at_no_media_again(trained, campaign, catalog, tmp_path):
    where = ["--out", str(tmp_path), "--set", f"catalog={catalog}"]
    assert run(["analyze", str(campaign), *where]) == 0
    before = looked_at(tmp_path)
    assert run(["analyze", str(campaign), *where, "--set", f"product_models={trained}"]) == 0
    assert looked_at(tmp_path) == before
    posts = json.loads((tmp_path / "predictions.json").read_text(encoding="utf-8"))
    assert "Running shoe" in json.dumps(posts)
    assert "Running shoe" in (tmp_path / "report.html").read_text(encoding="utf-8")
    table = pl.read_parquet(tmp_path / "products.parquet").filter(pl.col("chosen"), kind="creator")
    assert set(table.select("creator_id", "product_id").rows()) == {("unknown:ann", "runner"), ("unknown:ben", "band")}


def test_a_label_of_the_face_is_read_from_what_is_stored(sample_campaign, tmp_path):
    data = fill_faces(tmp_path / "data", sample_campaign)
    assert run(["train", "products", "--data", str(data), "--out", str(tmp_path / "run"), "--folds", "3"]) == 0
    campaign, reader = tmp_path / "campaign", Reader()
    for name in PORTRAITS:
        plain = campaign / "plain" / f"{name}.jpg"
        save_turned(sample_campaign / "media" / "sample.portraits" / f"{name}.jpg", plain, turn=2)
        draw_nose(plain, campaign / "clown" / f"{name}.jpg", reader)
    (tmp_path / "catalog.csv").write_text("product_id,title,labels\nnose,Red nose,clown\n", encoding="utf-8")
    words = ["--product-model", str(tmp_path / "run"), "--catalog", str(tmp_path / "catalog.csv")]
    assert run(["recommend", str(campaign), "--out", str(tmp_path / "out"), *words]) == 0
    found = recommended(tmp_path / "out")
    assert found["clown"]["product_id"] == "nose"
    assert found["plain"]["product_id"] == ""
