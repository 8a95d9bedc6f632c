"""Squares of heads and images, as nets of product models take them."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.tasks.products.pixels import SQUARE_PX, head_squares, image_square, net_input, read_squares
from postlens.types import Faces
from postlens.vision.zoo import open_card

from ...runs import write_colour_net
from ...test_types import faces

LABELS = ("red", "green", "blue")
ORANGE = np.broadcast_to(np.array([255, 127.5, 0]).astype(np.uint8), (SQUARE_PX, SQUARE_PX, 3))


def nets(folder, *names, **card):
    for name in names:
        write_colour_net(folder, name, labels=LABELS, **card)
    return [open_card(folder / f"{name}.toml") for name in names]


@pytest.mark.parametrize(("order", "expected"), [("RGB", (1, 0.5, 0)), ("BGR", (0, 0.5, 1))])
def test_a_net_takes_channels_in_the_order_of_its_card(order, expected, tmp_path):
    (net,) = nets(tmp_path, "net", channel_order=order)
    assert read_squares([ORANGE], [net])[0] == pytest.approx(expected, abs=0.01)


def test_the_probabilities_of_several_nets_are_averaged(tmp_path):
    both = [*nets(tmp_path, "rgb", channel_order="RGB"), *nets(tmp_path, "bgr", channel_order="BGR")]
    assert read_squares([ORANGE] * 5, both) == pytest.approx(np.full((5, 3), 0.5), abs=0.01)


def test_nothing_to_read_gives_no_rows(tmp_path):
    assert read_squares([], nets(tmp_path, "net")).shape == (0, 3)


@pytest.mark.parametrize("side", [16, SQUARE_PX])
def test_each_net_gets_the_square_at_its_own_size(side, tmp_path):
    (net,) = nets(tmp_path, "net", size_px=side)
    assert net_input(ORANGE, net.spec).shape == (3, side, side)


def test_squares_of_heads_and_images_have_one_size():
    image = np.full((300, 400, 3), 90, np.uint8)
    assert [one.shape for one in head_squares(image, faces(2))] == [(SQUARE_PX, SQUARE_PX, 3)] * 2
    assert image_square(image).shape == (SQUARE_PX, SQUARE_PX, 3)
    assert head_squares(image, Faces.none()) == []
