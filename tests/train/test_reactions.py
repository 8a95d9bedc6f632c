"""A training of reactions from a drawn data set to a model that answers, through the public functions."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import postlens
from postlens.config import Settings
from postlens.errors import ModelError, NotEnoughDataError, SettingsError, UsageError
from postlens.tasks.reactions.model import load_reaction_model
from postlens.train import reactions
from postlens.train.checkpoints import load_net
from postlens.train.emotion_split import LeftOut
from postlens.train.losses import LOSSES
from postlens.train.reactions import open_data, train_reactions
from postlens.train.reactions_export import write_torchscript
from postlens.train.reactions_recipe import list_reaction_recipes, load_reaction_recipe
from postlens.train.recipe import Phase
from postlens.types import EMOTIONS
from postlens.vision.cards import file_sha256
from postlens.vision.encoder import centre_square, prepare

from .emotions import SIZE_PX, draw_emotion, small_recipe, write_csv, write_fer2013, write_folders

CPU = {"accelerator": "cpu", "progress": False, "workers": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("reactions")
    data = write_folders(root / "data", n=20)
    (data / "sad" / "broken.png").write_bytes(b"no image")
    phases = (Phase(name="all", epochs=2, unfrozen_layers=1000, learning_rate=5e-3, warmup_epochs=0),)
    recipe = small_recipe(phases=phases)
    result = train_reactions(data, recipe=recipe, out=root / "run", command="as typed", **CPU)
    return SimpleNamespace(data=data, out=root / "run", recipe=recipe, result=result)


def test_the_run_folder_tells_of_data_scores_and_model(trained):
    names = {path.name for path in trained.out.iterdir()}
    assert {"recipe.toml", "command.txt", "splits.csv", "training.log", "tensorboard", "history.csv"} <= names
    assert {"training_history.png", "classification_report.json", "answers.csv", "report.html"} <= names
    assert {"reactions.onnx", "reactions.pt", "reactions.toml", "last.ckpt", "best.safetensors"} <= names
    assert "broken.png" in (trained.out / "training.log").read_text()
    assert "broken.png" in (trained.out / "report.html").read_text()


def test_only_emotions_that_images_show_are_learnt(trained):
    assert trained.result.data.labels == ("happy", "sad", "angry")
    report = json.loads((trained.out / "classification_report.json").read_text())
    assert report["not_learnt"] == ["fear", "surprise", "disgust", "neutral", "other"]
    assert report["label_table"] == {"name": "folders", "version": 1}
    assert report["left_out"]["unusable"] == 1
    assert {"macro_f1", "micro_f1", "weighted_f1", "map", "ece", "macro_f1_ci", "per_class"} <= report["test"].keys()
    assert report["test"]["n"] == report["parts"]["test"]["n"] == 9


def test_the_history_has_micro_f1_map_and_each_emotion(trained):
    with (trained.out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert {"val_macro_f1", "val_micro_f1", "val_map", "val_ap_happy", "val_ap_angry"} <= rows[0].keys()


def test_tensorboard_holds_the_curves(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(trained.out / "tensorboard"))
    found.Reload()
    assert {"train_loss", "val_macro_f1", "val_map", "val_ap_sad"} <= set(found.Tags()["scalars"])
    assert len(found.Scalars("val_map")) == 2


def test_answers_have_a_row_for_each_scored_image(trained):
    with (trained.out / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} == {"test", "val"}
    assert len(rows) == 18
    assert all(0 <= float(row["happy_prob"]) <= 1 for row in rows)


# --- the exported model ---------------------------------------------------------------------------------------------


def test_onnx_and_torchscript_compute_what_the_net_does(trained):
    from postlens.train.backbones import build_net

    net = build_net(trained.recipe, n_classes=3).eval()
    load_net(net, trained.out / "best.safetensors")
    model = load_reaction_model(trained.out)
    images = [np.random.default_rng(i).integers(0, 256, (SIZE_PX, SIZE_PX, 3)).astype(np.uint8) for i in range(5)]
    batch = np.stack([prepare(image, model.spec) for image in images])
    with torch.inference_mode():
        expected = torch.sigmoid(net(torch.from_numpy(batch)) / trained.result.calibration.temperature).numpy()
    assert model.read(images)[:, :3] == pytest.approx(expected, abs=1e-4)
    with pytest.warns(match="torch.jit"):
        script = torch.jit.load(str(trained.out / "reactions.pt"))
    assert script(torch.from_numpy(batch))[1].detach().numpy() == pytest.approx(expected, abs=1e-4)


def test_the_card_says_what_the_model_is(trained):
    card = tomllib.loads((trained.out / "reactions.toml").read_text())
    assert card["labels"] == ["happy", "sad", "angry"]
    assert set(card["thresholds"]) == {"happy", "sad", "angry"}
    assert "Never named" in card["limits"]
    assert card["metrics"]["scored_on"] == "images held out of training"
    script = card["metrics"]["torchscript"]
    assert script["sha256"] == file_sha256(trained.out / script["file"])
    assert script["parity"]["max_relative_difference"] < 1e-3
    assert str(trained.data) not in (trained.out / "reactions.toml").read_text()


def test_card_and_page_count_images_left_out_for_their_group(trained, tmp_path):
    from postlens.train.reactions_report import card_words, report_of, write_reports

    result, images = trained.result, trained.result.data.images
    told = {"images": images, "labels": result.data.labels}
    report = report_of(
        result.scored, result.calibration, split=result.data.material.split, left_out=LeftOut(0, 3), **told
    )
    assert report["left_out"]["group_in_another_part"] == 3
    write_reports(tmp_path, report, result.scored, recipe=trained.recipe, **told)
    card = card_words(report, result.scored, recipe=trained.recipe, data=trained.data)
    for words in (card["limits"], (tmp_path / "report.html").read_text()):
        assert "a later one has their group (person, account or shoot): 3 images" in words
        assert "equal file" not in words


def test_a_picture_is_prepared_for_training_as_for_an_answer(trained, tmp_path):
    path = draw_emotion(tmp_path / "one.png", "sad")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    square = centre_square(pixels, width_px=SIZE_PX, height_px=SIZE_PX)
    model = load_reaction_model(trained.out)
    assert model.read([pixels]) == pytest.approx(model.read([square]), abs=1e-6)


def test_emotions_that_were_not_learnt_have_probability_0(trained):
    model = load_reaction_model(trained.out)
    probs = model.read([np.zeros((40, 30, 3), np.uint8)])
    assert probs.shape == (1, 8)
    assert (probs[0, 3:] == 0).all()
    assert model.read([]).shape == (0, 8)


def test_an_image_is_answered_by_the_run_that_the_setting_names(trained, tmp_path):
    path = draw_emotion(tmp_path / "one.png", "sad")
    with postlens.Lens(Settings(workers=1, reaction_model=trained.out)) as lens:
        (found,) = lens.react(path)
    with Image.open(path) as image:
        expected = load_reaction_model(trained.out).read([np.asarray(image.convert("RGB"))])[0]
    assert found.reader == "model"
    assert [found.probs[name] for name in EMOTIONS] == pytest.approx(expected.tolist(), abs=1e-5)
    assert found.thresholds["sad"] == pytest.approx(trained.result.calibration.thresholds["sad"])


@pytest.mark.parametrize("backbone", ["test_vit", "test_resnet"])
def test_other_kinds_of_backbones_are_exported(tmp_path, backbone):
    data = write_folders(tmp_path / "data", labels=("happy", "sad"), n=8)
    side = 160 if backbone == "test_vit" else 32
    recipe = small_recipe(backbone=backbone, input_size=(3, side, side))
    result = train_reactions(data, recipe=recipe, out=tmp_path / "run", **CPU)
    assert result.model.metrics["parity"]["max_relative_difference"] < 1e-3
    assert load_reaction_model(tmp_path / "run").read([np.zeros((9, 9, 3), np.uint8)]).shape == (1, 8)


def test_a_net_that_decides_by_its_data_is_not_traced(tmp_path):
    class Sorting(torch.nn.Module):
        def forward(self, images):
            return (images.sum((1, 2, 3)) if len(images) == 2 else images.amax((1, 2, 3)),)

    probe = np.random.default_rng(0).random((3, 3, 8, 8)).astype(np.float32)
    with pytest.raises(ModelError, match="expected what torch computes"):
        write_torchscript(Sorting(), tmp_path / "net.pt", probe=probe)
    assert not (tmp_path / "net.pt").exists()


@pytest.fixture
def unexported(monkeypatch) -> dict[str, Any]:
    """What the card would say: exporting takes longer than all the rest here."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(reactions, "export_reactions", lambda net, out, **values: told.update(values["told"]))
    return told


