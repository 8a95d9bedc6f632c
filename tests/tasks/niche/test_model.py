"""Run folders to models: what fits together is opened, what does not is told."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ModelError, ModelIntegrityError, SettingsError
from postlens.tasks.niche.model import load_niche_model, read_run, shipped_model
from postlens.tasks.niche.predict import POST_MODEL
from postlens.types import NICHES
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

from ...runs import write_creator, write_encoder, write_head, write_run


def test_without_a_folder_the_shipped_models_answer():
    found = load_niche_model(None)
    assert found == shipped_model()
    assert found.open_head().spec.name == POST_MODEL
    assert found.open_encoder().fingerprint == load_spec(ENCODER).fingerprint


def test_a_run_with_its_own_encoder_is_opened_whole(tmp_path):
    found = load_niche_model(write_run(tmp_path, says="food"))
    features, _ = found.open_encoder().embed([np.full((20, 30, 3), (255, 0, 51), np.uint8)])
    assert features[0] == pytest.approx([1.0, 0.0, 0.2])
    assert NICHES[found.open_head().run({"features": features})["probs"][0].argmax()] == "food"
    assert [spec.name for spec in found.specs] == ["encoder", "head"]


def test_a_head_over_the_shipped_encoder_needs_no_other(tmp_path):
    found = load_niche_model(write_run(tmp_path, own_encoder=False))
    assert found.encoder_card is None
    assert found.encoder == load_spec(ENCODER)


def test_a_run_of_other_classes_can_be_read_but_answers_no_niche(tmp_path):
    write_run(tmp_path, labels=("cat", "dog"), says="cat")
    assert read_run(tmp_path).head.labels == ("cat", "dog")
    with pytest.raises(SettingsError, match=r"nine niches .* got one of cat, dog"):
        load_niche_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "state"), [("absent", "nothing there"), ("empty", "a folder without it"), ("file.txt", "a file")]
)
def test_what_is_no_run_is_a_wrong_setting(name, state, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("no run")
    with pytest.raises(SettingsError, match=rf"setting niche_model: .*head\.toml.* got {state}"):
        load_niche_model(tmp_path / name)


@pytest.mark.parametrize("name", ["head.onnx", "encoder.onnx"])
def test_a_missing_or_spoilt_file_tells_to_train_again(name, tmp_path):
    path = write_run(tmp_path) / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelIntegrityError, match="train or export again"):
        load_niche_model(tmp_path)
    path.unlink()
    with pytest.raises(ModelError, match=rf"{name}: cannot read .* train or export again"):
        load_niche_model(tmp_path)


def test_a_head_without_the_encoder_that_it_reads_is_told(tmp_path):
    write_run(tmp_path)
    (tmp_path / "encoder.toml").unlink()
    with pytest.raises(ModelError, match=r"expected encoder\.toml and its file beside head\.toml"):
        load_niche_model(tmp_path)


def test_a_head_and_an_encoder_of_two_runs_are_told(tmp_path):
    write_encoder(tmp_path)
    write_head(tmp_path, load_spec(ENCODER))
    with pytest.raises(ModelError, match="expected encoder and head of one run"):
        load_niche_model(tmp_path)


def test_a_creator_model_belongs_to_the_vectors_of_its_run(tmp_path):
    run = write_run(tmp_path)
    write_creator(run, load_niche_model(run).encoder)
    assert [spec.name for spec in load_niche_model(run).specs] == ["encoder", "head", "creator"]
    write_creator(run, load_spec(ENCODER))
    with pytest.raises(ModelError, match=f"one over {load_spec(ENCODER).fingerprint}"):
        load_niche_model(run)


def test_a_creator_model_may_read_what_the_head_projects(tmp_path):
    head = load_niche_model(write_run(tmp_path, projected=True)).head
    creator = write_creator(tmp_path, head)
    assert load_niche_model(tmp_path).creator == creator


def test_a_creator_model_of_other_classes_answers_no_niche(tmp_path):
    write_creator(tmp_path, load_niche_model(write_run(tmp_path)).encoder, labels=("cat", "dog"), says="cat")
    with pytest.raises(SettingsError, match="creator model of the nine niches, got one of cat, dog"):
        load_niche_model(tmp_path)


def test_a_card_that_is_no_head_is_told(tmp_path):
    run = write_run(tmp_path)
    (run / "head.toml").write_bytes((run / "encoder.toml").read_bytes())
    with pytest.raises(ModelError, match="expected outputs probs, got features"):
        load_niche_model(run)
