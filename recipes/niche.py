"""Run `.venv/bin/python recipes/niche.py ../shared/data/niche`: photos labelled by niche to the shipped niche heads.

Takes 20 to 30 minutes on 2 cores shared with other jobs, no GPU; of these three go into faces and three into other
pictures, once (.cache/).

Scores are nested: for every outer fold of sources the settings, the temperature, the weight of the faces and the
threshold are chosen on inner folds of the remaining sources. The shipped heads are then fitted to all photos with
settings chosen by the same inner procedure. Writes src/postlens/weights/niche_post and niche_faces.{onnx,toml} and
benchmarks/results/niche.csv (as `postlens analyze` answers, with faces), niche_parts.csv (each head alone, and what
faces add), niche_settings.csv and niche_rejection.csv (pictures that no niche fits). The fit is in niche_fit.py, faces
in niche_faces.py, the other pictures in niche_rejection.py. How posts are pooled to creators is measured by
recipes/creator.py.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from postlens.pipelines.evaluation.layout import MANIFEST
from postlens.pipelines.evaluation.niche import read_labelled
from postlens.pipelines.stages import FACE_MODELS
from postlens.tasks.niche.evaluate import label_indices
from postlens.tasks.niche.predict import FACE_MODEL, POST_MODEL, THRESHOLD
from postlens.tasks.reactions.features import EXPRESSION_HEAD, EXPRESSION_NET
from postlens.types import NICHES, ModelSpec
from postlens.vision.cards import file_sha256
from postlens.vision.encoder import Encoder
from postlens.vision.zoo import WEIGHTS, load_spec

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "recipes"), str(ROOT / "tools")]

from export_head import ClassLogs, export_head  # noqa: E402
from niche_faces import (  # noqa: E402
    BOTH,
    PARTS,
    calibrated_faces,
    fit_faces,
    look,
    nested_parts,
    part_rows,
    score_part,
    tune_faces,
)
from niche_fit import (  # noqa: E402
    GRID,
    OUTER_FOLDS,
    Float,
    Int,
    Linear,
    Photos,
    Tuned,
    calibrated,
    deal_sources,
    fit,
    nested_predictions,
    outer_folds,
    tune,
)
from niche_rejection import read_unlike, rejection_rows, told  # noqa: E402

__all__ = ["Photos", "class_logs", "deal_sources", "nested_predictions", "write_rows"]  # used by other recipes

RESULTS = ROOT / "benchmarks" / "results"
UNLIKE = ROOT / ".cache" / "niche_unlike.npz"
SEED = 20261122
PAPER = "multinomial logistic regression; temperature scaling: Guo et al. 2017, arXiv:1706.04599"
FLOOR = 1e-3  # under the class probabilities; 1e-4 and 1e-5 were 0.003 and 0.01 lower


# --- results --------------------------------------------------------------------------------------------------------


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file with the columns of the first row."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table_rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The score table as lines of niche.csv."""
    parts = [("all", table), *table["per_class"].items()]
    return [
        {"label": label, "score": key, "n": part.get("n"), "value": part[key], "low": ends[0], "high": ends[1]}
        for label, part in parts
        for key in ("accuracy", "macro_f1", "ece", "precision", "recall", "f1")
        if key in part
        for ends in [part[f"{key}_ci"] or ("", "")]
    ]


def setting_rows(chosen: Sequence[Tuned]) -> list[dict[str, Any]]:
    """Every setting's inner macro-F1, averaged over the outer folds, as lines of niche_settings.csv."""
    return [
        {
            "setting": str(setting),
            "inner_macro_f1": round(float(np.mean([t.scores[setting] for t in chosen])), 4),
            "low": round(min(t.scores[setting] for t in chosen), 4),
            "high": round(max(t.scores[setting] for t in chosen), 4),
            "chosen": sum(t.setting == setting for t in chosen),
        }
        for setting in GRID
    ]


def licences(manifest: Path) -> tuple[str, ...]:
    """The sources and the licence that each states, the research-only ones marked."""
    counts = Counter((row["source_group"], row["licence"], row["licence_class"]) for row in rows_of(manifest))
    return tuple(f"{name} ({n} photos): {text} [{kind}]" for (name, text, kind), n in sorted(counts.items()))


LIMITS = (
    "Scores are held-out by source within one collection; photos of other origin may score lower (few selfies and "
    "phone pictures, fashion is garments and street style). The ImageNet samples among the photos may have been seen "
    "by the encoder in its own training. family and other are scarce and weak: about four in ten photos called so are "
    "not. "
)


def limits(manifest: Path) -> str:
    """What to expect, and how many photos come under which kind of licence."""
    kinds = Counter(row["licence_class"] for row in rows_of(manifest))
    shares = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
    return (
        f"{LIMITS}Photos by kind of licence (see trained_on): {shares}; research means research only, none and "
        "unverified that no licence for the photos is known. For commercial use retrain on photos of your own with "
        "recipes/niche.py."
    )


def rows_of(manifest: Path) -> list[dict[str, str]]:
    """The manifest's rows."""
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def head_card(table: Mapping[str, Any], manifest: Path, *, setting: str, limits: str) -> dict[str, Any]:
    """The fields that both model cards share."""
    per_class = {
        label: {key: value for key, value in part.items() if value is not None}
        for label, part in table["per_class"].items()
    }
    return {
        "version": "2",
        "task": "niche",
        "licence": "Apache-2.0 (weights); training photos under the terms listed in trained_on, many research-only",
        "source": "recipes/niche.py",
        "labels": NICHES,
        "metrics": {
            "split": "sources held out, nested",
            "setting": setting,
            **{key: value for key, value in table.items() if key != "per_class"},
            "per_class": per_class,
        },
        "limits": limits,
        "trained_on": licences(manifest),
        "train_manifests": (file_sha256(manifest),),
    }


