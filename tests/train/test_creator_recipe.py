"""Settings of a creator training, and their file."""

from __future__ import annotations

import pytest

from postlens.errors import SettingsError
from postlens.train.creator_recipe import CreatorRecipe, load_creator_recipe, write_creator_recipe


@pytest.mark.parametrize(
    "recipe", [CreatorRecipe(), CreatorRecipe(rank=None, patience=None, clip_norm=None, pooling="gated", epochs=3)]
)
def test_a_written_recipe_is_read_back(recipe, tmp_path):
    write_creator_recipe(recipe, tmp_path / "recipe.toml")
    assert load_creator_recipe(tmp_path / "recipe.toml") == recipe


def test_without_a_file_the_settings_that_ship_are_taken():
    assert load_creator_recipe(None) == CreatorRecipe()


def test_a_file_may_name_some_settings_only(tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 3\n")
    assert load_creator_recipe(tmp_path / "mine.toml") == CreatorRecipe(epochs=3)


def test_flags_that_are_not_given_change_nothing():
    assert CreatorRecipe().changed(epochs=None, seed=4) == CreatorRecipe(seed=4)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"epochs": 0}, "epochs"),
        ({"pooling": "median"}, "pooling"),
        ({"dropout": 1.0}, "dropout"),
        ({"n_heads": 3}, "multiples of n_heads"),
        ({"fewest_posts": 10, "most_posts": 5}, "must not be above most_posts"),
        ({"depth": 3}, "depth"),
    ],
)
def test_values_that_cannot_be_used_are_told(values, told):
    with pytest.raises(SettingsError, match=told):
        CreatorRecipe().changed(**values)


@pytest.mark.parametrize("text", ["epochs = ", None])
def test_a_file_that_cannot_be_read_is_told(text, tmp_path):
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match="TOML"):
        load_creator_recipe(path)
