"""Templates to identity vectors, and distances to error rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from postlens.vision.templates import MATCH, SAME_PERSON, STRICT, TEMPLATE, TRACK, false_match_rate, identity_vectors
from postlens.vision.zoo import load_spec

NUMBERS = st.integers(-256, 256).map(lambda n: n / 128)  # none so small that half of it is another number or 0
TEMPLATES = arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(8)), elements=NUMBERS)


@given(TEMPLATES)
def test_identity_vectors_have_unit_length_or_are_zero(templates):
    lengths = np.linalg.norm(identity_vectors(templates), axis=1)
    assert lengths == pytest.approx((templates != 0).any(axis=1).astype(float), abs=1e-5)


@given(TEMPLATES, st.floats(0.5, 3))
def test_the_length_of_a_template_does_not_count(templates, factor):
    np.testing.assert_allclose(identity_vectors(templates * factor), identity_vectors(templates), atol=1e-5)


def test_the_stricter_the_question_the_smaller_the_distance():
    thresholds = load_spec(TEMPLATE).thresholds
    assert 0 < thresholds[STRICT] < thresholds[MATCH] < thresholds[SAME_PERSON] < 2**0.5
    assert thresholds[MATCH] < thresholds[TRACK] < 2**0.5


@given(st.floats(0, 2), st.floats(0, 2))
def test_farther_faces_match_falsely_more_often(first, second):
    near, far = sorted((first, second))
    assert 0 < false_match_rate(near) <= false_match_rate(far) <= 1


def test_a_rate_of_which_nothing_was_seen_is_an_upper_bound():
    n_pairs = load_spec(TEMPLATE).metrics["false_matches"]["n_pairs"]
    assert false_match_rate(0.0) == pytest.approx(3 / n_pairs, rel=1e-3)


def test_people_in_a_store_are_told_apart_by_a_lower_rate_than_two_photos():
    thresholds = load_spec(TEMPLATE).thresholds
    assert false_match_rate(thresholds[MATCH]) < 1e-4 < false_match_rate(thresholds[SAME_PERSON]) < 0.05
