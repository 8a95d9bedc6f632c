"""The trees of the median and one row of features to what each feature added: exact path-dependent TreeSHAP.

Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees" (Nature Machine
Intelligence 2), algorithm 1: what is unknown follows both branches in proportion to the training rows. For one leaf
with value v, and for each feature j on its path the share z_j of the rows that pass j's splits and o_j in {0, 1}
whether the explained row passes them, the Shapley value of j is

    v (o_j - z_j) * integral over t in [0, 1] of the product over k != j of ((1 - t) z_k + t o_k),

since the weights of the Shapley value are that integral of t^|S| (1 - t)^(n - |S| - 1) (the multilinear extension, Owen
1972). The integrand is a polynomial, so that Gauss-Legendre quadrature is exact: all leaves are computed at once.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ModelError
from postlens.tasks.engagement.records import Float
from postlens.types import FloatArray, IntArray

TREES = "median_trees"  # name in the model file's metadata
MOST_BYTES = 1 << 26  # of unpacked trees; 400 trees of 15 leaves take 3 MB
Tree = Mapping[str, Any]  # nested nodes, as LightGBM's dump_model has them under "tree_structure"


@dataclass(frozen=True, slots=True)
class Explainer:
    """The leaves of an ensemble: a column per leaf, a row per feature on its path, filled up with what adds 0."""

    feature: IntArray  # (D, L)
    lower: Float  # (D, L) the path is followed by lower < x <= upper
    upper: Float  # (D, L)
    missing: NDArray[np.bool_]  # (D, L) whether NaN follows it
    share: Float  # (D, L) of the training rows that follow it, in (0, 1]
    value: Float  # (L,)
    n_features: int

    @classmethod
    def read(cls, metadata: Mapping[str, str], *, n_features: int) -> Self | None:
        """From a model file's metadata, `None` for a model without it. Raises `ModelError` for what is no tree."""
        if TREES not in metadata:
            return None
        try:
            packed = base64.b64decode(metadata[TREES], validate=True)
            trees = json.loads(zlib.decompressobj().decompress(packed, MOST_BYTES))
            return cls.of(trees, n_features=n_features)
        except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"expected trees in the metadata {TREES!r}, got: {error!r}; train it again") from error

    @classmethod
    def of(cls, trees: Sequence[Tree], *, n_features: int) -> Self:
        """From LightGBM's trees with their counts; raises `ModelError` for splits that are not by a number."""
        paths = [path for tree in trees for path in _paths(tree)]
        depth = max((len(conditions) for conditions, _ in paths), default=0) or 1
        table = np.tile(np.array([[[0.0]], [[-np.inf]], [[np.inf]], [[1.0]], [[1.0]]]), (1, depth, len(paths)))
        for leaf, (conditions, _) in enumerate(paths):
            for place, (feature_id, one) in enumerate(conditions.items()):
                table[:, place, leaf] = feature_id, one.lower, one.upper, one.missing, one.share
        feature, lower, upper, missing, share = table
        value = np.array([value for _, value in paths], np.float64)
        whole = feature.astype(np.int64)
        if paths and not (whole.min() >= 0 and whole.max() < n_features and share.min() > 0):
            raise ModelError(f"expected splits by {n_features} features with counts, got others; train it again")
        return cls(whole, lower, upper, missing.astype(bool), share, value, n_features)

    @property
    def expected(self) -> float:
        """Mean of the trees over the rows they were trained on."""
        return float((self.value * self.share.prod(axis=0)).sum())

    def explain(self, row: FloatArray) -> Float:
        """(F,) what each feature of the row (F,) added; their sum is the trees' answer less `expected`."""
        follows = self._follows(row)
        apart = follows - self.share
        times, weights = np.polynomial.legendre.leggauss(max(1, math.ceil(len(self.feature) / 2)))
        total = np.zeros_like(self.share)
        for t, weight in zip((times + 1) / 2, weights / 2, strict=True):
            factors = self.share + t * apart  # (1 - t) z + t o
            total += (weight * self.value * factors.prod(axis=0)) / factors
        added = total * apart
        return np.bincount(self.feature.ravel(), added.ravel(), minlength=self.n_features).astype(np.float64)

    def _follows(self, row: FloatArray) -> NDArray[np.bool_]:
        x = np.asarray(row, np.float64)[self.feature]
        return np.where(np.isnan(x), self.missing, (self.lower < x) & (x <= self.upper))


@dataclass(frozen=True, slots=True)
class _Condition:
    """What the splits by one feature on the way to a leaf ask for together."""

    lower: float = -math.inf
    upper: float = math.inf
    missing: bool = True
    share: float = 1.0

    def narrowed(self, node: Tree, *, left: bool) -> _Condition:
        threshold, child = float(node["threshold"]), node["left_child" if left else "right_child"]
        return _Condition(
            lower=self.lower if left else max(self.lower, threshold),
            upper=min(self.upper, threshold) if left else self.upper,
            missing=self.missing and _missing_goes_left(node) is left,
            share=self.share * _n_rows(child) / _n_rows(node),
        )


def _paths(tree: Tree) -> Iterator[tuple[dict[int, _Condition], float]]:
    """Each leaf with rows: its conditions by feature, and its value."""
    waiting: list[tuple[Tree, dict[int, _Condition]]] = [(tree, {})]
    while waiting:
        node, conditions = waiting.pop()
        if "leaf_value" in node:
            yield conditions, float(node["leaf_value"])
            continue
        feature = int(node["split_feature"])
        before = conditions.get(feature, _Condition())
        for left in (True, False):
            child = node["left_child" if left else "right_child"]
            if _n_rows(child):
                waiting.append((child, conditions | {feature: before.narrowed(node, left=left)}))


def _missing_goes_left(node: Tree) -> bool:
    """Where LightGBM saw no missing value in training it reads NaN as 0."""
    if node.get("decision_type", "<=") != "<=" or node["missing_type"] not in ("NaN", "None"):
        raise ModelError(f"expected splits by `<=` of a number, got {node.get('decision_type')} {node['missing_type']}")
    return bool(node["default_left"]) if node["missing_type"] == "NaN" else float(node["threshold"]) >= 0


def _n_rows(node: Tree) -> float:
    return float(node["leaf_count"] if "leaf_value" in node else node["internal_count"])
