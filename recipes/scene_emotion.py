"""PYTHONPATH=tools python recipes/scene_emotion.py --data ../shared/data

About 3 minutes on one core. `--keep FOLDER` keeps what was read and the nested rows, for recipes/reactions.py.

Photos rated for valence and arousal, and labelled with the emotions they convey, to two linear heads over the shared
embedding: `scene_emotion` (eight probabilities, several can be high) and `scene_affect` (valence, arousal). Themes of
OASIS and sources of the other photos are held out together; penalties and calibration come from inner folds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export_head import ClassMeans, export_head
from expression import RESULTS, write_csv
from postlens.pipelines.evaluation.layout import MANIFEST
from postlens.tasks.reactions.evaluate import score_emotions, score_ratings, score_reactions
from postlens.tasks.reactions.features import AFFECT_HEAD, SCENE_HEAD
from postlens.types import EMOTIONS
from postlens.vision.cards import file_sha256
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec
from scene_fit import K, Linear, class_means, held_out, nested, to_ratings, train_scene, widen
from scene_photos import LABELS, Photos, load_photos

SCORABLE_N = 25  # photos and more than one theme: below, a score says more about the theme than about the emotion
SETS = {"oasis": "OASIS", "niche": "photos labelled by eye"}
Float = NDArray[np.float64]


def main() -> None:
    """Read, score with themes and sources held out, write the results, the heads and their cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with scene_emotion and niche")
    parser.add_argument("--keep", type=Path, help="folder outside the project for what was read")
    given = parser.parse_args()
    photos, classes, wide = read(given.data, given.keep)
    layers, averaged = nested_rows(wide, photos, given.keep)
    tables = {name: score_set(held_out(layers, photos), photos, name) for name in SETS}
    views = {name: score_set(averaged, photos, name) for name in SETS}
    write_results(tables, views)
    scene, _ = train_scene(wide, photos)
    export(scene.emotions, SCENE_HEAD, given.data, classes, {name: card_emotions(t) for name, t in tables.items()})
    export(scene.affect, AFFECT_HEAD, given.data, classes, {name: t["ratings"] for name, t in tables.items()})


def read(data: Path, keep: Path | None) -> tuple[Photos, ClassMeans, Float]:
    """The photos, what is known of the encoder's classes, and the widened embeddings (N, 5, D + 2): views and mean."""
    photos, classes = load_photos(data, cache=keep and keep / "photos.npz"), class_means(load_spec(ENCODER))
    return photos, classes, widen(np.concatenate([photos.views, photos.views.mean(axis=1, keepdims=True)], 1), classes)


def nested_rows(wide: Float, photos: Photos, keep: Path | None) -> tuple[Float, Float]:
    """As `scene_fit.nested`, kept in a file when there is a folder for it."""
    path = keep and keep / "nested.npz"
    if path is not None and path.is_file():
        with np.load(path) as kept:
            return kept["layers"], kept["averaged"]
    layers, averaged = nested(wide, photos)
    if path is not None:
        np.savez_compressed(path, layers=layers, averaged=averaged)
    return layers, averaged


# --- scores on themes and sources held out --------------------------------------------------------------------------


def score_set(rows: Float, photos: Photos, name: str) -> dict[str, Any]:
    """Scores of one set: by label where photos have one, by labels, and of the ratings."""
    own = photos.set_name == name
    part, logits = photos[own], rows[own]
    probs, how = 1 / (1 + np.exp(-logits[:, :K])), {"groups": part.group, "rng": np.random.default_rng(0)}
    single = part.labels.sum(axis=1) == 1
    names = [EMOTIONS[k] for k in part.labels[single].argmax(axis=1)]
    one = score_emotions(probs[single], names, groups=part.group[single], rng=np.random.default_rng(0))
    return {
        "one": one,
        "scorable_f1": scorable_f1(one),
        "many": score_reactions(probs, part.labels, thresholds=None, **how),
        "ratings": score_ratings(to_ratings(logits[:, K:]), part.rated, **how),
        "n": len(part),
    }


def scorable_f1(one: Mapping[str, Any]) -> float:
    """Mean F1 of the most probable emotion, over those with SCORABLE_N photos."""
    return round(float(np.mean([own["f1"] for own in one["per_class"].values() if own["n"] >= SCORABLE_N])), 4)


def write_results(tables: Mapping[str, Mapping[str, Any]], views: Mapping[str, Mapping[str, Any]]) -> None:
    """Write scene_emotion.csv: a row for each set and score, emotions with too few photos marked; `tta` beside it."""
    rows = [row for name in SETS for row in _rows(name, tables[name], views[name])]
    write_csv(RESULTS / "scene_emotion.csv", rows)


