"""python recipes/two_networks.py cut --data ../shared/data/attributes --heads heads.npz   (10 minutes on one core)
python recipes/two_networks.py train --heads heads.npz --out RUN                          (on a GPU: minutes, see below)

The reference recipe of two networks, VGG16 and ResNet50, on heads labelled with hat, beard, moustache, stubble,
eyeglasses and sunglasses; each source is held out in turn. From random weights (two_networks_scratch), since pretrained
ones have to be downloaded; `--recipe two_networks` takes these where they can be. `train` needs no photos, and of
postlens' libraries only numpy, Pillow, scipy, pydantic, pydantic-settings, rich, simplejpeg and those of the train
extra. Stopped and begun again with the same --out it goes on. Writes benchmarks/results/two_networks.csv.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil

from postlens.types import ATTRIBUTES, FloatArray

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "two_networks.csv"
STORED_PX = 160  # side of the stored heads: above VGG16's 150; most photos have fewer pixels on the head
QUALITY = 85  # of the JPEGs: 3,890 heads in under 20 MiB
VAL_SHARE = 0.15  # of the persons of the other sources, who choose the best weights and the thresholds
SCORES = ("auc", "f1", "precision", "recall")


@dataclass(frozen=True)
class Heads:
    """Heads cut from labelled photos, as columns."""

    squares: NDArray[np.uint8]  # (N, 224, 224, 3)
    labels: FloatArray  # (N, 6) in the order of ATTRIBUTES; NaN where unknown
    source: NDArray[np.str_]
    person: NDArray[np.str_]
    sex: NDArray[np.str_]


def main() -> None:
    """Cut heads, or train and score on them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["cut", "train"])
    parser.add_argument("--heads", type=Path, required=True, help="file of heads: written by cut, read by train")
    parser.add_argument("--data", type=Path, help="folder with attributes.csv and its photos, for cut")
    parser.add_argument("--out", type=Path, help="folder of the trainings, for train")
    parser.add_argument("--recipe", default="two_networks_scratch", help="a shipped recipe of nets, or a TOML file")
    parser.add_argument("--epochs", type=int, help="of each phase; default: the recipe's")
    parser.add_argument("--workers", type=int, default=12, help="processes that make batches")
    args = parser.parse_args()
    if args.step == "cut":
        cut(args.data, args.heads)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        train(args.heads, args.out, recipe=args.recipe, epochs=args.epochs, workers=args.workers)


def cut(data: Path, out: Path) -> None:
    """Write labels and JPEGs of the heads of a labelled set."""
    from attributes_faces import find_main_face, load
    from postlens.pipelines.evaluation.attributes import read_manifest
    from postlens.tasks.products.pixels import head_squares
    from postlens.vision.faces import FaceDetector

    manifest, detector, jpegs = read_manifest(data), FaceDetector(), []
    for path in manifest.files:
        image = load(path)
        jpegs.append(_jpeg(head_squares(image, find_main_face(detector, image))[0]))
    persons = np.unique(manifest.person, return_inverse=True)[1].astype(str)  # numbers: no names of persons
    np.savez(
        out,
        jpegs=np.frombuffer(b"".join(jpegs), np.uint8),
        ends=np.cumsum([len(jpeg) for jpeg in jpegs]),
        labels=manifest.labels,
        source=manifest.source,
        person=persons,
        sex=manifest.sex,
    )
    print(f"{len(jpegs)} heads, {out.stat().st_size / 2**20:.1f} MiB")


