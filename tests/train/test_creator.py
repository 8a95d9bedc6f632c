"""Training creators: what it writes, that it learns, goes on where it was stopped, and what it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from postlens.errors import (
    DivergedError,
    ModelError,
    NotEnoughDataError,
    SettingsError,
    ShapeError,
    SplitError,
    UsageError,
)
from postlens.tasks.niche.attention import attend_posts
from postlens.train import creator, creator_export
from postlens.train.attention import AttentionNet
from postlens.train.bags import bags_by_creator
from postlens.train.checkpoints import load_net, read_weights
from postlens.train.creator import make_net, train_creator
from postlens.train.creator_learner import CreatorLearner
from postlens.train.creator_recipe import load_creator_recipe
from postlens.types import NICHES, Embeddings
from postlens.vision.zoo import open_card

from .creators import DIM, LABELS, drawn_photos, drawn_posts, tiny_recipe
from .small import without_clock


def train(out, posts=None, **values):
    settings = {"recipe": tiny_recipe(), "accelerator": "cpu", "progress": False} | values
    return train_creator(drawn_posts() if posts is None else posts, out=out, **settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole run: its folder and result."""
    out = tmp_path_factory.mktemp("creators") / "run"
    return out, train(out, command="postlens train creator x --out run")


def rows_of(out):
    with (out / "history.csv").open() as file:
        return without_clock(csv.DictReader(file))


def test_the_run_folder_holds_what_is_promised(whole):
    out, _ = whole
    told = {"recipe.toml", "command.txt", "splits.csv", "training.log", "tensorboard", "history.csv"}
    pictures = {"training_history.png", "confusion_matrix.png", "classification_report.json"}
    weights = {"phase1_creator.safetensors", "best.safetensors", "last.ckpt", "creator.onnx", "creator.toml"}
    assert {path.name for path in out.iterdir()} == told | pictures | weights
    assert load_creator_recipe(out / "recipe.toml") == tiny_recipe()
    assert (out / "command.txt").read_text() == "postlens train creator x --out run\n"


def test_the_net_learns_what_creators_are_about(whole):
    _, result = whole
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert result.best["val_macro_f1"] == 1.0
    assert (result.test.logits.argmax(1) == result.test.truth).all()


def test_no_creator_is_in_two_parts(whole):
    with (whole[0] / "splits.csv").open() as file:
        parts = {row["group"]: row["split"] for row in csv.DictReader(file)}
    assert parts.keys() == set(drawn_posts().creators)
    assert set(parts.values()) == {"train", "val", "test"}


def test_the_report_counts_creators_not_posts(whole):
    report = json.loads((whole[0] / "classification_report.json").read_text())
    assert report["parts"] == {"train": 12, "val": 3, "test": 3}
    assert report["creators"] == "accounts"
    assert report["test"]["accuracy"] == 1.0
    assert report["calibrated_on"] == 3


def test_the_exported_model_answers_bags_of_any_size_as_the_net(whole):
    out, _ = whole
    model, posts = open_card(out / "creator.toml"), drawn_posts()
    net = make_net(posts, tiny_recipe()).eval()
    load_net(net, out / "best.safetensors")
    for n in (1, 3, 8):
        answer = attend_posts("ada", Embeddings(posts.ids[:n], posts.vectors[:n], posts.fingerprint), model)
        logits, weights = net(torch.from_numpy(posts.vectors[None, :n]))
        assert answer.label == LABELS[int(logits.argmax())]
        assert dict(answer.attention) == pytest.approx(
            dict(zip(posts.ids[:n], weights[0].tolist(), strict=True)), abs=1e-5
        )


def test_the_card_says_where_its_vectors_come_from_and_names_no_folder(whole):
    card = (whole[0] / "creator.toml").read_text()
    assert 'upstream = ["tiny-encoder"]' in card
    assert "max_relative_difference" in card
    assert str(whole[0].parent) not in card


def test_gated_attention_over_a_narrow_projection_is_exported_alike(tmp_path):
    result = train(tmp_path / "run", recipe=tiny_recipe(pooling="gated", epochs=2, rank=4))
    assert len(result.history) == 2
    assert open_card(tmp_path / "run" / "creator.toml").spec.labels == LABELS


def test_measures_are_read_beside_the_vectors(tmp_path):
    posts = drawn_posts()
    measures = np.where(np.random.default_rng(0).random((len(posts), 3)) < 0.3, np.nan, 1.0).astype(np.float32)
    posts = replace(posts, measures=measures, measure_names=("likes", "age", "caption_length"))
    train(tmp_path / "run", posts, recipe=tiny_recipe(epochs=2))
    model = open_card(tmp_path / "run" / "creator.toml")
    vectors = Embeddings(posts.ids[:4], posts.vectors[:4], posts.fingerprint)
    known, unknown = attend_posts("a", vectors, model, measures=measures[:4]), attend_posts("a", vectors, model)
    assert known.probs != unknown.probs
    assert model.spec.metrics["measures"] == ["likes", "age", "caption_length"]


def test_creators_made_up_from_labelled_photos(tmp_path):
    result = train(tmp_path / "run", drawn_photos(NICHES), made_up=36, recipe=tiny_recipe(epochs=2))
    report = json.loads((tmp_path / "run" / "classification_report.json").read_text())
    assert report["creators"] == "made up from labelled photos"
    assert len(result.val) == len(result.test) == 180
    with (tmp_path / "run" / "splits.csv").open() as file:
        assert {row["group"] for row in csv.DictReader(file)} == set(drawn_photos(NICHES).creators)


