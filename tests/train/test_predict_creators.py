"""A features file to categories, by what ships and by runs; and features to posts."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from postlens.cli.app import run as postlens
from postlens.errors import EmptySourceError, ModelError, SettingsError
from postlens.tasks.niche.model import load_niche_model
from postlens.train.creator_features import posts_of
from postlens.train.creator_model import copy_post_model, post_model
from postlens.train.feature_file import read_features
from postlens.train.predict_creators import predict_features
from postlens.types import NICHES
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

from ..runs import write_creator, write_head, write_run
from .creators import drawn_posts, write_features


@pytest.fixture
def run(tmp_path):
    """A run with an encoder of three numbers, whose head says pet."""
    return write_run(tmp_path / "run", says="pet")


def features(path, run, *, width: int = 3, fingerprint: str | None = None, **values):
    posts = drawn_posts(n_creators=2, n_posts=3)
    posts = replace(
        posts,
        vectors=posts.vectors[:, :width],
        fingerprint=fingerprint or load_niche_model(run).encoder.fingerprint,
        **values,
    )
    return write_features(posts, path)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_creators_and_posts_of_a_run(suffix, run, tmp_path):
    found = predict_features(features(tmp_path / f"f{suffix}", run), run=run)
    assert [one.subject_id for one in found.creators] == ["food0", "food1", "pet0", "pet1", "travel0", "travel1"]
    assert {one.label for one in found.creators} == {"pet"}
    assert [creator for creator, _ in found.posts] == sorted(creator for creator, _ in found.posts)
    assert len(found.posts) == 18
    assert found.models.keys() == {"encoder", "head"}


def test_the_attention_model_of_the_run_answers_creators(run, tmp_path):
    write_creator(run, load_niche_model(run).encoder, says="travel")
    found = predict_features(features(tmp_path / "f.npz", run), run=run)
    assert {one.label for one in found.creators} == {"travel"}
    assert {one.label for _, one in found.posts} == {"pet"}
    assert len(found.creators[0].attention) == 3


def test_features_of_the_encoder_are_projected_for_a_model_that_reads_projected_ones(tmp_path):
    run = write_run(tmp_path / "run", projected=True)
    write_creator(run, load_niche_model(run).head, says="travel")
    wide = features(tmp_path / "wide.npz", run, width=6, fingerprint=load_niche_model(run).head.fingerprint)
    narrow = features(tmp_path / "narrow.npz", run)
    assert {one.label for one in predict_features(narrow, run=run).creators} == {"travel"}
    assert {one.label for one in predict_features(wide, run=run).creators} == {"travel"}
    assert predict_features(wide, run=run).posts == ()


def test_projected_features_are_not_projected_again(tmp_path):
    """The run's creator model reads the encoder's vectors, which projected ones cannot be turned back into."""
    run = write_run(tmp_path / "run", projected=True)
    write_creator(run, load_niche_model(run).encoder, says="travel")
    wide = features(tmp_path / "f.npz", run, width=6, fingerprint=load_niche_model(run).head.fingerprint)
    with pytest.raises(ModelError, match="extract the features again"):
        predict_features(wide, run=run)


def test_vectors_of_another_encoder_are_refused(run, tmp_path):
    with pytest.raises(ModelError, match="encode"):
        predict_features(features(tmp_path / "f.npz", run, fingerprint="another"), run=run)


def test_a_file_without_vectors_is_refused(run, tmp_path):
    empty = replace(drawn_posts()[[]], vectors=np.zeros((0, 3), np.float32))
    with pytest.raises(EmptySourceError, match="expected vectors"):
        predict_features(write_features(empty, tmp_path / "f.npz"), run=run)


def test_posts_of_two_creators_with_one_id_are_told_apart(run, tmp_path):
    path = features(tmp_path / "f.npz", run, ids=tuple(str(i % 3) for i in range(18)))
    assert [one.subject_id for _, one in predict_features(path, run=run).posts][:2] == ["food0/0", "food0/1"]


def test_files_are_written_and_the_table_shown(run, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["predict", str(features(tmp_path / "f.npz", run)), "--model", str(run), "--out", str(out)]
    assert postlens(words) == 0
    found = json.loads((out / "predictions.json").read_text())
    assert found["creators"]["food0"]["predicted_category"] == "pet"
    assert found["creators"]["food0"]["n_posts"] == 3
    assert found["posts"]["food0_0"]["creator"] == "food0"
    with (out / "confidence_scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(NICHES) * (6 + 18)
    assert sum(float(row["prob"]) for row in rows[:9]) == pytest.approx(1, abs=1e-3)
    assert "6 creators, 18 posts" in capsys.readouterr().out


def test_one_file_of_features_at_a_time(run, tmp_path, capsys):
    path = str(features(tmp_path / "f.npz", run))
    assert postlens(["predict", path, path, "--out", str(tmp_path / "out")]) == 2
    assert "one file of features" in capsys.readouterr().err


# --- features to posts ----------------------------------------------------------------------------------------------


def test_images_of_a_post_are_averaged(run, tmp_path):
    rows = read_features(features(tmp_path / "f.npz", run))
    rows = replace(rows, posts=tuple(name.rsplit("_", 1)[0] for name in rows.posts))
    posts = posts_of(rows)
    assert posts.ids == ("food0", "food1", "pet0", "pet1", "travel0", "travel1")
    np.testing.assert_allclose(posts.vectors[0], rows.vectors[:3].mean(0), rtol=1e-6)
    assert posts.classes == ("food", "pet", "travel")
    assert posts.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_labels_are_those_found_in_the_niches_spelling(run, tmp_path):
    rows = read_features(features(tmp_path / "f.npz", run))
    rows = replace(rows, labels=tuple("" if name == "food" else name.upper() for name in rows.labels))
    posts = posts_of(rows)
    assert posts.classes == ("pet", "travel")
    assert posts.labels.tolist() == [-1] * 6 + [0] * 6 + [1] * 6


def test_measures_compare_the_posts_of_each_creator(run, tmp_path):
    rows = read_features(features(tmp_path / "f.npz", run))
    likes = np.concatenate([[1, 2, 4], [100, 200, 400], np.full(12, np.nan)])
    posts = posts_of(replace(rows, likes=likes), measures=True)
    assert posts.measures is not None
    assert posts.measures[[1, 4], 0].tolist() == [0, 0]
    assert np.isnan(posts.measures[6:, 0]).all()
    assert posts_of(rows).measures is None


# --- the whole model ------------------------------------------------------------------------------------------------


def test_the_post_model_is_copied_beside_the_creator_model(run, tmp_path):
    model = post_model(run, fingerprint=load_niche_model(run).encoder.fingerprint)
    (tmp_path / "creators").mkdir()
    write_creator(tmp_path / "creators", model.encoder)
    copy_post_model(model, tmp_path / "creators")
    assert load_niche_model(tmp_path / "creators").specs[:2] == model.specs


def test_the_models_that_ship_are_copied_without_their_encoder(tmp_path):
    spec = load_spec(ENCODER)
    write_creator(tmp_path, spec)
    copy_post_model(post_model(None, fingerprint=spec.fingerprint), tmp_path)
    found = load_niche_model(tmp_path)
    assert found.encoder == spec
    assert found.encoder_card is None
    assert found.creator is not None


def test_features_of_another_model_are_refused_before_training(run):
    with pytest.raises(SettingsError, match="--model"):
        post_model(None, fingerprint=load_niche_model(run).encoder.fingerprint)
    with pytest.raises(SettingsError, match="expected vectors of"):
        post_model(run, fingerprint=load_spec(ENCODER).fingerprint)
    write_head(run, load_niche_model(run).encoder, projected=True)
    assert post_model(run, fingerprint=load_niche_model(run).head.fingerprint).encoder_card is not None
