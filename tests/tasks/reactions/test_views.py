"""Views of a scene."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.reactions.views import N_VIEWS, ZOOMS, scene_views

IMAGE = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)


def test_views_are_the_image_its_mirror_image_and_its_middle() -> None:
    whole, mirrored, *zoomed = scene_views(IMAGE)
    assert len(zoomed) + 2 == N_VIEWS
    assert np.array_equal(whole, IMAGE) and np.array_equal(mirrored[:, ::-1], IMAGE)
    assert [view.shape for view in zoomed] == [(round(40 * z), round(60 * z), 3) for z in ZOOMS]
    assert all(np.array_equal(view[0, 0], IMAGE[(40 - len(view)) // 2, (60 - view.shape[1]) // 2]) for view in zoomed)


def test_the_smallest_image_has_views() -> None:
    assert {view.shape for view in scene_views(IMAGE[:1, :1])} == {(1, 1, 3)}


@pytest.mark.parametrize("image", [IMAGE[..., 0], IMAGE.astype(np.float32), IMAGE[..., :2]])
def test_what_is_no_image_is_refused(image) -> None:
    with pytest.raises(ShapeError, match="uint8"):
        scene_views(image)