def _rows(name: str, table: Mapping[str, Any], views: Mapping[str, Any]) -> list[dict[str, Any]]:
    def row(part: str, score: str, *, title: str = "", label: str | None = None) -> dict[str, Any]:
        own, seen = ((t[part]["per_class"][label] if label else t[part]) for t in (table, views))
        low, high = own[f"{score}_ci"] or (None, None)
        n = own["n"] if label else table[part].get("n", table["n"])
        return {
            "photos": SETS[name], "score": title or score, "n": n, "value": own[score], "low": low, "high": high,
            "enough": n >= SCORABLE_N, "views": seen[score],
        }  # fmt: skip

    found = [row("ratings", score) for score in ("valence_r", "arousal_r")]
    found += [row("one", score) for score in ("accuracy", "macro_f1", "ece")]
    f1 = {"score": "macro_f1_scorable", "value": table["scorable_f1"], "low": None, "high": None}
    found.append({**found[-1], **f1, "views": views["scorable_f1"]})
    found += [row("many", score, title=f"{score}_labels") for score in ("map", "ece")]
    for label in table["one"]["per_class"]:
        found += [row("one", s, title=f"{s} {label}", label=label) for s in ("precision", "recall", "f1")]
    return found


def card_emotions(table: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of one set."""
    one, many = table["one"], table["many"]
    known = {k: one[k] for k in ("n", "accuracy", "accuracy_ci", "macro_f1", "macro_f1_ci", "ece", "ece_ci")}
    own = {"macro_f1_scorable": table["scorable_f1"], "map": many["map"], "map_ci": many["map_ci"]}
    recalls = {label: row["recall"] for label, row in one["per_class"].items() if row["recall"] is not None}
    return {k: v for k, v in (known | own).items() if v is not None} | {"recall": recalls}


# --- the heads ------------------------------------------------------------------------------------------------------


def export(model: Linear, name: str, data: Path, classes: ClassMeans, metrics: Mapping[str, Any]) -> None:
    """Write an ONNX head and its card."""
    is_emotion = name == SCENE_HEAD
    card = {
        "version": "2",
        "task": name,
        "licence": "Apache-2.0 (weights); trained on OASIS and research photos, see trained_on",
        "source": "trained by recipes/scene_emotion.py",
        "paper": PAPER,
        "labels": EMOTIONS if is_emotion else ("valence", "arousal"),
        "metrics": metrics,
        "limits": EMOTION_LIMITS if is_emotion else AFFECT_LIMITS,
        "trained_on": TRAINED_ON,
        "train_manifests": (file_sha256(data / "scene_emotion" / MANIFEST), file_sha256(LABELS)),
        "upstream": (load_spec(ENCODER).fingerprint,),
    }
    export_head(
        name,
        layers=[(model.weight, model.bias, "none")],
        mean=model.mean,
        scale=model.scale,
        transform="sqrt",
        activation="sigmoid",
        classes=classes,
        card=card,
    )


PAPER = (
    "Kurdi, Lozano and Banaji 2017, Behavior Research Methods 49 (OASIS); Platt 1999 with one slope for all emotions; "
    "views as rows of training: Chen, Dobriban and Lee 2020, arXiv:1907.10905"
)
EMOTION_LIMITS = (
    "249 photos of 63 themes (OASIS, one emotion each) and 600 of 50 sources (labelled by one person by eye, several "
    "emotions each): the emotion of a new theme is often not recognised. Metrics are of heads that saw no photo of the "
    "theme or source, intervals draw these whole; accuracy and F1 are of the most probable emotion where a photo has "
    "one label. Too scarce to claim: angry (6 photos), surprise (13), disgust (15). sad (39) and fear (49) are rare "
    "among photos that people publish: most that seem so are not. How pleasant the encoder's classes sound was judged "
    "by the author from their names (recipes/scene_prior.toml). Culture and context of a viewer are not known."
)
AFFECT_LIMITS = (
    "probs are shares of the scale from 1 to 7: valence = 1 + 6 p, on the scale of OASIS's raters. 249 rated photos of "
    "63 themes and 600 rated by one person by eye in halves, metrics with themes and sources held out, intervals by "
    "theme or source: predictions stay close to the middle of the scale. People who suffer without an object that "
    "tells of it are not recognised."
)
TRAINED_ON = (
    "OASIS, 249 of its 900 photos (open access for research; photos from Pixabay, Wikimedia and Flickr)",
    "600 photos of public repositories, labelled in recipes/scene_labels.csv (licences differ, some research use)",
    "Commercial users: check the photos' own licences or retrain with recipes/scene_emotion.py",
)

if __name__ == "__main__":
    main()
