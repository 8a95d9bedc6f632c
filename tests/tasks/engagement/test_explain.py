import base64
import json
import zlib

import numpy as np
import pytest

from postlens.errors import ModelError
from postlens.tasks.engagement.explain import TREES, Explainer


@pytest.fixture(scope="module")
def booster():
    """Trees on four features, with missing values in two of them."""
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(7)
    x = rng.normal(size=(600, 4)).astype(np.float32)
    x[rng.random(600) < 0.3, 1] = np.nan
    y = x[:, 0] * np.nan_to_num(x[:, 1]) + (x[:, 2] > 0.5) + 0.1 * rng.normal(size=600)
    params = {"num_leaves": 12, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train(params, lightgbm.Dataset(x, y), 25), x


def trees_of(model):
    return [one["tree_structure"] for one in model.dump_model()["tree_info"]]


def test_contributions_are_those_of_lightgbm(booster):
    model, x = booster
    explainer = Explainer.of(trees_of(model), n_features=4)
    rows = x[:40].copy()
    rows[:5, 3] = np.nan  # never missing in training
    theirs = model.predict(rows, pred_contrib=True)
    assert explainer.expected == pytest.approx(theirs[0, 4], abs=1e-9)
    np.testing.assert_allclose([explainer.explain(row) for row in rows], theirs[:, :4], atol=1e-9)


def test_contributions_sum_to_the_answer_less_what_is_expected(booster):
    model, x = booster
    explainer = Explainer.of(trees_of(model), n_features=4)
    added = [explainer.explain(row).sum() + explainer.expected for row in x[:20]]
    np.testing.assert_allclose(added, model.predict(x[:20]), atol=1e-9)


def test_a_lone_leaf_adds_nothing():
    explainer = Explainer.of([{"leaf_value": 0.3, "leaf_count": 9}], n_features=2)
    assert explainer.expected == pytest.approx(0.3)
    assert explainer.explain(np.zeros(2, np.float32)).tolist() == [0, 0]


def packed(text: str) -> dict[str, str]:
    return {TREES: base64.b64encode(zlib.compress(text.encode())).decode()}


def test_trees_are_read_from_the_metadata_of_a_file():
    found = Explainer.read(packed(json.dumps([{"leaf_value": 2.0, "leaf_count": 4}])), n_features=1)
    assert found is not None
    assert found.expected == 2.0


def test_a_model_without_trees_explains_nothing():
    assert Explainer.read({}, n_features=3) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {TREES: "no base64!"},
        {TREES: base64.b64encode(b"not packed").decode()},
        packed("{"),
        packed('[{"split_feature": 0}]'),
        packed("[3]"),
    ],
)
def test_damaged_trees_are_told(metadata):
    with pytest.raises(ModelError, match="train it again"):
        Explainer.read(metadata, n_features=3)