# --- how it trains --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"bce"}))
def test_every_loss_trains(tmp_path, unexported, loss):
    data = write_folders(tmp_path / "data", labels=("happy", "sad"), n=8)
    result = train_reactions(data, recipe=small_recipe(loss=loss), out=tmp_path / "run", **CPU)
    assert np.isfinite(result.history[0]["train_loss"])
    assert f"loss {loss}" in unexported["source"]


def test_colours_are_learnt(tmp_path, unexported):
    data = write_folders(tmp_path / "data", labels=("happy", "sad"), n=20)
    phases = (Phase(name="all", epochs=6, unfrozen_layers=1000, learning_rate=1e-2, warmup_epochs=0),)
    result = train_reactions(data, recipe=small_recipe(phases=phases), out=tmp_path / "run", **CPU)
    assert result.scored[0].table["map"] > 0.9


def test_a_finished_run_is_resumed_without_training_and_gives_the_same(trained, unexported):
    before = (trained.out / "answers.csv").read_text()
    again = train_reactions(trained.data, recipe=trained.recipe, out=trained.out, resume=True, **CPU)
    assert len(again.history) == 2
    assert (trained.out / "answers.csv").read_text() == before


def test_a_folder_of_another_run_is_refused(trained):
    with pytest.raises(UsageError, match="expected a new folder"):
        train_reactions(trained.data, recipe=trained.recipe, out=trained.out, **CPU)


