"""The shipped attributes head: its card, its form, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.products.features import LOOK
from postlens.tasks.products.predict import MODEL, predict_attributes
from postlens.types import ATTRIBUTES
from postlens.vision.session import Session
from postlens.vision.zoo import load_spec, open_model


@pytest.fixture(scope="module")
def head() -> Session:
    return open_model(MODEL)


def features(n: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).gamma(0.5, 1.0, size=(n, width)).astype(np.float32)


def test_the_head_reads_the_looks_of_its_net(head: Session) -> None:
    look = load_spec(LOOK)
    assert head.spec.input_size == (look.dim,)
    assert look.fingerprint in head.spec.upstream


def test_the_card_has_a_threshold_and_held_out_scores_for_each_label(head: Session) -> None:
    for label in ATTRIBUTES:
        assert 0 < head.spec.thresholds[label] < 1
        low, high = head.spec.metrics[label]["auc_ci"]
        assert 0.5 < low < head.spec.metrics[label]["auc"] < high


def test_probabilities_are_one_row_per_face(head: Session) -> None:
    probs = predict_attributes(features(3, head.spec.input_size[0]), head)
    assert probs.shape == (3, len(ATTRIBUTES))
    assert probs.dtype == np.float32
    assert ((probs >= 0) & (probs <= 1)).all()


def test_each_face_is_read_by_itself(head: Session) -> None:
    x = features(4, head.spec.input_size[0])
    rows = np.concatenate([predict_attributes(x[i : i + 1], head) for i in range(4)])
    np.testing.assert_allclose(predict_attributes(x, head), rows, atol=1e-5)


def test_no_faces_give_no_rows(head: Session) -> None:
    assert predict_attributes(features(0, head.spec.input_size[0]), head).shape == (0, len(ATTRIBUTES))


def test_other_features_or_models_are_refused(head: Session) -> None:
    with pytest.raises(ShapeError, match="features"):
        predict_attributes(features(1, 7), head)
    with pytest.raises(ShapeError, match="labels"):
        predict_attributes(features(1, 7), open_model("efficientnet_lite0"))
