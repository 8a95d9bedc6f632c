"""Expressions of many faces to one, and scene and faces to eight probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import ShapeError
from postlens.tasks.reactions.fuse import fuse, pool_expressions
from postlens.types import EMOTIONS, Faces, FloatArray
from tests.tasks.reactions.readings import EVEN, PROBS, faces, probs, scene

QUICK = settings(deadline=None, max_examples=50)  # no deadline: machines under load stall
HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


@pytest.mark.parametrize("weak", [{"quality": [0.0]}, {"sides": [0.0]}, {"read": False}])
def test_faces_without_quality_size_or_expression_count_for_nothing(weak: dict[str, list[float]]) -> None:
    assert pool_expressions(faces([probs(happy=0.9)], **weak)) is None
    assert pool_expressions(None) is None and pool_expressions(Faces.none()) is None


@pytest.mark.parametrize("weak", [{"sides": [300, 50]}, {"quality": [0.9, 0.2]}])
def test_large_and_sharp_faces_count_more(weak: dict[str, list[float]]) -> None:
    batch = faces([probs(happy=0.9), probs(sad=0.9)], **weak)
    shown = pool_expressions(batch)
    assert shown is not None and shown.n_faces == 2
    assert shown.probs[HAPPY] > 2 * shown.probs[SAD]
    assert shown.trust == pytest.approx(batch.quality.max())


def test_a_person_seen_for_long_does_not_outvote_another() -> None:
    shown = pool_expressions(faces([probs(happy=0.9)] * 9 + [probs(sad=0.9)], tracks=[4] * 9 + [7]))
    assert shown is not None and shown.n_faces == 2
    assert shown.probs[HAPPY] == pytest.approx(shown.probs[SAD], abs=1e-5)


def test_expressions_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"faces\.expression must be probabilities"):
        pool_expressions(faces([probs() * 9]))


@QUICK
@given(st.lists(PROBS, min_size=1, max_size=5), st.randoms())
def test_the_order_of_faces_never_matters(shown: list[FloatArray], random) -> None:
    batch = faces(shown, sides=[10.0 * (i + 1) for i in range(len(shown))])
    order = list(range(len(shown)))
    random.shuffle(order)
    one, other = pool_expressions(batch), pool_expressions(batch[order])
    assert one is not None and other is not None
    np.testing.assert_allclose(one.probs, other.probs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("quality", [1.0, 0.1])
def test_without_a_scene_the_pooled_expression_itself_answers(quality: float) -> None:
    shown = pool_expressions(faces([probs(happy=0.7), probs(sad=0.4)], quality=[quality, quality]))
    assert shown is not None
    assert fuse(None, shown) == pytest.approx(shown.probs)


def test_a_blurred_face_moves_the_scene_less_than_a_sharp_one() -> None:
    alone = fuse(scene(sad=0.6), None)[HAPPY]
    sharp, blurred = (
        fuse(scene(sad=0.6), pool_expressions(faces([probs(happy=0.9)], quality=[q])))[HAPPY] for q in (1.0, 0.1)
    )
    assert sharp > blurred > alone


@QUICK
@given(PROBS, PROBS, st.floats(0.01, 1))
def test_fused_probabilities_are_probabilities(said: FloatArray, shown: FloatArray, quality: float) -> None:
    fused = fuse(scene(said), pool_expressions(faces([shown], quality=[quality])))
    assert fused.shape == EVEN.shape and ((fused >= 0) & (fused <= 1)).all()
