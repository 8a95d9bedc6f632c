"""Fusion of scene and faces, detection by thresholds, and the forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from postlens.errors import SettingsError, ShapeError, UnknownNameError
from postlens.tasks.reactions.emoji import default_table, plain
from postlens.tasks.reactions.predict import FACE_SHARE, average_expression, detected, fuse, predict
from postlens.types import EMOTIONS, Faces, FloatArray

K = len(EMOTIONS)
QUICK = settings(deadline=None, max_examples=50)  # no deadline: machines under load stall
PROBS = arrays(np.float32, K, elements=st.floats(0, 1, width=32))
EVEN = np.full(K, 1 / K, np.float32)


def probs(**known: float) -> FloatArray:
    rest = (1 - sum(known.values())) / (K - len(known))
    return np.array([known.get(name, rest) for name in EMOTIONS], np.float32)


def faces(expressions: list[FloatArray], sides: list[float] | None = None, quality: list[float] | None = None) -> Faces:
    n = len(expressions)
    sides = sides or [100.0] * n
    return replace(
        Faces.none()[[0] * 0],
        xyxy_px=np.array([[0, 0, s, s] for s in sides], np.float32).reshape(n, 4),
        score=np.ones(n, np.float32),
        landmarks_px=np.zeros((n, 6, 2), np.float32),
        quality=np.array(quality or [1.0] * n, np.float32),
        frame=np.arange(n),
        pts_s=np.arange(n, dtype=np.float32),
        expression=np.stack(expressions) if n else np.zeros((0, K), np.float32),
    )


def test_without_faces_the_scene_decides_alone_and_the_forecast_says_so() -> None:
    for nobody in (None, Faces.none(), faces([])):
        forecast = predict("p", probs(sad=0.8), nobody)
        assert forecast.reader == "scene"
        assert forecast.emotions == ("sad",)
        assert forecast.probs["sad"] == pytest.approx(0.8)


def test_a_clear_face_outweighs_an_undecided_scene() -> None:
    forecast = predict("p", EVEN, faces([probs(happy=0.9)]))
    assert forecast.reader == "scene+faces"
    assert forecast.emotions[0] == "happy" and not forecast.low_confidence
    assert "😀" in forecast.allowed and "😢" in forecast.blocked


def test_faces_whose_expression_was_not_read_leave_the_scene_alone() -> None:
    unread = replace(faces([probs(happy=0.9)]), expression=None)
    assert predict("p", probs(sad=0.8), unread).reader == "scene"


def test_faces_without_quality_count_for_nothing() -> None:
    assert average_expression(faces([probs(happy=0.9)], quality=[0.0])) is None
    assert average_expression(faces([probs(happy=0.9)], sides=[0.0])) is None


def test_large_and_sharp_faces_count_more() -> None:
    pair = [probs(happy=0.9), probs(sad=0.9)]
    happy, sad = EMOTIONS.index("happy"), EMOTIONS.index("sad")
    for batch in (faces(pair, sides=[300, 50]), faces(pair, quality=[0.9, 0.2])):
        mean, trust = average_expression(batch) or (None, 0.0)
        assert mean is not None and mean[happy] > 2 * mean[sad]
        assert trust == pytest.approx(batch.quality.max())


def test_a_blurred_face_moves_the_scene_less_than_a_sharp_one() -> None:
    sharp, blurred = (predict("p", probs(sad=0.6), faces([probs(happy=0.9)], quality=[q])) for q in (1.0, 0.1))
    assert sharp.probs["happy"] > blurred.probs["happy"] > 0.05


def test_nothing_above_its_threshold_gives_the_highest_alone_with_low_confidence() -> None:
    forecast = predict("p", probs(fear=0.3), None)
    assert (forecast.emotions, forecast.low_confidence) == (("fear",), True)
    assert forecast.allowed == default_table().rules["fear"].allowed


def test_several_emotions_above_their_thresholds_all_count() -> None:
    forecast = predict("p", probs(happy=0.45, sad=0.4), None)
    assert forecast.emotions == ("happy", "sad")
    assert not forecast.low_confidence and "😂" not in forecast.allowed and "😂" in forecast.blocked


def test_thresholds_by_emotion_replace_the_default_where_given() -> None:
    scene = probs(happy=0.5, sad=0.3)
    assert predict("p", scene, None, thresholds={"sad": 0.25}).emotions == ("happy", "sad")
    assert predict("p", scene, None, thresholds={"happy": 0.6, "sad": 0.25}).emotions == ("sad",)
    assert predict("p", scene, None, thresholds=0.2).emotions == ("happy", "sad")


def test_the_policy_union_keeps_what_strict_takes_away() -> None:
    scene = probs(happy=0.45, sad=0.4)
    assert "😂" in predict("p", scene, None, policy="union").allowed


@pytest.mark.parametrize(
    ("scene", "options", "error", "words"),
    [
        (np.zeros(7), {}, ShapeError, r"scene_probs must have shape \(8,\)"),
        (np.full(K, 2.0), {}, ShapeError, "between 0 and 1"),
        (np.full(K, np.nan), {}, ShapeError, "between 0 and 1"),
        (EVEN, {"thresholds": 1.5}, SettingsError, "between 0 and 1"),
        (EVEN, {"thresholds": {"glad": 0.5}}, UnknownNameError, "glad"),
    ],
)
def test_wrong_input_is_refused(scene, options, error, words) -> None:
    with pytest.raises(error, match=words):
        predict("p", scene, None, **options)


@QUICK
@given(PROBS, st.lists(PROBS, max_size=4), st.floats(0, 1))
def test_every_forecast_is_whole(scene: FloatArray, shown: list[FloatArray], threshold: float) -> None:
    forecast = predict("p", scene, faces(shown), thresholds=threshold)
    assert tuple(forecast.probs) == EMOTIONS and all(0 <= p <= 1 for p in forecast.probs.values())
    assert forecast.emotions and set(forecast.emotions) <= set(EMOTIONS)
    assert not {plain(e) for e in forecast.allowed} & {plain(e) for e in forecast.blocked}
    assert forecast.low_confidence == (max(forecast.probs.values()) < np.float32(threshold))


@QUICK
@given(st.lists(PROBS, min_size=1, max_size=5), st.randoms())
def test_the_order_of_faces_never_matters(shown: list[FloatArray], random) -> None:
    batch = faces(shown, sides=[10.0 * (i + 1) for i in range(len(shown))])
    order = list(range(len(shown)))
    random.shuffle(order)
    one, other = average_expression(batch), average_expression(batch[order])
    assert one is not None and other is not None
    np.testing.assert_allclose(one[0], other[0], rtol=1e-4, atol=1e-6)


@QUICK
@given(PROBS, PROBS, st.floats(0, 1))
def test_a_fused_distribution_sums_to_one(scene: FloatArray, shown: FloatArray, weight: float) -> None:
    assert fuse(scene, shown, weight=weight).sum() == pytest.approx(1, abs=1e-4)


def test_fusion_is_the_weighted_geometric_mean() -> None:
    scene, shown = probs(sad=0.5), probs(happy=0.7)
    want = scene ** (1 - FACE_SHARE) * shown**FACE_SHARE
    np.testing.assert_allclose(fuse(scene, shown), want / want.sum(), rtol=1e-5)


def test_detected_emotions_come_in_order_of_probability() -> None:
    assert detected(probs(sad=0.4, fear=0.45), dict.fromkeys(EMOTIONS, 0.35)) == ("fear", "sad")