def _jpeg(square: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    small = Pil.fromarray(square).resize((STORED_PX, STORED_PX), Pil.Resampling.BICUBIC, reducing_gap=2.0)
    small.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def read_heads(path: Path) -> Heads:
    """The heads that `cut` wrote, at the size that nets are given."""
    from postlens.tasks.products.pixels import SQUARE_PX

    with np.load(path, allow_pickle=False) as file:
        columns = {name: file[name] for name in ("labels", "source", "person", "sex")}
        jpegs = np.split(file["jpegs"], file["ends"][:-1])
    squares = np.empty((len(jpegs), SQUARE_PX, SQUARE_PX, 3), np.uint8)
    for row, jpeg in enumerate(jpegs):
        with Pil.open(io.BytesIO(jpeg.tobytes())) as image:
            squares[row] = np.asarray(image.convert("RGB").resize((SQUARE_PX, SQUARE_PX), Pil.Resampling.BICUBIC))
    return Heads(squares, **columns)


def train(path: Path, out: Path, *, recipe: str, epochs: int | None, workers: int) -> None:
    """Hold out each source in turn, and write the scores."""
    from postlens.train.fit import Machine
    from postlens.train.two_networks_fit import NetRuns
    from postlens.train.two_networks_recipe import change_nets, load_nets
    from postlens.train.two_networks_squares import SquareFile

    heads, nets = read_heads(path), load_nets(recipe)
    if epochs is not None:
        phases = [phase.model_dump() | {"epochs": epochs} for phase in nets[0].phases]
        nets = change_nets(nets, phases=phases)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "squares.npy", heads.squares)
    machine = Machine(workers=workers, progress=False)
    runs = NetRuns.of(SquareFile(out / "squares.npy"), heads.labels, nets, out=out / Path(recipe).stem, machine=machine)
    rows: list[dict[str, Any]] = []
    for source in np.unique(heads.source):
        rows += hold_out(source, heads, runs, facts=facts_of(recipe, nets))
        write_rows(rows)


def facts_of(recipe: str, nets: Sequence[Any]) -> dict[str, Any]:
    """Recipe, epochs of each phase and weights that the nets began from, as every row of the results says them.

    "6" where all phases have 6 epochs, else "50+10"; files of weights are not told apart.
    """
    epochs = [phase.epochs for phase in nets[0].phases]
    told = {net.weights if net.weights in ("none", "pretrained") else "file" for net in nets}
    return {
        "recipe": Path(recipe).stem,
        "epochs": str(epochs[0]) if len(set(epochs)) == 1 else "+".join(map(str, epochs)),
        "weights": " and ".join(sorted(told)),
    }


def hold_out(source: str, heads: Heads, runs: Any, *, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The scores on one source of nets that saw the others, for all its heads and by sex; facts: of every row."""
    from postlens.tasks.products.evaluate import score_attributes
    from postlens.train.splits import Split

    own, val = heads.source == source, drawn_persons(heads.person)
    split = Split(*(np.flatnonzero(rows) for rows in (~own & ~val, ~own & val, own)))
    answers = runs.answers(str(source), split, np.concatenate([split.val, split.test]))
    thresholds = _thresholds(answers[: len(split.val)], heads.labels[split.val])
    probs = np.full(heads.labels.shape, np.nan)
    probs[split.test] = answers[len(split.val) :]
    subsets = {f"source:{source}": own, **{f"source:{source} {s}": own & (heads.sex == s) for s in ("men", "women")}}
    for subset, rows in subsets.items():
        rng = np.random.default_rng(0)
        tables = score_attributes(
            probs[rows], heads.labels[rows], thresholds=thresholds, rng=rng, groups=heads.person[rows]
        )
        for label in ATTRIBUTES:
            if tables[label]["n"]:
                yield {**facts, "label": label, "subset": subset, **_flat(tables[label])}


def drawn_persons(person: NDArray[np.str_]) -> NDArray[np.bool_]:
    """(N,) whether a head is of the persons who choose weights and thresholds."""
    names, index = np.unique(person, return_inverse=True)
    return np.asarray((np.random.default_rng(0).random(len(names)) < VAL_SHARE)[index])


def _thresholds(probs: NDArray[np.float64], labels: FloatArray) -> dict[str, float]:
    """With the best F1 on these heads; .5 for a label that has no positive or no negative there."""
    from postlens.tasks.products.evaluate import pick_threshold

    found = dict.fromkeys(ATTRIBUTES, 0.5)
    for k, label in enumerate(ATTRIBUTES):
        known = ~np.isnan(labels[:, k])
        positive = labels[known, k] > 0
        if 0 < positive.sum() < len(positive):
            found[label] = pick_threshold(probs[known, k], positive, prior=float(positive.mean()))
    return found


def write_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Write benchmarks/results/two_networks.csv."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    """Numbers, and intervals as two columns."""
    out: dict[str, Any] = {"n": table["n"], "n_pos": table["n_pos"]}
    for name in SCORES:
        low, high = table[f"{name}_ci"] or (None, None)
        out |= {name: table[name], f"{name}_low": low, f"{name}_high": high}
    return out


if __name__ == "__main__":
    main()
