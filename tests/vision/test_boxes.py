"""Overlap of boxes."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.vision.boxes import box_iou

BOX = np.array([[0, 0, 10, 10]], np.float32)


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        ((0, 0, 10, 10), 1.0),
        ((20, 0, 30, 10), 0.0),
        ((10, 0, 20, 10), 0.0),
        ((0, 0, 10, 5), 0.5),
        ((5, 0, 15, 10), 1 / 3),
        ((5, 5, 5, 5), 0.0),
        ((10, 10, 0, 0), 0.0),
    ],
)
def test_overlap_is_intersection_over_union(other, overlap):
    found = box_iou(BOX, np.array([other], np.float32))
    assert found.shape == (1, 1) and found.dtype == np.float32
    assert found[0, 0] == pytest.approx(overlap)


def test_every_box_is_compared_with_every_other():
    assert box_iou(np.zeros((2, 4)), np.zeros((3, 4))).shape == (2, 3)
    assert box_iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
