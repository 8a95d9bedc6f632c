"""What the shipped fusion's card says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.tasks.reactions.fuse import FUSION
from postlens.types import EMOTIONS
from postlens.vision.zoo import load_spec


def test_no_emotion_is_found_from_a_probability_that_is_mostly_wrong() -> None:
    thresholds = load_spec(FUSION).thresholds
    assert set(thresholds) == set(EMOTIONS)
    assert min(thresholds.values()) >= 0.3  # probabilities are calibrated: below, two detections of three are wrong


@pytest.mark.parametrize("photos", ["all_photos", "photos_with_faces", "OASIS", "faces_without_a_scene"])
def test_every_score_of_the_card_lies_in_its_interval(photos: str) -> None:
    scores = load_spec(FUSION).metrics[photos]
    named = [name.removesuffix("_ci") for name in scores if name.endswith("_ci")]
    low, value, high = np.array([[scores[f"{n}_ci"][0], scores[n], scores[f"{n}_ci"][1]] for n in named]).T
    assert "ece" in named and (low <= value).all() and (value <= high).all()


def test_the_card_tells_of_the_emotion_found_wrongly_most_often() -> None:
    limits = load_spec(FUSION).limits
    assert "no threshold reaches it for other" in limits and "none was found" in limits
