"""A label that does not ship, from a small folder to an offer: trained, named in a catalog, recommended."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw

from postlens.cli.app import run

N_GROUPS, PER_GROUP = 6, 3
CATALOG = "product_id,title,labels\nhp-1,Red headphones,headphones\ncap-1,Cap,hat\nring-1,Ring,rings\n"


def told(*words: object) -> str:
    """What a command prints; it succeeds."""
    with redirect_stdout(StringIO()) as said:
        assert run([str(word) for word in words]) == 0, said.getvalue()
    return said.getvalue()


def draw(path: Path, *, worn: bool, seed: int) -> None:
    """A blurred wall with red headphones on it, or with a green tent."""
    rng = np.random.default_rng(seed)
    wall = PillowImage.fromarray(rng.integers(90, 170, (12, 16, 3), np.uint8))
    image = wall.resize((320, 240), PillowImage.Resampling.BICUBIC)
    pen, x, y = ImageDraw.Draw(image), int(rng.integers(40, 140)), int(rng.integers(30, 90))
    if worn:
        pen.arc((x, y, x + 110, y + 110), 180, 360, fill="black", width=12)
        pen.rectangle((x - 8, y + 50, x + 16, y + 100), fill="red")
        pen.rectangle((x + 94, y + 50, x + 118, y + 100), fill="red")
    else:
        pen.polygon([(x, y + 90), (x + 60, y), (x + 120, y + 90)], fill="green")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90)


@dataclass
class Story:
    """A run of training and what it recommends."""

    folder: Path
    answers: dict[str, Any] = field(default_factory=dict)
    said: str = ""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Labelled folders, a run, two profiles whose photos the run has not seen."""
    made = Story(tmp_path_factory.mktemp("label"))
    for number in range(N_GROUPS * PER_GROUP):
        name = f"p{number // PER_GROUP}/{number}.jpg"
        draw(made.folder / "labels" / "headphones" / name, worn=True, seed=number)
        draw(made.folder / "labels" / "none" / name, worn=False, seed=100 + number)
    for number in range(4):
        draw(made.folder / "profiles" / "dj" / f"{number}.jpg", worn=number < 3, seed=200 + number)
        draw(made.folder / "profiles" / "camper" / f"{number}.jpg", worn=False, seed=300 + number)
    (made.folder / "catalog.csv").write_text(CATALOG, encoding="utf-8")
    told("train", "products", "--data", made.folder / "labels", "--out", made.folder / "run")
    told("recommend", made.folder / "profiles", "--out", made.folder / "before")
    made.said = told(
        "recommend", made.folder / "profiles", "--out", made.folder / "before",
        "--product-model", made.folder / "run", "--catalog", made.folder / "catalog.csv",
    )  # fmt: skip
    found = json.loads((made.folder / "before" / "recommendations.json").read_text())["creators"]
    made.answers = {key.partition(":")[2]: answer for key, answer in found.items()}
    return made


def test_the_profile_that_shows_it_is_offered_it(story):
    answer = story.answers["dj"]
    assert (answer["product"]["product_id"], answer["label"], answer["attribute"]) == (
        "hp-1",
        "headphones",
        "headphones",
    )
    assert (answer["share"], answer["n_images"]) == (0.75, 4)
    assert "headphones in 3 of 4 images" in answer["reason"]


def test_the_profile_that_does_not_is_offered_nothing(story):
    assert (story.answers["camper"]["product"], story.answers["camper"]["reason"]) == (None, "no items detected")


def test_images_without_a_face_count_for_a_label_of_the_whole_image(story):
    shares = {item["item"]: item["n_images"] for item in story.answers["dj"]["items"]}
    assert shares == {"hat": 0, "beard": 0, "eyewear": 0, "headphones": 4}


def test_a_label_that_no_model_reads_is_told(story):
    assert "'rings'" in story.said


def test_an_analysis_reads_the_label_out_of_what_it_has_stored(story):
    out = story.folder / "before"
    models, catalog = f"product_models={story.folder / 'run'}", f"catalog={story.folder / 'catalog.csv'}"
    told("analyze", story.folder / "profiles", "--out", out, "--set", models, "--set", catalog)
    table = pl.read_parquet(out / "products.parquet").filter(pl.col("chosen"), kind="creator")
    assert table.select("creator_id", "product_id", "share").rows() == [("unknown:dj", "hp-1", 0.75)]
    assert "Red headphones" in (out / "report.html").read_text()


def test_the_run_says_how_good_it_is_on_groups_that_it_did_not_see(story):
    metrics = json.dumps(json.loads((story.folder / "run" / "metrics.json").read_text()))
    assert "headphones" in metrics and "auc" in metrics
    for name in ("eda.html", "report.html", "labels.csv", "products.toml", "head.onnx"):
        assert (story.folder / "run" / name).stat().st_size > 0
