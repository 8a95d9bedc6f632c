"""Labels of models and the items they speak for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import UsageError
from postlens.tasks.products.items import (
    LABELS,
    Label,
    by_item,
    catalog_labels,
    join_labels,
    label_key,
    label_name,
    shipped_labels,
    trained_label,
)
from postlens.types import ATTRIBUTES

SHIPPED = shipped_labels(dict.fromkeys(ATTRIBUTES, 0.5))
RING = Label("ring", "jewellery", "image", 0.5, wearable=True, optional=False)


def test_the_shipped_labels_are_the_attributes_with_their_thresholds() -> None:
    labels = shipped_labels({name: i / 10 for i, name in enumerate(ATTRIBUTES)})
    assert {label.name: label.threshold for label in labels} == {name: i / 10 for i, name in enumerate(ATTRIBUTES)}
    assert list(by_item(labels)) == ["hat", "beard", "eyewear"]
    assert {label.name for label in labels if label.optional} == {"moustache", "stubble"}
    assert {label.item for label in labels if label.wearable} == {"hat", "eyewear"}


def test_a_missing_threshold_is_named() -> None:
    with pytest.raises(UsageError, match="sunglasses missing"):
        shipped_labels({name: 0.5 for name in ATTRIBUTES if name != "sunglasses"})


def test_a_later_label_of_a_name_replaces_the_earlier_in_its_place() -> None:
    hat = Label("hat", "hat", "face", 0.9, wearable=True, optional=False)
    joined = join_labels(SHIPPED, (RING,), (hat,))
    assert [label.name for label in joined] == [*(label.name for label in SHIPPED), "ring"]
    assert joined[0] == hat


def test_a_catalog_may_name_labels_and_items() -> None:
    assert set(catalog_labels(SHIPPED)) == set(LABELS)
    assert {"ring", "jewellery"} < set(catalog_labels(join_labels(SHIPPED, (RING,))))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Interior", "interior"),
        ("  Gold \t ring ", "gold ring"),
        ("MU\u0308TZE", "m\u00fctze"),  # as some disks keep it
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
    ],
)
def test_a_label_has_one_spelling(text: str, name: str) -> None:
    assert label_key(text) == label_name(text) == name


@given(st.text())
def test_the_one_spelling_stays_as_it_is(text: str) -> None:
    key = label_key(text)
    assert label_key(key) == key


@pytest.mark.parametrize("text", ["", "  ", "rings, gold", "rings;gold", "a|b", "tab\x07", "\udcff", "\u200b"])
def test_a_name_that_a_catalog_could_not_hold_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="rename it"):
        label_name(text)


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda label: label.name)
def test_a_shipped_label_that_is_trained_again_keeps_its_meaning(shipped: Label) -> None:
    assert trained_label(shipped.name, "face", threshold=0.5) == shipped


@pytest.mark.parametrize(
    ("name", "item", "wearable"),
    [("ring", None, False), ("ring", "hat", False), ("goatee", "beard", False), ("hat", None, True)],
)
def test_a_label_of_whole_images_is_wearable_only_where_it_ships(name: str, item: str, wearable: bool) -> None:
    assert trained_label(name, "image", threshold=0.5, item=item).wearable is wearable


@pytest.mark.parametrize(
    ("name", "item", "wearable"),
    [("ring", None, True), ("ring", "jewellery", True), ("goatee", "beard", False), ("stubble", "razor", False)],
)
def test_a_label_of_ones_own_is_its_own_item_or_the_one_that_is_named(name: str, item: str, wearable: bool) -> None:
    assert trained_label(name, "face", threshold=0.5, item=item) == Label(
        name, item or name, "face", 0.5, wearable=wearable, optional=False
    )