def test_several_emotions_and_unknown_ones_are_trained_on(tmp_path, unexported):
    lines = ["file,happy,sad,fear"]
    for i in range(24):
        draw_emotion(tmp_path / f"{i}.png", ("happy", "sad", "fear")[i % 3], seed=i)
        lines.append(f"{i}.png,{int(i % 3 == 0)},{int(i % 3 > 0)},{'' if i % 2 else int(i % 3 == 2)}")
    data = write_csv(tmp_path / "set.csv", lines)
    result = train_reactions(data, recipe=small_recipe(balance="sampler"), out=tmp_path / "run", **CPU)
    assert result.data.labels == ("happy", "sad", "fear")
    assert result.scored[0].table["per_class"]["fear"]["n"] < result.scored[0].table["n"]


def test_pixels_of_a_table_are_trained_on_with_the_parts_given(tmp_path, unexported):
    data = write_fer2013(tmp_path / "fer2013.csv", n=4)
    result = train_reactions(data, recipe=small_recipe(), out=tmp_path / "run", **CPU)
    assert result.data.labels == ("happy", "sad", "angry")
    assert [one.table["n"] for one in result.scored] == [3, 3]
    assert "fer2013, version 1" in unexported["source"]


def test_rare_emotions_are_drawn_more_often(tmp_path):
    write_folders(tmp_path, labels=("happy",), n=24)
    write_folders(tmp_path, labels=("sad",), n=8)
    data = open_data(tmp_path, recipe=small_recipe())
    weights = data.material.weights(small_recipe())
    sad = data.material.truth[data.material.split.train, data.labels.index("sad")] == 1
    assert weights.mean() == pytest.approx(1)
    assert weights[sad].min() > 1.5 * weights[~sad].max()


def test_a_training_part_with_one_emotion_alone_is_refused(tmp_path):
    write_folders(tmp_path / "train", labels=("happy",), n=4)
    write_folders(tmp_path / "val", labels=("sad",), n=4)
    with pytest.raises(NotEnoughDataError, match="got happy alone"):
        open_data(tmp_path, recipe=small_recipe())


# --- recipes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_reaction_recipes())
def test_the_shipped_recipes_are_what_is_documented(name):
    recipe = load_reaction_recipe(name)
    (phase,) = recipe.phases
    assert (phase.optimizer, phase.schedule, phase.epochs, phase.learning_rate) == ("adamw", "cosine", 50, 1e-4)
    assert (recipe.batch_size, recipe.dropout, recipe.patience, recipe.loss) == (32, 0.1, 10, "bce")
    assert (recipe.augment.rotation_deg, recipe.augment.flip_probability, recipe.precision) == (15, 0.5, "auto")


def test_there_is_a_recipe_for_each_backbone():
    assert list_reaction_recipes() == ("efficientnet_b0", "efficientnet_lite0", "resnet50", "vit_base_patch16_224")


@pytest.mark.parametrize(
    ("values", "told"),
    [({"balance": "loss"}, "balance none or sampler"), ({"channel_order": "BGR"}, "expected channel_order RGB")],
)
def test_recipes_that_cannot_be_used_are_told(tmp_path, values, told):
    with pytest.raises(SettingsError, match=told):
        train_reactions(tmp_path, recipe=small_recipe(**values), out=tmp_path / "run", **CPU)


# --- the setting ----------------------------------------------------------------------------------------------------


def test_no_folder_means_that_what_ships_answers():
    assert load_reaction_model(None) is None


def test_a_folder_that_is_no_run_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"setting reaction_model: .*nothing there"):
        load_reaction_model(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="a folder without it"):
        load_reaction_model(tmp_path)


def copied(trained, folder: Path, old: str, new: str) -> Path:
    folder.mkdir()
    (folder / "reactions.onnx").write_bytes((trained.out / "reactions.onnx").read_bytes())
    text = (trained.out / "reactions.toml").read_text()
    assert old in text
    (folder / "reactions.toml").write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "error", "told"),
    [
        ('"happy"', '"glad"', SettingsError, "expected labels out of"),
        ("happy = 0", "happy = 7", SettingsError, "expected thresholds in 0..1"),
        ('sha256 = "', 'sha256 = "0', ModelError, "reactions.onnx"),
        ('outputs = ["logits", "probs"]', 'outputs = ["logits"]', ModelError, "an output probs"),
    ],
)
def test_a_card_that_was_changed_wrongly_is_told(trained, tmp_path, old, new, error, told):
    with pytest.raises(error, match=told):
        load_reaction_model(copied(trained, tmp_path / "run", old, new))


def test_a_threshold_may_be_changed_by_hand_without_looking_again(trained, tmp_path):
    first = load_reaction_model(trained.out)
    line = f"happy = {first.thresholds['happy']!r}"
    changed = load_reaction_model(copied(trained, tmp_path / "run", line, "happy = 0.77"))
    assert changed.thresholds["happy"] == 0.77
    assert changed.fingerprint == first.fingerprint
    assert set(changed.spec.labels) <= set(EMOTIONS)
