"""Readings of scene and faces to a forecast: who answers, what is detected, which emoji fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import SettingsError, ShapeError, UnknownNameError
from postlens.tasks.reactions.emoji import default_table, plain
from postlens.tasks.reactions.fuse import FUSION
from postlens.tasks.reactions.predict import DEFAULT_THRESHOLD, detected, predict
from postlens.types import EMOTIONS, Faces, FloatArray
from postlens.vision.zoo import load_spec
from tests.tasks.reactions.readings import EVEN, PROBS, K, faces, probs, scene

QUICK = settings(deadline=None, max_examples=50)  # no deadline: machines under load stall
NO_FACES = (None, Faces.none(), faces([]))


@pytest.mark.parametrize("nobody", NO_FACES)
def test_without_faces_the_scene_answers_alone_and_the_forecast_says_so(nobody: Faces | None) -> None:
    forecast = predict("p", scene(sad=0.9), nobody)
    assert (forecast.reader, forecast.decided_by, forecast.n_faces) == ("scene", "scene", 0)
    assert forecast.emotions[0] == "sad"
    assert (forecast.valence, forecast.arousal) == (4.0, 3.0)


def test_without_a_scene_the_faces_answer_alone() -> None:
    forecast = predict("p", None, faces([probs(happy=0.9)]))
    assert (forecast.reader, forecast.decided_by, forecast.n_faces) == ("faces", "faces", 1)
    assert forecast.emotions[0] == "happy" and forecast.valence is None


def test_a_clear_face_outweighs_an_undecided_scene() -> None:
    forecast = predict("p", scene(), faces([probs(happy=0.9)]))
    assert (forecast.reader, forecast.decided_by) == ("scene+faces", "faces")
    assert forecast.emotions[0] == "happy" and not forecast.low_confidence
    assert "😀" in forecast.allowed and "😢" in forecast.blocked


def test_readers_that_agree_both_decide() -> None:
    forecast = predict("p", scene(happy=0.8), faces([probs(happy=0.8)]))
    assert forecast.emotions[0] == "happy" and forecast.decided_by == "both"


def test_the_scene_decides_against_faces_of_poor_quality() -> None:
    forecast = predict("p", scene(sad=0.9), faces([probs(neutral=0.4)], quality=[0.05]))
    assert forecast.emotions[0] == "sad" and forecast.decided_by == "scene"


def test_a_trained_model_answers_in_place_of_the_readers() -> None:
    forecast = predict("p", scene(sad=0.9), faces([probs(sad=0.9)]), model_probs=probs(happy=0.8), thresholds=0.5)
    assert (forecast.reader, forecast.decided_by, forecast.emotions) == ("model", "model", ("happy",))
    assert forecast.valence == 4.0
    assert predict("p", None, None, model_probs=probs(happy=0.8)).valence is None


def test_faces_whose_expression_was_not_read_leave_the_scene_alone() -> None:
    assert predict("p", scene(sad=0.8), faces([probs(happy=0.9)], read=False)).reader == "scene"


def test_nothing_above_its_threshold_gives_the_highest_alone_with_low_confidence() -> None:
    forecast = predict("p", None, None, model_probs=probs(fear=0.3), thresholds=0.35)
    assert (forecast.emotions, forecast.low_confidence) == (("fear",), True)
    assert forecast.allowed == default_table().rules["fear"].allowed


def test_several_emotions_above_their_thresholds_all_count() -> None:
    forecast = predict("p", None, None, model_probs=probs(happy=0.45, sad=0.4), thresholds=0.35)
    assert forecast.emotions == ("happy", "sad")
    assert not forecast.low_confidence and "😂" not in forecast.allowed and "😂" in forecast.blocked


def test_one_threshold_holds_for_all_and_is_told() -> None:
    assert predict("p", scene(), None, thresholds=0.35).thresholds == dict.fromkeys(EMOTIONS, 0.35)


@pytest.mark.parametrize("threshold", [np.float32(0.25), np.float64(0.25), np.array(0.25)])
def test_a_threshold_may_be_a_number_of_numpy(threshold) -> None:
    assert predict("p", scene(), None, thresholds=threshold).thresholds == dict.fromkeys(EMOTIONS, 0.25)


def test_thresholds_by_emotion_replace_the_default_where_given() -> None:
    own = {"happy": 0.6, "sad": 0.25}
    forecast = predict("p", None, None, model_probs=probs(happy=0.5, sad=0.3), thresholds=own)
    assert forecast.emotions == ("sad",)
    assert forecast.thresholds == dict.fromkeys(EMOTIONS, DEFAULT_THRESHOLD) | own
    card = load_spec(FUSION).thresholds
    assert predict("p", scene(), None, thresholds=own).thresholds == dict(card) | own
    assert predict("p", scene(), None).thresholds == card


def test_the_policy_union_keeps_what_strict_takes_away() -> None:
    given = probs(happy=0.45, sad=0.4)
    assert "😂" in predict("p", None, None, model_probs=given, thresholds=0.35, policy="union").allowed


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model_probs": np.zeros(7)}, ShapeError, r"model_probs must have shape \(8,\)"),
        ({"model_probs": np.full(K, 2.0)}, ShapeError, "between 0 and 1"),
        ({"model_probs": np.full(K, np.nan)}, ShapeError, "between 0 and 1"),
        ({}, ShapeError, "got none"),
        ({"model_probs": EVEN, "thresholds": 1.5}, SettingsError, "between 0 and 1"),
        ({"model_probs": EVEN, "thresholds": {"glad": 0.5}}, UnknownNameError, "glad"),
    ],
)
def test_wrong_input_is_refused(options, error, words) -> None:
    with pytest.raises(error, match=words):
        predict("p", None, None, **options)


@QUICK
@given(PROBS, st.lists(PROBS, max_size=4), st.floats(0, 1))
def test_every_forecast_is_whole(said: FloatArray, shown: list[FloatArray], threshold: float) -> None:
    forecast = predict("p", scene(said), faces(shown), thresholds=threshold)
    assert tuple(forecast.probs) == EMOTIONS and all(0 <= p <= 1 for p in forecast.probs.values())
    assert forecast.emotions and set(forecast.emotions) <= set(EMOTIONS)
    assert not {plain(e) for e in forecast.allowed} & {plain(e) for e in forecast.blocked}
    assert forecast.low_confidence == (max(forecast.probs.values()) < threshold)


def test_detected_emotions_come_in_order_of_probability() -> None:
    assert detected(probs(sad=0.4, fear=0.45), dict.fromkeys(EMOTIONS, 0.35)) == ("fear", "sad")
