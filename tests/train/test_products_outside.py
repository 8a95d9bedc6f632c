"""What a model calls on the sample photos to a warning."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.train.products_outside import Outside, measure_outside


@pytest.mark.parametrize(
    ("called", "told"),
    [
        ({"ring": 0.0, "star": 0.19}, ""),
        ({"ring": 1.0, "star": 0.1}, "calls ring in 100% of 29 photos unlike yours"),
        ({"ring": 1.0, "star": 0.5}, "calls ring in 100%, star in 50% of 29 photos"),
    ],
)
def test_labels_that_are_called_often_are_warned_of(called, told):
    warning = Outside(29, called).warning
    assert warning.startswith(told)
    assert bool(warning) == bool(told)


def test_the_share_called_is_that_of_the_sample_photos():
    found = measure_outside(
        lambda vectors: np.tile([0.9, 0.1], (len(vectors), 1)), "image", labels=["a", "b"], thresholds=[0.9, 0.2]
    )
    assert (found.n, found.called) == (29, {"a": 1.0, "b": 0.0})
