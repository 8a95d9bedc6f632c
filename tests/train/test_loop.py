"""The training loop: what it writes, that it goes on exactly where it was stopped, and what it refuses."""

from __future__ import annotations

import csv
import logging

import pytest
import torch

from postlens.errors import DivergedError, MissingExtraError, SettingsError, SplitError, UnknownNameError, UsageError
from postlens.train import keeper, learner, loop, phased
from postlens.train.augment_recipe import AugmentRecipe
from postlens.train.backbones import build_net
from postlens.train.cache import build_cache
from postlens.train.checkpoints import load_net, read_weights
from postlens.train.labels import read_labelled_images
from postlens.train.recipe import Phase, load_recipe

from .small import LABELS, SIZE_PX, drawn_folders, small_recipe, without_clock


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return drawn_folders(tmp_path_factory.mktemp("drawn") / "images")


@pytest.fixture(autouse=True)
def outcome(monkeypatch):
    """What `write_outcome` was given; its files have their own tests."""
    given = []
    monkeypatch.setattr(loop, "write_outcome", lambda out, **values: given.append(values))
    return given


def train(data, out, **values):
    settings = {"recipe": small_recipe(), "accelerator": "cpu", "workers": 0, "progress": False} | values
    return loop.train_niche(data, out=out, **settings)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """A whole run: its folder and result."""
    patch = pytest.MonkeyPatch()
    patch.setattr(loop, "write_outcome", lambda out, **values: None)
    out = tmp_path_factory.mktemp("whole") / "run"
    result = train(data, out)
    patch.undo()
    return out, result


