"""Recipes: what ships can be read, what is written reads back, and a wrong value is named."""

from __future__ import annotations

import pytest

from postlens.errors import SettingsError
from postlens.train.augment_recipe import AugmentRecipe
from postlens.train.recipe import DEFAULT_RECIPE, Phase, Recipe, list_recipes, load_recipe, write_recipe
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

NAMES = ("efficientnet_lite0", "resnet50", "tf_efficientnetv2_s", "vit_base_patch16_224")


def test_four_recipes_ship():
    assert list_recipes() == NAMES
    assert DEFAULT_RECIPE in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_has_the_three_phases(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert [(phase.epochs, phase.unfrozen_layers) for phase in recipe.phases] == [(10, 0), (30, 50), (10, 100)]
    assert recipe.phases[0].learning_rate == 1e-4
    assert recipe.batch_size == 32


def test_the_default_prepares_images_as_the_shipped_encoder_does():
    recipe, card = load_recipe(DEFAULT_RECIPE), load_spec(ENCODER)
    ours = (recipe.input_size, recipe.mean, recipe.std, recipe.interpolation)
    assert ours == (card.input_size, card.mean, card.std, card.interpolation)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_reads_back(name, tmp_path):
    recipe = load_recipe(name).changed(augment=AugmentRecipe(mix_probability=0.1), feature_dim=7, patience=3)
    write_recipe(recipe, tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == recipe


def test_what_is_absent_stays_absent(tmp_path):
    phase = Phase(name="only", epochs=1, unfrozen_layers=0)
    recipe = Recipe(name="x", backbone="y", mean=(0, 0, 0), std=(1, 1, 1), phases=(phase,))
    write_recipe(recipe, tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == recipe
    assert (recipe.feature_dim, recipe.patience, recipe.clip_norm) == (None, None, None)


WRONG = [
    ({"batch_size": 0}, "batch_size"),
    ({"precision": "fp8"}, "precision"),
    ({"learning_rate": 1}, "learning_rate"),
    ({"std": (0, 1, 1)}, "std must be above 0"),
    ({"input_size": (3, 224, 192)}, "input_size must be"),
    ({"input_size": (1, 224, 224)}, "input_size must be"),
    ({"phases": ()}, "phases"),
    ({"phases": (Phase(name="a", epochs=1, unfrozen_layers=0),) * 2}, "different names"),
    ({"augment": {"flip": 1}}, "augment.flip"),
]


@pytest.mark.parametrize(("values", "told"), WRONG)
def test_a_wrong_value_is_named(values, told):
    with pytest.raises(SettingsError, match=told):
        load_recipe(DEFAULT_RECIPE).changed(**values)


def test_an_unknown_recipe_names_those_there_are(tmp_path):
    with pytest.raises(SettingsError, match="efficientnet_lite0, resnet50"):
        load_recipe("efficientnet")


def test_a_file_that_is_no_toml_is_told(tmp_path):
    (tmp_path / "r.toml").write_text("name =")
    with pytest.raises(SettingsError, match="TOML"):
        load_recipe(tmp_path / "r.toml")
