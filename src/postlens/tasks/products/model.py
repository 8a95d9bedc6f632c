"""Run folders of `postlens train products` to models whose labels join the six that ship.

A folder's `products.toml` says what its labels mean: what they are read from, which item each shows, from which
probability on. It is made to be edited: an item, a threshold or `wearable` may be changed by hand at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from postlens.config import read_toml
from postlens.errors import ModelError, SettingsError, ShapeError, UsageError
from postlens.tasks.products.features import LOOK
from postlens.tasks.products.items import Label, label_key, label_name, trained_label
from postlens.types import FloatArray, ModelSpec
from postlens.vision.cards import read_card
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import RUN_REMEDY, check_file, load_spec, open_card

CARD = "products.toml"  # in a run folder
HEAD_CARD = "head.toml"  # of the net that recipe `heads` trains
NONE_LABELS = ("none", "other")  # names of folders and columns whose images are of no label

Reads = Literal["face", "image"]
Takes = Literal["vectors", "pixels"]
_READS: tuple[Reads, ...] = ("face", "image")
_TAKES: tuple[Takes, ...] = ("vectors", "pixels")
_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "item": str,
    "threshold": (int, float),
    "wearable": bool,
    "optional": bool,
}


@dataclass(frozen=True, slots=True)
class ProductModel:
    """One run: what its labels are and which nets answer them. Making it opens no net."""

    folder: Path
    reads: Reads  # from the head around each face, or from whole images
    takes: Takes  # stored vectors (looks, embeddings), or pixels, whose readings are stored by a stage
    labels: tuple[Label, ...]  # in the order of the nets' outputs
    nets: tuple[ModelSpec, ...]  # several: the mean of their probabilities counts
    cards: tuple[Path, ...]  # of the nets

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the probabilities."""
        return tuple(label.name for label in self.labels)

    @property
    def fingerprint(self) -> str:
        """16 hex digits over the nets: what readings are stored under. Thresholds and items are not part of it."""
        parts = [self.reads, self.takes, *(spec.fingerprint for spec in self.nets)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def scores(self, vectors: FloatArray) -> FloatArray:
        """Probabilities (N, K) float32 in the order of `labels`, from looks or embeddings (N, D); for this thread.

        Each label's is calibrated by itself: they need not sum to 1. Raises `ShapeError` for vectors of another length,
        and for a model that takes pixels, whose probabilities are in the table `readings`, not calibrated.
        """
        if self.takes != "vectors":
            raise ShapeError(f"{self.folder.name}: expected a model over vectors, got one over pixels; read `readings`")
        width = self.nets[0].input_size[0]
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ShapeError(f"vectors must have shape (N, {width}), got {vectors.shape}")
        if not len(vectors):
            return np.zeros((0, len(self.labels)), np.float32)
        inputs = {"features": np.ascontiguousarray(vectors, np.float32)}
        return np.asarray(np.mean([open_card(card).run(inputs)["probs"] for card in self.cards], axis=0), np.float32)


def looks_fingerprint() -> str:
    """16 hex digits over what makes a look (`features.face_features`): the net, on whose card stands the mesh's."""
    return load_spec(LOOK).fingerprint


def vectors_fingerprint(reads: Reads) -> str:
    """Of the stored vectors that a model takes: looks for faces, embeddings of the shipped encoder for images."""
    return looks_fingerprint() if reads == "face" else load_spec(ENCODER).fingerprint


def load_product_models(folders: Sequence[Path]) -> tuple[ProductModel, ...]:
    """The models of runs, in the order given; () without any. Of a label that several have, the last counts.

    Raises:
        SettingsError: a folder is not there, is no finished run, its card has a value that cannot be used, or its
            nets take vectors that this version does not make.
        ModelError: a net's card or file is damaged or absent.
    """
    return tuple(_load(Path(folder)) for folder in folders)


def write_product_card(
    folder: Path, *, reads: Reads, takes: Takes, nets: Sequence[str], labels: Sequence[Label]
) -> None:
    """Write `products.toml`; `nets` are the file names of the cards of the nets, in the same folder."""
    lines = [
        "# What the labels of this run mean. item, threshold, wearable and optional may be changed by hand.",
        f"reads = {json.dumps(reads)}",
        f"takes = {json.dumps(takes)}",
        f"nets = {json.dumps(list(nets))}",
    ]
    for label in labels:
        lines += ["", f"[labels.{json.dumps(label.name, ensure_ascii=False)}]"]
        lines += [f"{name} = {json.dumps(getattr(label, name), ensure_ascii=False)}" for name in _FIELDS]
    (folder / CARD).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _load(folder: Path) -> ProductModel:
    path = folder / CARD
    if not path.is_file():
        state = "a folder without it" if folder.is_dir() else "a file" if folder.exists() else "nothing there"
        raise SettingsError(
            f"setting product_models: expected the folder of a run that `postlens train products` finished, with {CARD}"
            f" in it, at {folder}, got {state}; name the run's folder"
        )
    values = _read(path)
    reads, takes = _one_of(values, "reads", _READS, path), _one_of(values, "takes", _TAKES, path)
    cards = tuple(folder / name for name in _net_names(values, path))
    labels = _labels(values, reads, path)
    nets = tuple(_net(card, [label.name for label in labels]) for card in cards)
    if takes == "vectors":
        for card, spec in zip(cards, nets, strict=True):
            _check_upstream(card, spec, reads)
    return ProductModel(folder, reads, takes, labels, nets, cards)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: expected a readable TOML file, got: {error}; {RUN_REMEDY}") from error


def _one_of(values: Mapping[str, Any], name: str, known: Sequence[Any], path: Path) -> Any:
    if values.get(name) not in known:
        raise SettingsError(f"{path}: expected {name} to be {' or '.join(known)}, got {values.get(name)!r}; correct it")
    return values[name]


def _net_names(values: Mapping[str, Any], path: Path) -> list[str]:
    names = values.get("nets")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and Path(n).name == n for n in names):
        raise SettingsError(f"{path}: expected nets to name cards beside it, got {names!r}; {RUN_REMEDY}")
    return names


