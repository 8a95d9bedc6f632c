"""Which attributes of a face speak for which item that can be sold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
# What a catalog may name: an attribute, or an item for all attributes of it that are not optional.
LABELS = (*ATTRIBUTES, *(item for item in ITEMS if item not in ATTRIBUTES))
