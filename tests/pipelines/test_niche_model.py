"""A trained run answers niche: through `analyze`, `Lens` and `evaluate`, computing only what it adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from postlens.cli.app import run as postlens
from postlens.config import Settings
from postlens.errors import ModelError, SettingsError, UsageError
from postlens.pipelines.analyze import Request, Summary, analyze
from postlens.pipelines.evaluation import evaluate_task
from postlens.pipelines.folder import STORE_FILE
from postlens.pipelines.lens import Lens
from postlens.store import Store
from postlens.store.vectors import read_frame_embeddings
from postlens.tasks.niche.model import load_niche_model
from postlens.types import NICHES
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

from ..runs import write_creator, write_head, write_run
from .fakes import settings


@pytest.fixture
def posts(tmp_path) -> Path:
    """Two photos of one creator."""
    folder = tmp_path / "posts" / "ada"
    folder.mkdir(parents=True)
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (64, 48), colour).save(folder / f"{name}.png")
    return folder.parent


def look(posts: Path, out: Path, run: Path | None) -> Summary:
    return analyze(Request((str(posts),), out), settings=settings(niche_model=run))


def niches(out: Path) -> list[str]:
    return pl.read_parquet(out / "posts.parquet")["niche"].to_list()


def predictions(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "predictions.json").read_text())
    return found


def test_a_run_with_its_own_encoder_answers_posts_and_creators(posts, tmp_path):
    out = tmp_path / "out"
    assert look(posts, out, write_run(tmp_path / "run", says="food")).failures == ()
    assert niches(out) == ["food", "food"]
    assert [one["predicted_category"] for one in predictions(out)["creators"].values()] == ["food"]
    assert {"niche_model/encoder", "niche_model/head"} <= predictions(out)["models"].keys()


def test_its_vectors_are_stored_beside_those_of_the_shipped_encoder(posts, tmp_path):
    run = write_run(tmp_path / "run")
    look(posts, tmp_path / "out", run)
    prints = [load_spec(ENCODER).fingerprint, load_niche_model(run).encoder.fingerprint]
    with Store.open(str(tmp_path / "out" / STORE_FILE)) as store, store.read() as conn:
        found = [read_frame_embeddings(conn, None, fingerprint) for fingerprint in prints]
    widths = [{vectors.vectors.shape for vectors, _ in one.values()} for one in found]
    assert widths == [{(1, 1280)}, {(1, 3)}]
    colours = sorted(tuple(vectors.vectors[0].round(3).tolist()) for vectors, _ in found[1].values())
    assert colours == [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0)]


def test_switching_runs_computes_only_what_is_new_and_switching_back_nothing(posts, tmp_path):
    out, run = tmp_path / "out", write_run(tmp_path / "run", says="food")
    look(posts, out, None)
    before = niches(out)
    added = look(posts, out, run)
    assert added.n_done == 2
    assert [part for part in added.stage_seconds if part != "decode" and added.stage_seconds[part] > 0.001] == [
        part for part in added.stage_seconds if part.startswith("encode:")
    ]
    assert (look(posts, out, None).n_done, niches(out)) == (0, before)
    assert (look(posts, out, run).n_done, niches(out)) == (0, ["food", "food"])


def test_a_run_trained_anew_in_its_folder_answers_anew(posts, tmp_path):
    out, run = tmp_path / "out", write_run(tmp_path / "run", says="food")
    look(posts, out, run)
    write_run(run, says="travel")
    assert look(posts, out, run).n_done == 0
    assert niches(out) == ["travel", "travel"]


def test_a_head_over_the_shipped_encoder_computes_nothing(posts, tmp_path):
    out, run = tmp_path / "out", write_run(tmp_path / "run", own_encoder=False, says="interior")
    look(posts, out, None)
    assert look(posts, out, run).n_done == 0
    assert niches(out) == ["interior", "interior"]


def test_the_other_answers_stay_those_of_the_shipped_models(posts, tmp_path):
    look(posts, tmp_path / "plain", None)
    look(posts, tmp_path / "own", write_run(tmp_path / "run"))
    plain, own = (predictions(tmp_path / name)["posts"] for name in ("plain", "own"))
    for post_id, post in plain.items():
        assert {k: v for k, v in own[post_id].items() if k != "niche"} == {
            k: v for k, v in post.items() if k != "niche"
        }


@pytest.mark.parametrize("projected", [False, True])
def test_a_creator_model_of_the_run_answers_creators(projected, posts, tmp_path):
    run, out = write_run(tmp_path / "run", says="food", projected=projected), tmp_path / "out"
    model = load_niche_model(run)
    write_creator(run, model.head if projected else model.encoder, says="travel")
    assert look(posts, out, run).failures == ()
    assert niches(out) == ["food", "food"]
    (answer,) = predictions(out)["creators"].values()
    assert (answer["predicted_category"], answer["confidence"]) == ("travel", 0.9)
    assert sum(weight for _, weight in answer["deciding_posts"]) == pytest.approx(1, abs=1e-3)
    assert answer["deciding_posts"][0][1] > 0.7  # the red one: e / (1 + e)


def test_a_lens_answers_with_the_run(posts, tmp_path):
    run = write_run(tmp_path / "run", says="family")
    with Lens(settings(niche_model=run)) as lens:
        answer = lens.analyze(posts / "ada" / "red.png")
    assert answer.niche is not None
    assert (answer.niche.label, answer.niche.confidence) == ("family", pytest.approx(0.9, abs=1e-4))


def test_the_users_threshold_outweighs_the_cards(posts, tmp_path):
    run = write_run(tmp_path / "run", says="family")
    with Lens(settings(niche_model=run, niche_threshold=0.95)) as lens:
        answer = lens.analyze(posts / "ada" / "red.png")
    assert answer.niche is not None
    assert (answer.niche.label, answer.niche.low_confidence) == ("other", True)


def test_a_run_that_cannot_be_used_stops_before_anything_is_written(posts, tmp_path):
    run = write_run(tmp_path / "run")
    write_head(run, load_spec(ENCODER))
    with pytest.raises(ModelError, match="one run"):
        look(posts, tmp_path / "out", run)
    with pytest.raises(SettingsError, match="nothing there"):
        look(posts, tmp_path / "out", tmp_path / "absent")
    assert not (tmp_path / "out").exists()


# --- evaluate and the command line ----------------------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path) -> Path:
    """A photo in a folder of each niche."""
    for number, label in enumerate(NICHES):
        (tmp_path / "labelled" / label).mkdir(parents=True)
        image = np.full((32, 32, 3), 20 * number, np.uint8)
        Image.fromarray(image).save(tmp_path / "labelled" / label / "photo.png")
    return tmp_path / "labelled"


def test_a_run_is_evaluated_as_the_shipped_head_is(labelled, tmp_path):
    scores = evaluate_task("niche", labelled, niche_model=write_run(tmp_path / "run", says="pet"))
    assert (scores["n"], scores["accuracy"]) == (9, pytest.approx(1 / 9, abs=1e-4))
    assert scores["per_class"]["pet"]["recall"] == 1.0


def test_only_niche_is_evaluated_with_a_niche_model(labelled, tmp_path):
    with pytest.raises(UsageError, match="leave --niche-model out"):
        evaluate_task("expression", labelled, niche_model=tmp_path)


def test_the_flag_of_analyze_and_evaluate(posts, labelled, tmp_path, capsys):
    run, out = write_run(tmp_path / "run", says="beauty"), tmp_path / "out"
    assert postlens(["analyze", str(posts), "--out", str(out), "--niche-model", str(run)]) == 0
    assert niches(out) == ["beauty", "beauty"]
    capsys.readouterr()
    assert postlens(["evaluate", "niche", "--data", str(labelled), "--niche-model", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["per_class"]["beauty"]["recall"] == 1.0


def test_a_wrong_folder_is_wrong_usage(posts, tmp_path, capsys):
    assert postlens(["analyze", str(posts), "--out", str(tmp_path / "out"), "--niche-model", str(posts)]) == 2
    assert "head.toml" in capsys.readouterr().err


def test_a_settings_file_names_the_run_from_where_it_lies(tmp_path):
    (tmp_path / "postlens.toml").write_text('niche_model = "runs/first"\n')
    assert Settings.load(config=tmp_path / "postlens.toml").niche_model == tmp_path / "runs" / "first"
