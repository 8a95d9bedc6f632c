"""A TOML file to the recipes of several nets that are trained apart and answer together: settings shared by all, nets.

No torch here. Each net's table holds what it has of its own; all else is that of `train.recipe.Recipe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postlens.config import read_toml
from postlens.errors import SettingsError
from postlens.train.recipe import FORMS, Recipe, check_recipe

SHIPPED = Path(__file__).resolve().parent / "product_recipes"
TWO_NETWORKS = "two_networks"

Nets = tuple[Recipe, ...]


def list_net_recipes() -> tuple[str, ...]:
    """Names of the shipped recipes of nets, sorted."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load_nets(name_or_path: str | Path = TWO_NETWORKS) -> Nets:
    """The nets of a shipped recipe, or of a TOML file with the settings of `Recipe` and a table `[[nets]]` for each.

    Raises:
        SettingsError: no such name or file, the file is not TOML, or a value cannot be used.
    """
    shipped = str(name_or_path) in list_net_recipes()
    path = SHIPPED / f"{name_or_path}.toml" if shipped else Path(name_or_path)
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        known = ", ".join(list_net_recipes())
        raise SettingsError(
            f"expected a recipe out of [{known}] or a TOML file, got {name_or_path} ({error})"
        ) from error
    return _nets(values, origin=str(path))


def change_nets(nets: Nets, *, weights: str | Mapping[str, str] | None = None, **values: Any) -> Nets:
    """The nets with other settings, checked again; those that are None stay.

    weights: "pretrained" or "none" for all nets, or by a net's name what `Recipe.weights` takes.

    Raises `SettingsError` for a value that cannot be used, or a net that is not there.
    """
    names = [net.name for net in nets]
    given = dict.fromkeys(names, weights) if isinstance(weights, str | None) else dict(weights)
    if unknown := sorted(given.keys() - set(names)):
        raise SettingsError(f"expected weights for the nets {', '.join(names)}, got some for {', '.join(unknown)}")
    if len(nets) > 1 and isinstance(weights, str) and weights not in FORMS:
        raise SettingsError(
            f"expected weights pretrained, none, or a file for each net ({', '.join(names)}), got {weights} for all; "
            f"write {names[0]}=FILE"
        )
    return _checked(tuple(net.changed(**values, weights=given.get(net.name)) for net in nets), origin="the recipe")


def _nets(values: dict[str, Any], *, origin: str) -> Nets:
    own = values.pop("nets", None)
    if not isinstance(own, list) or not own or not all(isinstance(one, dict) for one in own):
        raise SettingsError(f"{origin}: expected a table [[nets]] for each net, got {own!r}; add them")
    return _checked(tuple(check_recipe(values | one, origin=origin) for one in own), origin=origin)


def _checked(nets: Nets, *, origin: str) -> Nets:
    """Raise `SettingsError` for what training on several labels cannot do."""
    names = [net.name for net in nets]
    if len(set(names)) < len(names):
        raise SettingsError(f"{origin}: expected nets of different names, got {', '.join(names)}")
    for net in nets:
        if net.balance != "none" or net.augment.mix_probability or net.weights == "shipped":
            raise SettingsError(
                f"{origin}: {net.name}: expected balance none, mix_probability 0 and weights pretrained, none or a "
                f"file, got {net.balance}, {net.augment.mix_probability} and {net.weights}; images have several labels"
            )
    return nets
