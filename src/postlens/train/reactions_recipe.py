"""Recipes of reactions: a TOML file for each backbone, and what only a training on several labels can and cannot do."""

from __future__ import annotations

from pathlib import Path

from postlens.errors import SettingsError
from postlens.train.recipe import Recipe, list_recipes, load_recipe

REACTION_RECIPES = Path(__file__).resolve().parent / "reaction_recipes"
DEFAULT_RECIPE = "efficientnet_lite0"
BALANCES = ("none", "sampler")


def list_reaction_recipes() -> tuple[str, ...]:
    """Names of the shipped recipes, sorted."""
    return list_recipes(REACTION_RECIPES)


def load_reaction_recipe(name_or_path: str | Path = DEFAULT_RECIPE) -> Recipe:
    """A shipped recipe by name, or one from a TOML file. Raises `SettingsError`, as `load_recipe`."""
    return load_recipe(name_or_path, folder=REACTION_RECIPES)


def check_reaction_recipe(recipe: Recipe) -> None:
    """Raise `SettingsError` for settings that images of several labels cannot be trained with."""
    if recipe.balance not in BALANCES or recipe.augment.mix_probability:
        raise SettingsError(
            f"recipe {recipe.name}: expected balance {' or '.join(BALANCES)} and mix_probability 0, got "
            f"{recipe.balance} and {recipe.augment.mix_probability}; images have several emotions"
        )
    if recipe.channel_order != "RGB":
        raise SettingsError(f"recipe {recipe.name}: expected channel_order RGB, got {recipe.channel_order}")