def test_a_stopped_run_goes_on_as_if_it_had_not_been(whole, tmp_path, monkeypatch):
    out, seen = tmp_path / "run", []
    step = CreatorLearner.training_step

    def stopping(self, batch, batch_idx):
        seen.append(batch_idx)
        if len(seen) == 8:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(CreatorLearner, "training_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(out)
    monkeypatch.undo()
    monkeypatch.setattr(creator, "write_creator_outcome", lambda out, **_: None)
    assert 0 < len(rows_of(out)) < 6
    train(out, resume=True)
    assert rows_of(out) == rows_of(whole[0])
    first, second = (read_weights(folder / "best.safetensors")[0] for folder in (out, whole[0]))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_a_loss_that_is_no_number_stops_and_keeps_the_best_weights(tmp_path, monkeypatch):
    forward = AttentionNet.forward

    def broken(self, *inputs):
        logits, weights = forward(self, *inputs)
        return (logits * float("nan"), weights) if self.training and self.calls > 4 else (logits, weights)

    def counting(self, *inputs):
        self.calls = getattr(self, "calls", 0) + self.training
        return broken(self, *inputs)

    monkeypatch.setattr(AttentionNet, "forward", counting)
    with pytest.raises(DivergedError, match="lower learning rate"):
        train(tmp_path / "run")
    weights, _ = read_weights(tmp_path / "run" / "best.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert len(rows_of(tmp_path / "run")) == 1


def test_a_folder_of_another_run_is_refused(whole):
    with pytest.raises(UsageError, match="--resume"):
        train(whole[0])


@pytest.mark.parametrize(
    ("change", "told"), [({"recipe": tiny_recipe(hidden=4)}, "hidden"), ({"posts": drawn_posts(n_creators=7)}, "posts")]
)
def test_resuming_with_something_else_is_refused(whole, change, told):
    with pytest.raises(SettingsError, match=told):
        train(whole[0], **({"posts": drawn_posts(), "resume": True} | change))


def test_a_creator_in_two_parts_is_refused(tmp_path):
    table = tmp_path / "splits.csv"
    rows = [f"{name},{'val' if name.endswith('5') else 'train'}" for name in bags_by_creator(drawn_posts()).creators]
    table.write_text("\n".join(["group,split", *rows, "food0,test"]))
    with pytest.raises(SplitError, match="food0 is in two splits"):
        train(tmp_path / "run", splits=table)


def test_posts_that_cannot_be_learnt_from_are_refused(tmp_path):
    with pytest.raises(NotEnoughDataError, match="got none"):
        train(tmp_path / "none", drawn_posts()[[]])
    with pytest.raises(SplitError, match="food"):
        train(tmp_path / "few", drawn_posts(n_creators=2))
    with pytest.raises(ShapeError, match="made-up"):
        train(tmp_path / "photos", replace(drawn_posts(), creators=("one source",) * 144))
    assert not (tmp_path / "none").exists()


def test_a_file_that_computes_something_else_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(creator_export, "largest_difference", lambda *_, **__: 0.5)
    with pytest.raises(ModelError, match=r"relative difference of 0\.5"):
        train(tmp_path / "run", recipe=tiny_recipe(epochs=1))
    assert not (tmp_path / "run" / "creator.onnx").exists()
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_the_width_of_the_input_is_on_the_card(whole):
    assert open_card(whole[0] / "creator.toml").spec.input_size == (DIM,)


def test_half_precision_on_a_processor_is_refused_before_the_folder_is_made(tmp_path):
    with pytest.raises(SettingsError, match="needs a GPU"):
        train(tmp_path / "run", recipe=tiny_recipe(precision="fp16"))
    assert not (tmp_path / "run").exists()


# --- posts without a label ------------------------------------------------------------------------------------------


def blank(posts, creators):
    """The posts, those of some creators without a label."""
    return replace(posts, labels=np.where(np.isin(posts.creators, creators), -1, posts.labels))


def test_creators_without_a_label_are_left_out_and_named(tmp_path):
    found = train(tmp_path / "run", blank(drawn_posts(), ["food0", "pet3"]), recipe=tiny_recipe(epochs=1))
    assert found.left_out == ("food0", "pet3")
    with (tmp_path / "run" / "splits.csv").open() as file:
        assert not {"food0", "pet3"} & {row["group"] for row in csv.DictReader(file)}
    assert "left out: pet3: no label" in (tmp_path / "run" / "training.log").read_text()


def test_photos_without_a_label_make_up_no_creators(tmp_path):
    photos = drawn_photos(NICHES)
    some = replace(photos, labels=np.where(np.arange(len(photos)) % 4 == 0, -1, photos.labels))
    found = train(tmp_path / "run", some, recipe=tiny_recipe(epochs=1), made_up=18)
    assert found.left_out == ()
    assert found.is_writer


def test_posts_of_which_none_has_a_label_are_refused(tmp_path):
    posts = drawn_posts()
    with pytest.raises(NotEnoughDataError, match="with a label"):
        train(tmp_path / "run", blank(posts, sorted(set(posts.creators))))


def test_a_creator_with_labels_for_some_posts_is_refused(tmp_path):
    posts = drawn_posts()
    with pytest.raises(ShapeError, match="food0: expected one label"):
        train(tmp_path / "run", replace(posts, labels=np.where(np.arange(len(posts)) == 0, -1, posts.labels)))
