"""The whole path by its verbs on a tiny drawn dataset: accounts to a subset, a cache, models, vectors and answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from postlens.cli.app import run
from postlens.sources.instagram import read_influencers
from postlens.tasks.niche.model import load_niche_model
from postlens.train.cache import ImageCache
from postlens.train.feature_file import read_features
from postlens.types import NICHES

from ..influencers import write_influencers

ACCOUNTS, POSTS = 3, 3  # of each niche in the subset: one account for each part; the dataset has one more of both
N_POSTS = len(NICHES) * ACCOUNTS * POSTS
CHANCE = 1 / len(NICHES)
# The frozen shipped encoder and a fast head: there is no encoder to export and few steps to make.
HEAD_ONLY = ["--epochs", "2,0,0", "--learning-rate", "1e-3", "--batch-size", "8", "--workers", "0"]
CREATOR = 'patience = "none"\nfewest_posts = 2\nwidth = 32\nn_heads = 2\nkey_width = 8\nhidden = 16\ndropout = 0.1\n'
SMALL = ["--epochs", "30", "--batch-size", "4", "--learning-rate", "3e-3"]


def words(at: Path) -> dict[str, list[str]]:
    """The verbs in their order, each on what the ones before it left below a folder."""
    (at / "creator.toml").write_text(CREATOR)
    cpu, posts = ["--accelerator", "cpu"], str(at / "posts")
    features, splits = str(at / "features.npz"), str(at / "posts" / "splits.csv")
    drawn = ["--influencers", str(ACCOUNTS), "--posts", str(POSTS)]
    creator = ["--model", posts, "--splits", splits, "--recipe", str(at / "creator.toml"), *SMALL, *cpu]
    return {
        "sample": ["sample", str(at / "dataset"), "--out", str(at / "subset"), *drawn],
        "preprocess": ["preprocess", str(at / "subset"), "--out", str(at / "cache")],
        "train niche": ["train", "niche", str(at / "cache"), "--out", posts, *HEAD_ONLY, *cpu],
        "extract": ["extract", str(at / "subset"), "--out", features, "--model", posts],
        "train creator": ["train", "creator", features, "--out", str(at / "creators"), *creator],
        "predict": ["predict", features, "--model", str(at / "creators"), "--out", str(at / "answers")],
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """The folder of a finished path; every verb must have said that it is done."""
    at = tmp_path_factory.mktemp("influencers")
    write_influencers(at / "dataset", n_per_category=ACCOUNTS + 1, posts=POSTS + 1)
    for name, command in words(at).items():
        assert run(command) == 0, name
    return at


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def json_of(path: Path) -> Any:
    return json.loads(path.read_text())


def category(name: str) -> str:
    """What an account publishes, as its name says: `instagram:pet_0` to `pet`."""
    return name.rpartition(":")[2].rpartition("_")[0]


def test_the_subset_has_the_asked_accounts_and_posts(done):
    accounts = [one for one in read_influencers(done / "subset") if not hasattr(one, "error")]
    assert sorted(one.category for one in accounts) == sorted(NICHES * ACCOUNTS)
    report = json_of(done / "subset" / "sample_report.json")
    assert [one["n_posts"] for one in report["categories"]] == [ACCOUNTS * POSTS] * len(NICHES)


def test_the_cache_has_a_square_for_each_image(done):
    cache = ImageCache.open(done / "cache")
    assert (len(cache), cache.size_px) == (N_POSTS, 224)
    assert cache.labelled.classes == tuple(sorted(NICHES))
    assert cache.image(0).shape == (224, 224, 3)
    assert len(set(cache.labelled.groups)) == len(NICHES) * ACCOUNTS


def test_the_post_model_beats_chance_on_accounts_held_out(done):
    report = json_of(done / "posts" / "classification_report.json")
    assert report["parts"]["test"] == report["parts"]["test"] | {"n": len(NICHES) * POSTS, "n_groups": len(NICHES)}
    assert report["test"]["accuracy"] > 3 * CHANCE
    assert [row["phase"] for row in rows_of(done / "posts" / "history.csv")] == ["head"] * 2


@pytest.mark.parametrize("folder", ["posts", "creators"])
def test_the_run_folders_are_whole_and_readable(folder, done):
    out = done / folder
    for name in ("training_history.png", "confusion_matrix.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 100
    for name in ("recipe.toml", "command.txt", "splits.csv", "training.log", "last.ckpt", "best.safetensors"):
        assert (out / name).stat().st_size > 0
    assert any((out / "tensorboard").iterdir())
    assert (load_niche_model(out).creator is not None) == (folder == "creators")


def test_a_frozen_encoder_is_not_written_again(done):
    assert not (done / "posts" / "encoder.onnx").exists()


def test_both_trainings_held_out_the_same_accounts(done):
    posts, creators = (rows_of(done / name / "splits.csv") for name in ("posts", "creators"))
    assert {(f"instagram:{row['group']}", row["split"]) for row in posts} == {
        (row["group"], row["split"]) for row in creators
    }


def test_every_image_has_a_vector_with_what_is_known_of_its_post(done):
    found = read_features(done / "features.npz")
    assert found.vectors.shape == (N_POSTS, 1280)
    assert np.isfinite(found.vectors).all()
    assert [category(name) for name in found.creators] == list(found.labels)
    assert np.isfinite(found.likes).all()
    assert np.isfinite(found.published_at_s).all()


def test_creators_held_out_are_answered_better_than_by_chance(done):
    held_out = {row["group"] for row in rows_of(done / "creators" / "splits.csv") if row["split"] == "test"}
    found = json_of(done / "answers" / "predictions.json")
    assert len(found["creators"]) == len(NICHES) * ACCOUNTS
    assert len(found["posts"]) == N_POSTS
    hits = [found["creators"][name]["predicted_category"] == category(name) for name in held_out]
    assert np.mean(hits) > 3 * CHANCE


def test_the_scores_of_each_answer_sum_to_one(done):
    scores = pl.read_csv(done / "answers" / "confidence_scores.csv").group_by("kind", "id").agg(pl.col("prob").sum())
    assert scores["prob"].to_numpy() == pytest.approx(1, abs=1e-3)
    assert scores["kind"].value_counts().sort("kind")["count"].to_list() == [len(NICHES) * ACCOUNTS, N_POSTS]


def test_the_run_answers_niche_in_analyze(done):
    out, few = done / "report", done / "few"
    command = ["sample", str(done / "dataset"), "--out", str(few), "--influencers", "1", "--posts", "2"]
    assert run(command) == 0
    assert run(["analyze", str(few), "--out", str(out), "--niche-model", str(done / "creators")]) == 0
    posts = pl.read_parquet(out / "posts.parquet")
    assert (posts["niche"] == posts["creator_id"].map_elements(category, return_dtype=pl.String)).mean() > 3 * CHANCE
    assert "niche_model/creator" in json_of(out / "predictions.json")["models"]
    assert (out / "report.html").stat().st_size > 0


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(tmp_path) -> Path:
    """A dataset of three niches, two accounts of each, an image in each account."""
    return write_influencers(tmp_path / "few", n_per_category=2, posts=1, categories=("food", "pet", "gardening"))


def test_an_unknown_category_is_left_out_and_told(few, tmp_path, capsys):
    assert run(["sample", str(few), "--out", str(tmp_path / "subset")]) == 0
    assert "unknown categories, left out: 'gardening' (2)" in capsys.readouterr().out
    assert run(["preprocess", str(few), "--out", str(tmp_path / "cache")]) == 0
    assert ImageCache.open(tmp_path / "cache").labelled.classes == ("food", "pet")


def test_nothing_but_unknown_categories_is_failure(tmp_path, capsys):
    write_influencers(tmp_path / "odd", n_per_category=1, posts=1, categories=("gardening",))
    assert run(["sample", str(tmp_path / "odd"), "--out", str(tmp_path / "subset")]) == 1
    assert "got none of them" in capsys.readouterr().err


def test_a_missing_image_is_told_and_the_rest_goes_on(few, tmp_path, capsys):
    next((few / "image").glob("pet_0-*")).unlink()
    assert run(["sample", str(few), "--out", str(tmp_path / "subset")]) == 0
    assert "1 images are missing" in capsys.readouterr().out
    assert run(["preprocess", str(few), "--out", str(tmp_path / "cache")]) == 0
    assert "MediaNotFoundError" in capsys.readouterr().out
    assert len(ImageCache.open(tmp_path / "cache")) == 3


def test_a_class_without_images_is_named(few, tmp_path, capsys):
    for path in (few / "image").glob("pet_*"):
        path.unlink()
    assert run(["preprocess", str(few), "--out", str(tmp_path / "cache")]) == 1
    assert "got none of pet" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_a_creator_in_two_splits_is_named(done, tmp_path, capsys):
    first, *_ = rows = rows_of(done / "posts" / "splits.csv")
    lines = [f"{row['group']},{row['split']}" for row in rows]
    other = "val" if first["split"] == "train" else "train"
    splits = tmp_path / "splits.csv"
    splits.write_text("\n".join(["group,split", *lines, f"{first['group']},{other}"]) + "\n")
    for verb, source in (("niche", "cache"), ("creator", "features.npz")):
        model = ["--model", str(done / "posts")] if verb == "creator" else []
        command = ["train", verb, str(done / source), "--out", str(tmp_path / verb), "--splits", str(splits), *model]
        assert run(command) == 2
        assert f"{first['group']} is in two splits" in capsys.readouterr().err


def test_a_checkpoint_of_another_architecture_is_refused_with_both_names(done, tmp_path, capsys):
    weights = str(done / "posts" / "best.safetensors")
    command = ["train", "niche", str(done / "cache"), "--out", str(tmp_path / "run"), "--accelerator", "cpu"]
    assert run([*command, "--backbone", "test_efficientnet", "--weights", weights]) == 1
    told = capsys.readouterr().err
    assert "expected weights of test_efficientnet" in told
    assert "architecture tf_efficientnet_lite0" in told
    assert not (tmp_path / "run" / "history.csv").exists()
