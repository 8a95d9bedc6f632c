"""Media and stores to categories: niche alone, kept in the store that `analyze` uses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from postlens.cli.app import run as postlens
from postlens.errors import UnknownNameError
from postlens.pipelines.analyze import Request, analyze
from postlens.pipelines.outputs import update_outputs
from postlens.pipelines.predict import (
    is_store,
    niche_stages,
    predict_media,
    predict_store,
    predict_stored_creator,
    write_categories,
)
from postlens.store import Store
from postlens.tasks.niche.influencer import Categories
from postlens.tasks.niche.model import load_niche_model
from postlens.types import NICHES, NichePrediction

from ..runs import write_creator, write_run
from .fakes import settings


@pytest.fixture
def photos(tmp_path) -> Path:
    """Three photos by two creators, and one that is none."""
    for creator, name, colour in (("ada", "a", (200, 30, 30)), ("ada", "b", (30, 200, 30)), ("bob", "c", (9, 9, 9))):
        (tmp_path / "photos" / creator).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), colour).save(tmp_path / "photos" / creator / f"{name}.png")
    (tmp_path / "photos" / "bob" / "torn.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return tmp_path / "photos"


def look(photos: Path, out: Path, **flags):
    return predict_media([str(photos)], out, settings=settings(**flags))


def names(found: Categories) -> list[str]:
    return [one.subject_id.split(":")[-1] for one in found.creators]


def test_media_are_answered_and_failures_told(photos, tmp_path):
    found, failures = look(photos, tmp_path / "out")
    assert names(found) == ["ada", "bob"]
    assert len(found.posts) == 3
    assert [Path(one.subject).name for one in failures] == ["torn.jpg"]


def test_nothing_but_niche_is_looked_for(photos, tmp_path):
    look(photos, tmp_path / "out")
    again = analyze(Request((str(photos),), tmp_path / "out"), settings=settings())
    assert "hash" in again.stage_seconds
    assert again.stage_seconds.get("encode", 0) < 0.001


def test_a_run_answers_with_its_own_models(photos, tmp_path):
    run = write_run(tmp_path / "run", says="food")
    write_creator(run, load_niche_model(run).encoder, says="travel")
    found, _ = look(photos, tmp_path / "out", niche_model=run)
    assert {one.label for _, one in found.posts} == {"food"}
    assert {one.label for one in found.creators} == {"travel"}
    stored = predict_store(str(tmp_path / "out" / "postlens.db"), settings=settings(niche_model=run))
    assert stored.creators == found.creators


def test_a_creator_of_the_store_by_handle(photos, tmp_path):
    look(photos, tmp_path / "out")
    location = str(tmp_path / "out" / "postlens.db")
    assert names(predict_store(location, settings=settings(), creator="@bob")) == ["bob"]
    answer = predict_stored_creator(location, "ada", settings=settings())
    assert answer.keys() == {"predicted_category", "confidence", "top_predictions"}
    with pytest.raises(UnknownNameError, match="such as ada"):
        predict_stored_creator(location, "nobody", settings=settings())


def test_creators_without_vectors_of_the_encoder_are_told(photos, tmp_path, capsys):
    look(photos, tmp_path / "out")
    run, location = write_run(tmp_path / "run"), str(tmp_path / "out" / "postlens.db")
    assert postlens(["predict", location, "--model", str(run), "--out", str(tmp_path / "new")]) == 1
    assert "no vectors" in capsys.readouterr().out
    with pytest.raises(UnknownNameError, match="analyze its media"):
        predict_stored_creator(location, "ada", settings=settings(niche_model=run))


def test_the_verb_writes_its_files_and_analyze_writes_its_own_again(photos, tmp_path):
    out = tmp_path / "out"
    analyze(Request((str(photos),), out), settings=settings())
    assert postlens(["predict", str(photos), "--out", str(out)]) == 0
    assert "people" not in json.loads((out / "predictions.json").read_text())
    with Store.open(out / "postlens.db") as store:
        assert update_outputs(store, out, settings=settings(), now=datetime(2026, 1, 1, tzinfo=UTC))
    assert "people" in json.loads((out / "predictions.json").read_text())


def test_no_creator_is_failure(tmp_path):
    (tmp_path / "torn.jpg").write_bytes(b"no photo")
    assert postlens(["predict", str(tmp_path / "torn.jpg"), "--out", str(tmp_path / "out")]) == 1


def test_a_run_without_a_model_of_faces_searches_for_none(tmp_path):
    stages = niche_stages(load_niche_model(write_run(tmp_path / "run")))
    assert {stage.name.split(":")[0] for stage in stages} == {"encode"}


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("postgresql://host/db", True),
        ("postgresql+psycopg://host/db", True),
        ("postgres://host/db", True),
        ("sqlite:///x.db", True),
        ("absent.db", False),
        ("postgres_photos", False),
        ("https://x/y.jpg", False),
    ],
)
def test_stores_are_told_from_media(source, is_one):
    assert is_store(source) == is_one


def test_ids_that_a_spreadsheet_would_compute_are_defused(tmp_path):
    probs = {niche: 1 / len(NICHES) for niche in NICHES}
    write_categories(Categories((NichePrediction("=1+1", "pet", probs),)), tmp_path)
    assert "'=1+1" in (tmp_path / "confidence_scores.csv").read_text()
    assert json.loads((tmp_path / "predictions.json").read_text())["creators"].keys() == {"=1+1"}