FACE_LIMITS = (
    "Goes with niche_post, whose probabilities it is multiplied with; the metrics are those of both together, faces "
    "alone say little (benchmarks/results/niche_parts.csv). Reads number, size and quality of the faces in a picture "
    "and the means of their templates and expressions. Templates are biometric: they serve as an intermediate only, "
    "and nothing about a person's identity is concluded from them. They may carry age and sex, so that who is shown "
    "can sway the niche. The template is weaker on East-Asian faces (see face_template). A photo whose faces were "
    "forgotten on request is answered as one without faces. "
)
FACE_PAPER = (
    "product of experts: Hinton 2002, doi:10.1162/089976602760128018; temperature scaling: Guo et al. 2017, "
    "arXiv:1706.04599"
)
FACE_UPSTREAM = (*FACE_MODELS, EXPRESSION_NET, EXPRESSION_HEAD)


def class_logs(spec: ModelSpec) -> ClassLogs:
    """The encoder's own last layer, read from its ONNX file."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(WEIGHTS / spec.file).graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    dense = next(node for node in reversed(graph.node) if node.op_type == "Gemm")
    w, b = values[dense.input[1]], values[dense.input[2]]
    flip = any(item.name == "transB" and item.i for item in dense.attribute)
    return ClassLogs(w=(w.T if flip else w).astype(np.float16), b=b.astype(np.float64), floor=FLOOR)


def export(heads: tuple[Linear, Linear], *, threshold: float, classes: ClassLogs, cards: Mapping[str, Any]) -> None:
    """Write both heads."""
    head, face_head = heads
    spec = export_head(
        POST_MODEL,
        layers=[(head.w, head.b, "none")],
        mean=head.mean,
        scale=head.scale,
        temperature=head.temperature,
        classes=classes,
        card=cards[POST_MODEL] | {"thresholds": {THRESHOLD: threshold}},
    )
    upstream = (*(load_spec(name).fingerprint for name in FACE_UPSTREAM), spec.fingerprint)
    export_head(
        FACE_MODEL,
        layers=[(face_head.w, face_head.b, "none")],
        mean=face_head.mean,
        scale=face_head.scale,
        card=cards[FACE_MODEL] | {"upstream": upstream},
    )


def main(folder: Path) -> None:
    """Look at the photos, score by nested folds, fit on all, write the heads and the results."""
    started, rng, encoder = time.monotonic(), np.random.default_rng(SEED), Encoder()
    found, faces = look(read_labelled(folder), encoder)
    classes, vectors = class_logs(encoder.spec), found.vectors.astype(np.float64)
    _, source = np.unique([photo.source_group for photo in found.photos], return_inverse=True)
    wide = np.concatenate([vectors, classes.run(vectors)], axis=1)
    photos = Photos(wide, label_indices([photo.label for photo in found.photos]), source)
    print(f"{len(photos.y)} photos of {source.max() + 1} sources, {found.failures.total()} unreadable", flush=True)
    nested = nested_parts(photos, faces, outer_folds(photos, rng))
    tables = {part: score_part(nested, part, photos, rng=np.random.default_rng(SEED)) for part in PARTS}
    write_rows(RESULTS / "niche.csv", table_rows(tables[BOTH]))
    write_rows(RESULTS / "niche_parts.csv", part_rows(tables, nested, photos, seed=SEED))
    write_rows(RESULTS / "niche_settings.csv", setting_rows(nested.chosen))
    print({part: (table["macro_f1"], table["macro_f1_ci"]) for part, table in tables.items()}, flush=True)
    tuned = tune(photos, n_folds=OUTER_FOLDS, rng=rng)
    chosen = tune_faces(photos, faces, tuned)
    heads = calibrated(fit(photos, tuned.setting), tuned), calibrated_faces(fit_faces(photos, faces), tuned, chosen)
    held_out = nested.probs[BOTH], nested.answers[BOTH], photos.y
    rejected = reject(folder, heads, threshold=chosen.threshold, classes=classes, held_out=held_out)
    write_rows(RESULTS / "niche_rejection.csv", rejected)
    shared = limits(folder / MANIFEST)
    setting = f"{tuned.setting}, faces weigh {chosen.weight}"
    cards = {
        POST_MODEL: head_card(
            tables["vector"], folder / MANIFEST, setting=str(tuned.setting), limits=told(rejected) + shared
        )
        | {"paper": PAPER, "upstream": (encoder.fingerprint,)},
        FACE_MODEL: head_card(tables[BOTH], folder / MANIFEST, setting=setting, limits=FACE_LIMITS + shared)
        | {"version": "1", "paper": FACE_PAPER},
    }
    export(heads, threshold=chosen.threshold, classes=classes, cards=cards)
    print(f"{setting}, {chosen.losses}, {time.monotonic() - started:.0f} s")


def reject(
    folder: Path,
    heads: tuple[Linear, Linear],
    *,
    threshold: float,
    classes: ClassLogs,
    held_out: tuple[Float, Int, Int],
) -> list[dict[str, Any]]:
    """How the heads that ship answer pictures that no niche fits, beside held-out answers of photos."""
    unlike = read_unlike(folder.parent, cache=UNLIKE, rng=np.random.default_rng(SEED))
    wide = np.concatenate([unlike.vectors, classes.run(unlike.vectors)], axis=1)
    head, face_head = heads
    probs = softmax(head.logits(wide) + face_head.logits(unlike.faces), axis=1)
    return rejection_rows(unlike, probs, threshold=threshold, held_out=held_out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
