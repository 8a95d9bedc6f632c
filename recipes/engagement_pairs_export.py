"""Weights of the image ranker to its ONNX graph and card; used by `recipes/engagement_pairs.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from postlens.tasks.engagement.ranking import PAIR_SLOPE, RANK_MEASURES, RANK_MODEL
from postlens.types import ModelSpec
from postlens.vision.cards import known, write_card
from postlens.vision.session import Session
from postlens.vision.zoo import WEIGHTS

PARITY = 1e-4
OPSET, IR_VERSION = 17, 8
PHOTO_PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)
N_SOURCE_FOLDS = 5
OUTPUTS = ("score", "thumbnail_score")
PAPER = "Bradley and Terry 1952, Biometrika 39; Burges et al. 2005, Learning to rank using gradient descent (ICML)"
LIMITS = (
    "Orders photos of one account by likes; between accounts its scores mean nothing. Trained on 42-pixel thumbnails "
    "of Instagram posts of 2015-2019 by accounts of 1,000 and more followers. Only a little better than a guess: see "
    "pair_accuracy; near ties are a guess. A good part is the shape: upright photos got more. Scores of whole "
    "photographs are those of thumbnails, guessed from the photograph's embedding; no likes of whole photographs were "
    "at hand."
)
Float = NDArray[np.float64]


def photo_weights(photos: Float, copies: Float, source: NDArray[Any], weights: Float) -> tuple[Float, dict[str, float]]:
    """Weights (D,) that give from a photo's embedding what `weights` give from its 42 px copy, by ridge regression.

    Also correlations of the embedding's part of the score, sources held out: of the untouched weights and of the new.
    The penalty with the best correlation is taken; five penalties are too few to make that a favour.
    """
    wanted = copies @ weights
    fold = np.random.default_rng(0).permutation(int(source.max()) + 1)[source] % N_SOURCE_FOLDS
    found = {}
    for penalty in PHOTO_PENALTIES:
        guess = np.zeros(len(photos))
        for k in range(N_SOURCE_FOLDS):
            train = fold != k
            guess[~train] = (photos[~train] - photos[train].mean(0)) @ _map(photos[train], wanted[train], penalty)
        found[penalty] = float(np.corrcoef(guess, wanted)[0, 1])
    best = max(found, key=lambda penalty: found[penalty])
    plain = float(np.corrcoef(photos @ weights, wanted)[0, 1])
    agreement = {
        "embedding's score, weights as trained": plain,
        "embedding's score, weights for photographs": found[best],
    }
    return _map(photos, wanted, best), {name: round(r, 4) for name, r in agreement.items()}


def _map(x: Float, y: Float, penalty: float) -> Float:
    centred = x - x.mean(0)
    return np.asarray(np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (y - y.mean())))


def build_graph(means: Float, weights: Float) -> bytes:
    """`features` (N, F) to OUTPUTS (N, 1): per output, features less their means, by weights; NaN counts as the mean.

    means, weights: (F, 2), a column for each output.
    """
    nodes, constants = [helper.make_node("IsNaN", ["features"], ["unknown"])], []
    for i, name in enumerate(OUTPUTS):
        constants += [
            numpy_helper.from_array(means[None, :, i].astype(np.float32), f"{name}_mean"),
            numpy_helper.from_array(weights[:, i : i + 1].astype(np.float32), f"{name}_weights"),
        ]
        nodes += [
            helper.make_node("Where", ["unknown", f"{name}_mean", "features"], [f"{name}_known"]),
            helper.make_node("Sub", [f"{name}_known", f"{name}_mean"], [f"{name}_centred"]),
            helper.make_node("MatMul", [f"{name}_centred", f"{name}_weights"], [name]),
        ]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(means)])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in OUTPUTS]
    graph = helper.make_graph(nodes, RANK_MODEL, inputs, outputs, constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="postlens")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def export_ranker(
    *,
    vectors: Float,
    vector_means: Float,
    measures: Float,
    measure_mean: Float,
    slope: float,
    rows: Sequence[Mapping[str, Any]],
    agreement: Mapping[str, float],
    manifests: tuple[str, ...],
) -> tuple[ModelSpec, float]:
    """Write graph and card; (spec, largest difference from numpy). vectors, vector_means: (D, 2) as OUTPUTS."""
    means = np.vstack([vector_means, np.repeat(measure_mean[:, None], 2, axis=1)])
    weights = np.vstack([vectors, np.repeat(measures[:, None], 2, axis=1)])
    data, path = build_graph(means, weights), WEIGHTS / f"{RANK_MODEL}.onnx"
    path.write_bytes(data)
    spec = ModelSpec(
        name=RANK_MODEL,
        version="1",
        task="engagement",
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        licence="Apache-2.0 (trained by recipes/engagement_pairs.py; the data is for research only)",
        source="recipes/engagement_pairs.py: logistic loss on pairs of one account's posts",
        paper=PAPER,
        input_size=(len(means),),
        outputs=OUTPUTS,
        labels=RANK_MEASURES,
        limits=LIMITS,
        trained_on=("instagram_posts: 17,698 posts of 7,313 accounts with 42 px thumbnails (research use)",),
        train_manifests=manifests,
        thresholds={PAIR_SLOPE: round(slope, 4)},
        metrics=_metrics(rows, agreement),
    )
    write_card(spec, path.with_suffix(".toml"))
    x = np.random.default_rng(0).random((50, len(means))).astype(np.float32)
    x[::5, ::3] = np.nan
    got = Session(spec, path).run({"features": x})
    want = [np.where(np.isnan(x), 0.0, x - means[:, i]) @ weights[:, i] for i in range(2)]
    return spec, float(max(np.abs(got[name][:, 0] - want[i]).max() for i, name in enumerate(OUTPUTS)))


def _metrics(rows: Sequence[Mapping[str, Any]], agreement: Mapping[str, float]) -> dict[str, Any]:
    """Held-out scores of pixels alone, and beside what else is known of a post."""
    names = ("n_pairs", "n_accounts", "pair_accuracy", "pair_accuracy_ci", "ece", "log_loss")
    cases = {
        "held_out_accounts": ("pixels", "calibration"),
        "held_out_accounts_likes_within_1.25": ("pixels", "ratio of likes 1-1.25"),
        "held_out_accounts_likes_3_times_or_more": ("pixels", "ratio of likes 3-inf"),
        "beside_caption_tags_and_description": ("pixels + caption + tags + description", "calibration"),
    }
    found = {
        key: known({name: row.get(name) for name in names})
        for key, place in cases.items()
        for row in rows
        if (row["case"], row.get("pairs")) == place
    }
    of_photos, as_trained = (
        agreement.values(),
        ("correlation_of_embedding_score_as_trained", "correlation_of_embedding_score"),
    )
    return {**found, "photographs_beside_their_42_px_copies": dict(zip(as_trained, of_photos, strict=True))}