def _labels(values: Mapping[str, Any], reads: Reads, path: Path) -> tuple[Label, ...]:
    tables = values.get("labels")
    if not isinstance(tables, dict) or not tables or not all(isinstance(one, dict) for one in tables.values()):
        raise SettingsError(f"{path}: expected a table [labels.NAME] for each label, got {tables!r}; {RUN_REMEDY}")
    labels = tuple(_label(name, table, reads, path) for name, table in tables.items())
    if twice := sorted(name for name, n in Counter(label.name for label in labels).items() if n > 1):
        raise SettingsError(f"{path}: expected each label once, got several spellings of {', '.join(twice)}; keep one")
    return labels


def _label(name: str, table: Mapping[str, Any], reads: Reads, path: Path) -> Label:
    usual = trained_label(label_key(name), reads, threshold=0)
    values = {key: getattr(usual, key) for key in _FIELDS if key != "threshold"} | {**table}
    if unknown := sorted(values.keys() - _FIELDS.keys()):
        raise SettingsError(f"{path}: [labels.{name}]: expected {', '.join(_FIELDS)}, got {', '.join(unknown)}")
    for key, kind in _FIELDS.items():
        if not isinstance(values.get(key), kind) or (key == "threshold" and not _is_share(values[key])):
            wanted = "a number in 0..1" if key == "threshold" else "true or false" if kind is bool else "text"
            got = values.get(key)
            raise SettingsError(f"{path}: [labels.{name}]: expected {key} to be {wanted}, got {got!r}; correct it")
    return Label(
        name=_canonical(name, name, path),
        item=_canonical(values["item"], name, path),
        reads=reads,
        threshold=float(values["threshold"]),
        wearable=values["wearable"],
        optional=values["optional"],
    )


def _canonical(text: str, table: str, path: Path) -> str:
    """A name in the spelling in which the catalog's labels are compared."""
    try:
        return label_name(text)
    except UsageError as error:
        raise SettingsError(f"{path}: [labels.{table}]: {error}") from error


def _is_share(value: Any) -> bool:
    return not isinstance(value, bool) and 0 <= value <= 1


def _net(card: Path, names: Sequence[str]) -> ModelSpec:
    """The card of a net, its file being whole and its labels those of the run."""
    spec = read_card(card, remedy=RUN_REMEDY)
    if "probs" not in spec.outputs:
        raise ModelError(f"{card}: expected an output probs, got {', '.join(spec.outputs)}; {RUN_REMEDY}")
    if [label_key(name) for name in spec.labels] != list(names):
        raise SettingsError(
            f"{card}: expected the labels of {CARD} in its order ({', '.join(names)}), got {', '.join(spec.labels)}; "
            f"keep the tables of {CARD} as they were written"
        )
    check_file(spec, card)
    return spec


def _check_upstream(card: Path, spec: ModelSpec, reads: Reads) -> None:
    wanted = vectors_fingerprint(reads)
    if wanted not in spec.upstream:
        raise SettingsError(
            f"setting product_models: {card}: expected a head over vectors {wanted}, which this version makes of each "
            f"{reads}, got one over {' or '.join(spec.upstream) or 'none'}; train it again with this version"
        )
