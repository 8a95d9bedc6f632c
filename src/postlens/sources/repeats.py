"""Rows of one post to one post: the rule for tables that name a post several times, in stores and in training alike.

The latest observation counts where `observed_at` is known, else the last row; a row without a time counts as observed
now, that is after those with one. A figure or text that a later row lacks stays that of an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping


def differing(first: Mapping[str, float], second: Mapping[str, float]) -> list[str]:
    """Names of figures that both know and that are not the same."""
    return [name for name in first if name in second and first[name] != second[name]]
