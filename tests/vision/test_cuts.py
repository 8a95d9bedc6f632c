"""Cuts: seen by their colours, and put between the closest frames around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.types import Image
from postlens.vision.cuts import Picture, colour_change, colours, cut_pairs, is_cut, place_cut, worth_keeping


def plain(*rgb: int) -> Image:
    return np.full((36, 64, 3), rgb, np.uint8)


RED, BLUE = plain(200, 30, 30), plain(30, 30, 200)


def test_colours_are_shares_of_the_picture() -> None:
    assert colours(RED).sum() == pytest.approx(1)
    assert (colours(RED) > 0).sum() == 1


@given(seed=st.integers(0, 99), other=st.integers(0, 99))
def test_change_is_symmetric_between_0_and_1_and_0_for_the_same_picture(seed: int, other: int) -> None:
    first, second = (colours(np.random.default_rng(s).integers(0, 256, (9, 16, 3), np.uint8)) for s in (seed, other))
    assert colour_change(first, second) == pytest.approx(colour_change(second, first))
    assert -1e-6 <= colour_change(first, second) <= 1 + 1e-6
    assert colour_change(first, first) == 0


def test_what_moves_in_a_shot_is_no_cut() -> None:
    before, after = BLUE.copy(), BLUE.copy()
    before[5:20, 5:20], after[10:25, 30:45] = 250, 250
    assert not is_cut(colours(before), colours(after))
    assert not worth_keeping(before, after)


def test_other_colours_are_a_cut() -> None:
    assert is_cut(colours(RED), colours(BLUE))
    assert worth_keeping(RED, BLUE)
    assert cut_pairs([RED, RED, BLUE, BLUE, RED]) == [1, 3]


@pytest.mark.parametrize("n_old", [0, 1, 2, 3])
def test_a_cut_is_put_before_the_first_frame_like_the_new_shot(n_old: int) -> None:
    inside = [Picture(RED if k < n_old else BLUE, 0.25 * (k + 1)) for k in range(3)]
    assert place_cut(Picture(RED, 0), Picture(BLUE, 1), inside) == (0.25 * n_old, 0.25 * (n_old + 1))


def test_bars_do_not_hide_a_cut() -> None:
    barred = [np.zeros((36, 64, 3), np.uint8) for _ in range(2)]
    noise = np.random.default_rng(0).integers(0, 40, (36, 12, 3), np.uint8)
    barred[0][:, 26:38], barred[1][:, 26:38] = 60 + noise, 200 + noise
    assert colour_change(*map(colours, barred)) > 0.9