def test_every_epoch_of_every_phase_is_in_the_history(undisturbed):
    out, result = undisturbed
    assert [row["phase"] for row in result.history] == ["head"] * 2 + ["top"] * 2
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4]
    with (out / "history.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [float(row["val_macro_f1"]) for row in written] == [row["val_macro_f1"] for row in result.history]


def test_the_run_folder_holds_what_is_promised(undisturbed):
    names = {path.name for path in undisturbed[0].iterdir()}
    promised = {"recipe.toml", "command.txt", "training.log", "tensorboard", "splits.csv", "history.csv"}
    weights = {"phase1_head.safetensors", "phase2_top.safetensors", "best.safetensors", "last.ckpt"}
    assert names == promised | weights
    assert any((undisturbed[0] / "tensorboard").iterdir())
    assert load_recipe(undisturbed[0] / "recipe.toml") == small_recipe()
    assert (undisturbed[0] / "training.log").read_text().count("macro-F1") >= 4


def test_the_first_phase_leaves_the_backbone_as_it_was(undisturbed):
    first, _ = read_weights(undisturbed[0] / "phase1_head.safetensors")
    last, _ = read_weights(undisturbed[0] / "phase2_top.safetensors")
    torch.manual_seed(0)
    phased.lightning.seed_everything(0, verbose=False)
    began = {f"backbone.{k}": v for k, v in build_net(small_recipe(), n_classes=3).backbone.state_dict().items()}
    assert all(torch.equal(first[name], value) for name, value in began.items())
    assert not all(torch.equal(last[name], value) for name, value in began.items())


def test_predictions_are_those_of_the_best_weights(data, tmp_path, outcome):
    result = train(data, tmp_path / "run")
    (given,) = outcome
    net = build_net(small_recipe(), n_classes=len(LABELS))
    load_net(net, tmp_path / "run" / "best.safetensors")
    assert all(torch.equal(value, given["net"].state_dict()[name]) for name, value in net.state_dict().items())
    assert len(given["val"]) and len(given["test"])
    hits = (result.val.logits.argmax(1) == result.val.truth).mean()
    assert hits == pytest.approx(result.best["val_accuracy"])


# --- resuming -------------------------------------------------------------------------------------------------------


class PowerCutError(Exception):
    """What ends a run in these tests."""


def cut_after(monkeypatch, n_epochs: int) -> None:
    whole = keeper.Keeper.on_train_epoch_end

    def cut(self, trainer, pl_module):
        whole(self, trainer, pl_module)
        if len(self.history) == n_epochs:
            raise PowerCutError

    monkeypatch.setattr(keeper.Keeper, "on_train_epoch_end", cut)


def cut_before_saving(monkeypatch, n_epochs: int) -> None:
    """Stop when weights and history are written, but not the state to resume from."""
    whole = keeper.log_row

    def cut(loggers, row):
        whole(loggers, row)
        if row["epoch"] == n_epochs:
            raise PowerCutError

    monkeypatch.setattr(keeper, "log_row", cut)


def cut_within(monkeypatch, epoch: int, error: BaseException) -> None:
    """Stop in the middle of an epoch of the second phase."""
    whole = learner.PhaseLearner.training_step

    def cut(self, batch, batch_idx):
        if self.phase.name == "top" and self.current_epoch == epoch and batch_idx == 2:
            raise error
        return whole(self, batch, batch_idx)

    monkeypatch.setattr(learner.PhaseLearner, "training_step", cut)


def assert_same(run, other):
    """Histories and best weights are equal to the last bit."""
    assert without_clock(run[1].history) == without_clock(other[1].history)
    ours, theirs = (read_weights(out / "best.safetensors")[0] for out, _ in (run, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("n_epochs", [1, 2, 3])
def test_a_run_cut_after_any_epoch_goes_on_as_if_nothing_was(data, tmp_path, monkeypatch, undisturbed, n_epochs):
    with monkeypatch.context() as patch:
        cut_after(patch, n_epochs)
        with pytest.raises(PowerCutError):
            train(data, tmp_path / "run")
    result = train(data, tmp_path / "run", resume=True)
    assert_same((tmp_path / "run", result), undisturbed)


@pytest.mark.parametrize("n_epochs", [2, 3])
def test_weights_that_are_newer_than_the_state_do_no_harm(data, tmp_path, monkeypatch, undisturbed, n_epochs):
    with monkeypatch.context() as patch:
        cut_before_saving(patch, n_epochs)
        with pytest.raises(PowerCutError):
            train(data, tmp_path / "run")
    result = train(data, tmp_path / "run", resume=True)
    assert_same((tmp_path / "run", result), undisturbed)


@pytest.mark.parametrize(("epoch", "error"), [(0, PowerCutError()), (1, KeyboardInterrupt())])
def test_a_run_stopped_within_an_epoch_does_it_again(data, tmp_path, monkeypatch, undisturbed, epoch, error):
    with monkeypatch.context() as patch:
        cut_within(patch, epoch, error)
        with pytest.raises(type(error)):
            train(data, tmp_path / "run")
    result = train(data, tmp_path / "run", resume=True)
    assert_same((tmp_path / "run", result), undisturbed)


def test_worker_processes_change_nothing(data, tmp_path, undisturbed):
    result = train(data, tmp_path / "run", workers=2)
    assert_same((tmp_path / "run", result), undisturbed)


def test_a_finished_run_resumed_only_writes_its_outcome_again(data, undisturbed, outcome):
    result = train(data, undisturbed[0], resume=True)
    assert without_clock(result.history) == without_clock(undisturbed[1].history)
    assert len(outcome) == 1


def test_resuming_what_has_not_begun_begins(data, tmp_path):
    assert len(train(data, tmp_path / "run", resume=True).history) == 4


def test_another_recipe_or_other_images_are_not_resumed(data, tmp_path, undisturbed):
    with pytest.raises(SettingsError, match="batch_size 4"):
        train(data, undisturbed[0], recipe=small_recipe(batch_size=8), resume=True)
    with pytest.raises(SettingsError, match="images and splits"):
        train(drawn_folders(tmp_path / "other"), undisturbed[0], resume=True)


def test_the_same_images_kept_in_another_form_are_not_resumed(data, tmp_path):
    plain, wide = tmp_path / "plain", tmp_path / "wide"
    for folder, margin_px in ((plain, 0), (wide, 8)):
        build_cache(read_labelled_images(data), folder, size_px=SIZE_PX, margin_px=margin_px, workers=1)
    recipe = small_recipe(phases=[Phase(name="head", epochs=1, unfrozen_layers=0)])
    train(plain, tmp_path / "run", recipe=recipe)
    with pytest.raises(SettingsError, match="images and splits"):
        train(wide, tmp_path / "run", recipe=recipe, resume=True)


def test_a_folder_with_a_run_is_not_written_over(data, undisturbed):
    with pytest.raises(UsageError, match="--resume"):
        train(data, undisturbed[0])


def test_a_run_that_failed_before_its_first_epoch_does_not_take_the_folder(data, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(UnknownNameError):
        train(data, out, loggers=("pigeon",))
    train(data, out, recipe=small_recipe(phases=small_recipe().phases[:1], batch_size=8))
    assert load_recipe(out / "recipe.toml").batch_size == 8


def test_a_file_in_place_of_the_folder_is_refused(data, tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(UsageError, match="expected a folder that can be written"):
        train(data, tmp_path / "run")


# --- settings -------------------------------------------------------------------------------------------------------

ONE = (Phase(name="all", epochs=1, unfrozen_layers=1000, learning_rate=1e-3),)
WAYS = [
    {"balance": "sampler", "group_damping": 1},
    {"balance": "none", "label_smoothing": 0, "augment": AugmentRecipe.none()},
    {"augment": AugmentRecipe(mix_probability=1)},
    {"augment_on": "device"},
    {"precision": "bf16"},
    {"batch_norm": "eval", "feature_dim": 16, "dropout": 0.5},
    {"batch_size": 1000},
]


@pytest.mark.parametrize("values", WAYS, ids=str)
def test_every_setting_trains(data, tmp_path, values):
    result = train(data, tmp_path / "run", recipe=small_recipe(phases=ONE, **values))
    assert 0 <= result.best["val_macro_f1"] <= 1


def test_the_net_learns(data, tmp_path):
    phase = Phase(name="all", epochs=8, unfrozen_layers=1000, learning_rate=2e-3)
    plain = small_recipe(phases=(phase,), augment=AugmentRecipe.none(), label_smoothing=0)
    history = train(data, tmp_path / "run", recipe=plain).history
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]


def test_a_phase_ends_early_when_nothing_improves(data, tmp_path):
    phase = Phase(name="still", epochs=9, unfrozen_layers=0, learning_rate=1e-12)
    result = train(data, tmp_path / "run", recipe=small_recipe(phases=(phase, *ONE), patience=2))
    assert [row["phase"] for row in result.history] == ["still"] * 3 + ["all"]


def test_a_loss_that_is_no_number_stops_and_keeps_what_was_learnt(data, tmp_path, monkeypatch):
    whole = learner.PhaseLearner.training_step

    def explode(self, batch, batch_idx):
        with torch.no_grad():
            if self.phase.name == "top" and self.current_epoch == 1:
                self.net.head.weight.fill_(float("nan"))
        return whole(self, batch, batch_idx)

    monkeypatch.setattr(learner.PhaseLearner, "training_step", explode)
    with pytest.raises(DivergedError, match="phase top, epoch 2 of 2"):
        train(data, tmp_path / "run")
    kept = read_weights(tmp_path / "run" / "best.safetensors")[0]
    assert all(torch.isfinite(value).all() for value in kept.values())
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 1 + 3


def test_a_broken_image_is_left_out_and_told(tmp_path):
    data = drawn_folders(tmp_path / "images")
    (data / "beauty" / "beauty0" / "broken.jpg").write_bytes(b"no picture")
    train(data, tmp_path / "run", recipe=small_recipe(phases=ONE))
    assert "broken.jpg" in (tmp_path / "run" / "training.log").read_text()


def test_given_splits_are_kept_and_need_validation(data, tmp_path, undisturbed, outcome):
    splits = undisturbed[0] / "splits.csv"
    train(data, tmp_path / "run", recipe=small_recipe(phases=ONE), splits=splits)
    assert (tmp_path / "run" / "splits.csv").read_bytes() == splits.read_bytes()
    (tmp_path / "all.csv").write_text(splits.read_text().replace(",val", ",train"))
    with pytest.raises(SplitError, match="validation"):
        train(data, tmp_path / "other", splits=tmp_path / "all.csv")


def test_loggers_that_are_not_there_are_told(data, tmp_path):
    with pytest.raises(MissingExtraError, match='pip install "wandb"'):
        train(data, tmp_path / "run", loggers=["wandb"])
    with pytest.raises(UnknownNameError, match="tensorboard, wandb, mlflow"):
        train(data, tmp_path / "other", loggers=["excel"])


def test_half_precision_without_a_gpu_is_refused(data, tmp_path):
    with pytest.raises(SettingsError, match="needs a GPU"):
        train(data, tmp_path / "run", recipe=small_recipe(precision="fp16"))
    assert not (tmp_path / "run").exists()


def test_the_log_is_closed_and_levels_are_as_before(undisturbed):
    assert not [handler for handler in logging.getLogger("postlens").handlers if "training.log" in str(handler)]
