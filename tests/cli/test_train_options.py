"""What the verbs of training have in common."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import pytest

from postlens.cli.train import niche
from postlens.cli.train_options import change_recipe, telling_of_resume
from postlens.cli.train_reactions import reactions
from postlens.errors import UsageError
from postlens.train.reactions_recipe import load_reaction_recipe
from postlens.train.recipe import load_recipe


def test_options_that_both_verbs_have_mean_the_same() -> None:
    ours, theirs = (get_type_hints(verb, include_extras=True) for verb in (niche, reactions))
    own = {"data", "out", "recipe", "splits", "layout", "labels", "loss", "balance", "return"}
    shared = ours.keys() & theirs.keys() - own
    assert len(shared) >= 15
    for name in shared:
        assert ours[name] is theirs[name], name
        defaults = [inspect.signature(verb).parameters[name].default for verb in (niche, reactions)]
        assert defaults[0] == defaults[1], name


def test_a_training_stopped_by_hand_tells_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), telling_of_resume():
        raise KeyboardInterrupt
    assert "--resume goes on" in capsys.readouterr().err


@pytest.mark.parametrize("load", [load_recipe, load_reaction_recipe])
def test_flags_change_a_recipe(load) -> None:
    recipe = load("efficientnet_lite0")
    rates = ",".join(["1e-3"] * len(recipe.phases))
    changed = change_recipe(recipe, "resnet18", "3", rates, {"weights": "none", "seed": 5})
    assert (changed.backbone, changed.batch_norm, changed.seed) == ("resnet18", "train", 5)
    assert {(phase.epochs, phase.learning_rate) for phase in changed.phases} == {(3, 1e-3)}
    with pytest.raises(UsageError, match="--epochs"):
        change_recipe(recipe, None, "many", None, {"weights": None})
