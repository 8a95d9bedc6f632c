"""Three boosted quantile models and their margins to engagement.onnx with its card, compared with LightGBM."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ModelError
from postlens.tasks.engagement import ENGAGEMENT_MODEL
from postlens.tasks.engagement.features import FEATURES
from postlens.train.engagement_fit import QUANTILES, Boosters, predict
from postlens.train.engagement_margins import least_tree, margin_tree
from postlens.train.engagement_trees import build_model, run_trees, scaled
from postlens.types import ModelSpec
from postlens.vision.cards import write_card
from postlens.vision.session import Session

# Largest difference in log(1 + likes). Sums of 400 float32 leaves differ by 1e-6; above 1e-4 a branch means something
# else in the exported file.
PARITY = 1e-4
N_PROBES = 4000  # rows compared at most
PAPER = "Ke et al. 2017, LightGBM (NeurIPS); Romano et al. 2019, arXiv:1905.03222 (conformal margins)"
Float = NDArray[np.float64]


def export_accounts(
    boosters: Boosters, margin: Float, card: Mapping[str, Any], *, folder: Path, probe: NDArray[np.float32]
) -> tuple[ModelSpec, float]:
    """Write the graph and its card into `folder`; (spec, largest difference from LightGBM).

    Args:
        margin: (N_BANDS,) as `engagement_margins.margins`.
        card: licence, source, limits, thresholds, metrics, trained_on and the like.
        probe: rows (N, F) to compare on, with NaN among them.

    Raises `ModelError`, and removes the file, where it does not compute what LightGBM does.
    """
    tree = margin_tree(margin)
    dumped = {name: _trees(boosters[name]) for name in QUANTILES}
    ensembles = {**dumped, "lower": [*dumped["lower"], scaled(tree, -1.0)], "upper": [*dumped["upper"], tree]}
    data = build_model(
        ENGAGEMENT_MODEL, ensembles, n_features=len(FEATURES), median_trees=dumped["median"], least=least_tree()
    )
    path = folder / f"{ENGAGEMENT_MODEL}.onnx"
    path.write_bytes(data)
    spec = ModelSpec(
        **{"version": "1", "task": "engagement", "paper": PAPER, "labels": FEATURES, **card},
        name=ENGAGEMENT_MODEL,
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        input_size=(len(FEATURES),),
        outputs=tuple(QUANTILES),
    )
    worst = parity(Session(spec, path), boosters, tree, probe[:N_PROBES])
    if not worst <= PARITY:
        path.unlink()
        raise ModelError(f"{path.name}: expected what LightGBM computes within {PARITY}, got {worst:.1e} off")
    write_card(spec, path.with_suffix(".toml"))
    return spec, worst


def _trees(booster: Any) -> list[dict[str, Any]]:
    return [info["tree_structure"] for info in booster.dump_model()["tree_info"]]


def parity(session: Session, boosters: Boosters, margin: Mapping[str, Any], x: NDArray[np.float32]) -> float:
    """Largest difference between the graph and LightGBM, NaN in the rows included."""
    by, least, middle = run_trees([margin], x), run_trees([least_tree()], x), predict(boosters["median"], x)
    want = {
        "lower": np.minimum(predict(boosters["lower"], x) - by, middle - least),
        "median": middle,
        "upper": np.maximum(predict(boosters["upper"], x) + by, middle + least),
    }
    got = session.run({"features": x})
    return float(max(np.abs(got[name][:, 0] - value).max() for name, value in want.items()))
