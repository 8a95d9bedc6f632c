"""Logits of nets that saw other sources to scores, calibration, thresholds, ONNX files and cards.

Imported by recipes/attributes.py. Needs postlens with the extra `train`, and tools/ on the path.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attributes import read_parts
from attributes_heads import ANY_HAIR, BEARD, Heads
from export_head import export_head
from postlens.tasks.products.evaluate import pick_threshold, prior_weights, score_attributes
from postlens.tasks.products.features import LOOK
from postlens.tasks.products.predict import MODEL
from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number, roc_auc
from postlens.train.products_fit import fit_slopes, sigmoid
from postlens.types import ATTRIBUTES, FloatArray, ModelSpec
from postlens.vision.cards import file_sha256, write_card
from postlens.vision.encoder import ENCODER
from postlens.vision.session import Session
from postlens.vision.zoo import WEIGHTS, load_spec

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "attributes.csv"
MIN_CLASS = 15  # rows of a class below which a source has no say in calibration
# Shares of faces with each attribute that probabilities and thresholds are made for: the larger of two random draws,
# CelebA's published frequencies (Liu et al. 2015; any facial hair for beard) and the LFW draw described with the data.
# Sunglasses are rare in both (.03) but were worn by 6 of 60 faces drawn from photos of creators' niches.
PRIORS = {"hat": 0.05, "beard": 0.17, "moustache": 0.04, "stubble": 0.11, "eyeglasses": 0.16, "sunglasses": 0.10}
# Logits that answer a label: a beard is told by the beard and by any facial hair, which is what CelebA calls a beard.
READ_BY = {label: (k,) for k, label in enumerate(ATTRIBUTES)} | {"beard": (BEARD, ANY_HAIR)}
Float = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Calibrated:
    """Per label a linear map of logits and a threshold."""

    weight: Float  # (8, 6)
    bias: Float  # (6,)
    thresholds: Float  # (6,)

    def probs(self, logits: FloatArray) -> Float:
        """(N, 6) calibrated for PRIORS."""
        return sigmoid(logits @ self.weight + self.bias)


def export_all(data: Path, work: Path) -> None:
    """Write the results, both models and their cards."""
    heads = read_parts(work)
    with np.load(work / "logits.npz") as file:
        logits = {name: file[name].astype(np.float64) for name in file.files}
    scored = np.flatnonzero((heads.note != "nonface") & (heads.note != "doubt"))
    probs, thresholds = hold_out_sources(heads, logits)
    rows = list(score_rows(probs[scored], thresholds[scored], heads[scored]))
    write_rows(rows)
    final = calibrate(heads, [(_rows(heads, name), logits[_without(name)]) for name in _names(heads)])
    look = export_look(work)
    export_attributes(work, final, rows, look, data)


def hold_out_sources(heads: Heads, logits: Mapping[str, Float]) -> tuple[Float, Float]:
    """Probabilities and thresholds (N, 6) of every face by nets and calibrations that saw nothing of its source."""
    probs, thresholds = np.zeros(heads.labels.shape), np.zeros(heads.labels.shape)
    for name in _names(heads):
        others = [other for other in _names(heads) if other != name]
        model = calibrate(heads, [(_rows(heads, other), logits[_without(name, other)]) for other in others])
        rows = _rows(heads, name)
        probs[rows], thresholds[rows] = model.probs(logits[_without(name)][rows]), model.thresholds
    return probs, thresholds


def calibrate(heads: Heads, parts: Sequence[tuple[Rows, Float]]) -> Calibrated:
    """From (rows, logits (N, 8) of all rows by a net that saw none of these rows); each part counts alike."""
    rows = np.concatenate([own for own, _ in parts])
    z = np.concatenate([found[own] for own, found in parts])
    n_read = z.shape[1]
    weight, bias, thresholds = np.zeros((n_read, len(ATTRIBUTES))), np.zeros(len(ATTRIBUTES)), np.zeros(len(ATTRIBUTES))
    for k, label in enumerate(ATTRIBUTES):
        known = ~np.isnan(heads.labels[rows, k]) & (heads.note[rows] == "")
        truth, own = heads.labels[rows, k][known] > 0, z[known][:, READ_BY[label]]
        share = _source_weights(truth, heads.source[rows][known], prior=PRIORS[label])
        slope, bias[k] = fit_slopes(own, truth.astype(np.float64), share / share.sum())  # Platt 1999
        weight[list(READ_BY[label]), k] = slope
        kept = share > 0
        p = sigmoid(own[kept] @ slope + bias[k])
        thresholds[k] = pick_threshold(p, truth[kept], prior=PRIORS[label])
    return Calibrated(weight, bias, thresholds)


def _source_weights(truth: NDArray[np.bool_], source: NDArray[np.str_], *, prior: float) -> Float:
    """Weights (N,) that give every source one, positives their prior in it; 0 where a class has too few."""
    weights = np.zeros(len(truth))
    for name in np.unique(source):
        rows = np.flatnonzero(source == name)
        if MIN_CLASS <= truth[rows].sum() <= len(rows) - MIN_CLASS:
            weights[rows] = prior_weights(truth[rows], prior=prior)
    return weights


# --- scores on sources held out -------------------------------------------------------------------------------------


def score_rows(probs: Float, thresholds: Float, heads: Heads) -> Iterator[dict[str, Any]]:
    """One row per label and subset: all, each source, the set `attributes` alone, men, women and children."""
    margins = probs - thresholds  # each source has its own thresholds: called positive where the margin is >= 0
    subsets = {"all": np.ones(len(probs), bool)}
    subsets |= {f"source:{name}": heads.source == name for name in _names(heads)}
    subsets |= {"set:attributes": heads.set_name == "attributes"}
    subsets |= {f"sex:{name}": heads.sex == name for name in ("men", "women", "children")}
    zero = dict.fromkeys(ATTRIBUTES, 0.0)
    for subset, chosen in subsets.items():
        truth, person, rng = heads.labels[chosen], heads.person[chosen], np.random.default_rng(0)
        tables = score_attributes(margins[chosen], truth, thresholds=zero, rng=rng, groups=person)
        for k, label in enumerate(ATTRIBUTES):
            known = chosen & ~np.isnan(heads.labels[:, k])
            columns = margins[known, k], heads.labels[known, k] > 0, heads.source[known]
            interval = bootstrap_interval(auc_within, *columns, groups=heads.person[known], rng=rng)
            own = {"auc": plain_number(auc_within(*columns)), "auc_ci": plain_interval(interval)}
            yield {"label": label, "subset": subset} | tables[label] | own


def auc_within(scores: Float, positive: NDArray[np.bool_], source: NDArray[np.str_]) -> float:
    """AUC over the pairs of one source: other sources were scored by other models, whose scales differ."""
    parts = []
    for name in np.unique(source):
        own = source == name
        n_pairs = int(positive[own].sum()) * int((~positive[own]).sum())
        if n_pairs:
            parts.append((roc_auc(scores[own], positive[own]), n_pairs))
    return float(np.average([auc for auc, _ in parts], weights=[n for _, n in parts])) if parts else float("nan")


def write_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Write benchmarks/results/attributes.csv, intervals as two columns."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    flat = [_flat(row) for row in rows]
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("_ci"):
            low, high = value or (None, None)
            out |= {f"{name[:-3]}_low": low, f"{name[:-3]}_high": high}
        else:
            out[name] = value
    return out


# --- the models -----------------------------------------------------------------------------------------------------


def export_look(work: Path) -> ModelSpec:
    """The net without its head as face_look.onnx, weights in half precision, and its card."""
    from postlens.train.export import write_model

    module, spec = _look(work)
    probe = np.random.default_rng(0).normal(0, 0.5, (3, *spec.input_size)).astype(np.float32)
    spec = _halved(write_model(module, spec, WEIGHTS, input_name="image", probe=probe), probe)
    write_card(spec, (WEIGHTS / spec.file).with_suffix(".toml"))
    return spec


def _look(work: Path) -> tuple[Any, ModelSpec]:
    """The trained net without its head, and what its card says before it is exported."""
    from safetensors.torch import load_file

    from attributes_net import MEAN, STD, LookNet, LookOnly, Plan

    plan, state = Plan(), {name: value.float() for name, value in load_file(work / "net.safetensors").items()}
    net = LookNet(len(state["head.bias"]), start=work / "tf_efficientnet_lite0.safetensors", plan=plan)
    net.load_state_dict(state, strict=False)
    spec = ModelSpec(
        **LOOK_CARD,
        input_size=(3, plan.size_px, plan.size_px),
        mean=(MEAN,) * 3,
        std=(STD,) * 3,
        dim=net.net.num_features,
        upstream=(load_spec(ENCODER).fingerprint, load_spec("face_mesh").fingerprint),
    )
    return LookOnly(net.net).eval(), spec


def _halved(spec: ModelSpec, probe: FloatArray) -> ModelSpec:
    """The spec of the same file with weights in half precision, which gives the probe nearly the same features."""
    import onnx

    path = WEIGHTS / spec.file
    want = Session(spec, path).run({"image": probe})["features"]
    path.write_bytes(halve(onnx.load(path)).SerializeToString(deterministic=True))
    spec = replace(spec, sha256=file_sha256(path))
    gap = float(np.abs(Session(spec, path).run({"image": probe})["features"] - want).max() / np.abs(want).max())
    if gap > MOST_ROUNDING:
        raise SystemExit(f"{path}: half precision changed the looks by {gap:.2g}")
    return replace(spec, metrics={**spec.metrics, "half_precision": {"max_relative_difference": float(f"{gap:.1e}")}})


MOST_ROUNDING = 5e-3


def halve(model: Any) -> Any:
    """The model with its large weights stored as float16 and cast back where they are read: half the file."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    large = [one for one in graph.initializer if one.data_type == TensorProto.FLOAT and np.prod(one.dims) > 1000]
    for tensor in large:
        name, values = tensor.name, numpy_helper.to_array(tensor).astype(np.float16)
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(values, f"{name}_half"))
        graph.node.insert(0, helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    return model


def export_attributes(
    work: Path, model: Calibrated, rows: Sequence[dict[str, Any]], look: ModelSpec, data: Path
) -> None:
    """The head on looks, calibration folded in, and its card."""
    from safetensors.numpy import load_file

    state = load_file(work / "net.safetensors")
    weight, bias = state["head.weight"].astype(np.float64).T, state["head.bias"].astype(np.float64)
    layer = (weight @ model.weight, bias @ model.weight + model.bias, "none")
    card = {
        "version": "2",
        "task": "face_attributes",
        "licence": "Apache-2.0 (weights); trained on research-only photos, see trained_on",
        "source": "trained by recipes/attributes.py",
        "paper": "Platt 1999 (calibration); Saerens et al. 2002 (label frequencies)",
        "labels": ATTRIBUTES,
        "thresholds": {label: round(float(t), 4) for label, t in zip(ATTRIBUTES, model.thresholds, strict=True)},
        "metrics": {label: _card_scores(label, rows) for label in ATTRIBUTES},
        "limits": LIMITS,
        "trained_on": TRAINED_ON,
        "train_manifests": (file_sha256(data / "attributes" / "attributes.csv"),),
        "upstream": (look.fingerprint,),
    }
    export_head(MODEL, layers=[layer], activation="sigmoid", card=card)


LIMITS = (
    "Probabilities are calibrated, and thresholds give the best F1, for the label frequencies of PRIORS in the recipe "
    "(hat .05, beard .17, moustache .04, stubble .11, eyeglasses .16, sunglasses .10), corrected from the collection's "
    "unnatural ones. A higher threshold: fewer wrong recommendations, more missed items; a lower one the reverse. "
    "Facial hair means different things in the sources (CelebA: beard is any facial hair, a moustache may stand over a "
    "beard; elsewhere: a grown beard or goatee, a moustache alone), so beard is between the two. Metrics are of nets, "
    "calibrations and thresholds that never saw the source they are scored on; but size, crop and learning rate were "
    "chosen among five by looking at these same held-out scores, so a further source may score a little lower. "
    "Intervals are by person within these photos and cover neither. Hats include helmets, hoods and turbans; a scarf, "
    "a towel or a wide band may count. Few children, few women with facial hair. Masks and face paint were not tested."
)
TRAINED_ON = (
    "CelebA, half of the labelled crops (non-commercial research only)",
    "Labeled Faces in the Wild (research use; copyrights of press photos unclear), labelled by eye",
    "Selfies with sunglasses; faces of web photos of nine niches and of public figures (mixed or no licence stated), "
    "labelled by eye",
    "Commercial users: retrain on photos of your own with recipes/attributes.py or `postlens train products`",
)


LOOK_CARD: dict[str, Any] = {
    "name": LOOK,
    "version": "1",
    "task": "look",
    "file": f"{LOOK}.onnx",
    "sha256": "",
    "licence": "Apache-2.0 (weights); tuned on research-only photos, see trained_on",
    "source": "trained by recipes/attributes.py from efficientnet_lite0",
    "paper": "Tan and Le 2019 (EfficientNet)",
    "interpolation": "bicubic",
    "channel_order": "RGB",
    "outputs": ("features",),
    "limits": "Features of a head crop (tasks/products/features.py), tuned to hats, facial hair and glasses.",
    "trained_on": TRAINED_ON,
}


def _card_scores(label: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pooled held-out scores, and AUC with its interval by source, set and sex."""
    own = [row for row in rows if row["label"] == label]
    pooled = next(row for row in own if row["subset"] == "all")
    kept = {name: value for name, value in pooled.items() if name not in ("label", "subset") and value is not None}
    parts = {row["subset"].replace(":", "_"): row for row in own if row["subset"] != "all" and row["auc"] is not None}
    return (
        kept
        | {f"auc_{name}": row["auc"] for name, row in parts.items()}
        | {f"auc_{name}_ci": row["auc_ci"] for name, row in parts.items() if row["auc_ci"] is not None}
    )


def _names(heads: Heads) -> list[str]:
    return sorted(set(heads.source.tolist()))


def _rows(heads: Heads, source: str) -> Rows:
    return np.flatnonzero(heads.source == source)


def _without(*sources: str) -> str:
    return "without " + " ".join(sorted(sources))
