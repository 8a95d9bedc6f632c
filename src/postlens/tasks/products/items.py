"""Labels that a model reads, and the items of a catalog that they speak for."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from postlens.errors import UsageError
from postlens.types import ATTRIBUTES

# Item -> attributes that show it. The order of the items breaks ties that nothing else breaks.
ITEMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hat": ("hat",),
        "beard": ("beard", "moustache", "stubble"),
        "eyewear": ("eyeglasses", "sunglasses"),
    }
)
# These show their item only where a product of the catalog names them: stubble is not yet a wish for beard oil.
OPTIONAL = frozenset({"moustache", "stubble"})
# What can be put on. A beard cannot: its products need one, so `policy="missing"` never recommends them.
WEARABLE = ("hat", "eyewear")
# What a catalog may name when no other model is used: an attribute, or an item for those of it that are not optional.
LABELS = (*ATTRIBUTES, *(item for item in ITEMS if item not in ATTRIBUTES))

SEPARATORS = ";,|"  # between the labels of a catalog's cell, so that no label's name may have one


def label_key(text: str) -> str:
    """The one spelling of a label or an item: without case, and with single spaces, none of them at an end.

    Accents are composed, whichever way they were typed or a disk keeps them (Unicode 15, D145: caseless matching).
    """
    folded = unicodedata.normalize("NFD", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def label_name(text: str) -> str:
    """`label_key` of a name that a label or an item may have.

    Raises `UsageError` for an empty name, and for one that a catalog or a card could not hold.
    """
    name = label_key(text)
    if not name or not name.isprintable() or any(sign in name for sign in SEPARATORS):
        signs = " ".join(SEPARATORS)
        raise UsageError(f"expected a label's name of printable signs without {signs}, got {text!r}; rename it")
    return name


@dataclass(frozen=True, slots=True)
class Label:
    """One thing that a model tells of a face or of an image, and what may be sold to whom it holds for."""

    name: str
    item: str  # that it shows; several labels may show one
    reads: Literal["face", "image"]
    threshold: float  # of its score. Higher: fewer images show the item, and more surely
    wearable: bool  # can be put on, so that its absence may be a wish
    optional: bool  # shows its item only where a product names the label itself


def shipped_labels(thresholds: Mapping[str, float]) -> tuple[Label, ...]:
    """The labels of `types.ATTRIBUTES`, item by item; `thresholds` by attribute, as on the card of the head.

    Raises `UsageError` for missing thresholds.
    """
    if missing := [name for name in ATTRIBUTES if name not in thresholds]:
        raise UsageError(f"expected a threshold for each attribute, {', '.join(missing)} missing; take the head card's")
    return tuple(
        Label(name, item, "face", thresholds[name], wearable=item in WEARABLE, optional=name in OPTIONAL)
        for item, names in ITEMS.items()
        for name in names
    )


def trained_label(name: str, reads: Literal["face", "image"], *, threshold: float, item: str | None = None) -> Label:
    """What a label of an own model means where nothing else is said: as shipped if it ships, else its own item.

    `item`: that it shows; another than the shipped one makes an optional label count wherever it is seen. What is read
    from whole images is not wearable: most of them show nobody who could put it on.
    """
    shipped = next((item for item, names in ITEMS.items() if name in names), name)
    item = item or shipped
    wearable = all(one in WEARABLE or (one not in ITEMS and reads == "face") for one in (item, shipped))
    return Label(name, item, reads, threshold, wearable=wearable, optional=name in OPTIONAL and item == shipped)


def join_labels(shipped: Sequence[Label], *models: Sequence[Label]) -> tuple[Label, ...]:
    """All labels by first mention; a later label of the same name replaces an earlier one in its place."""
    found = {label.name: label for label in shipped}
    for labels in models:
        found |= {label.name: label for label in labels}
    return tuple(found.values())


def by_item(labels: Iterable[Label]) -> dict[str, tuple[Label, ...]]:
    """Item to its labels; items by first mention, the order that breaks ties."""
    found: dict[str, tuple[Label, ...]] = {}
    for label in labels:
        found[label.item] = (*found.get(label.item, ()), label)
    return found


def catalog_labels(labels: Sequence[Label]) -> tuple[str, ...]:
    """What a catalog may name: a label, or an item for all labels of it that are not optional."""
    return tuple(dict.fromkeys([*(label.name for label in labels), *(label.item for label in labels)]))
