"""Labels of models and the items they speak for."""

from __future__ import annotations

import pytest

from postlens.errors import UsageError
from postlens.tasks.products.items import LABELS, Label, by_item, catalog_labels, join_labels, shipped_labels
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
