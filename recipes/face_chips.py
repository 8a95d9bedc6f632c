"""Photo pairs labelled same / different person to a table of ways to cut a face for the template net.

    python recipes/face_chips.py --data ../shared/data      # about 4 minutes on one core

Data: faces_identity, as in recipes/face_templates.py. Every way is scored with templates of unit length on the same
photos: the accuracy on pairs.csv with each source answered by the threshold of the others, and the FNMR over all pairs
of one person at two FMRs, with the 95 % interval of the difference to the first way, drawn by person. Writes
benchmarks/results/face_chips.csv and prints `CHIP_POINTS` of vision/align.py: means over frontal faces.
"""

import argparse
import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_templates import RESULTS, Pairs, all_pairs, held_out, held_out_scores
from postlens.config import Settings
from postlens.pipelines.evaluation.faces_identity import distances, find_face, read_pairs
from postlens.pipelines.evaluation.media import read_photo
from postlens.tasks.scoring import roc_auc
from postlens.types import FloatArray, Image
from postlens.vision import align
from postlens.vision.faces import CAREFUL, QUICK, FaceDetector, Meshes, View, _run
from postlens.vision.quality import head_turn
from postlens.vision.templates import identity_vectors

# dlib's five points (get_face_chip_details): corners of the left and the right eye, outer first, and the nose base.
DLIB_FIVE = np.array([[0.8596, 0.2135], [0.6461, 0.2290], [0.1206, 0.2137], [0.3341, 0.2291], [0.4901, 0.6278]])
FIVE_MESH_POINTS = (*align.LEFT_EYE, *align.RIGHT_EYE, align.NOSE_BASE)
FRONTAL_DEG, FRONTAL_QUALITY = 8.0, 0.8
PLAIN = (View(), View(mirrored=True))
WIDE = (View(0.85), View(0.85, mirrored=True), View(1.15), View(1.15, mirrored=True))
N_DRAWS = 100
MESH_COLUMNS = 468 * 3
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """One way to cut: by dlib's five points or by nine, black or repeated edges, and which views."""

    name: str
    views: tuple[View, ...]
    five: bool = False
    black: bool = False

    def chip(self, image: Image, mesh: FloatArray, view: View) -> Image:
        """The chip of one view."""
        matrix = five_matrix(mesh) if self.five else align.chip_matrix(mesh, size=view.size)
        cut = align.crop if self.black else align.crop_repeating
        chip = cut(image, matrix, size_px=align.CHIP_PX)
        return chip[:, ::-1] if view.mirrored else chip


WAYS = (
    Way("five points, black edges", PLAIN, five=True, black=True),
    Way("five points", PLAIN, five=True),
    Way("nine points, not mirrored", (View(),)),
    Way("nine points", PLAIN),
    Way("nine points, .9 and mirrored 1 (QUICK)", QUICK),
    Way("nine points, .9 and 1.1 (CAREFUL)", CAREFUL),
    Way("nine points, .85 and 1.15", WIDE),
)


def five_matrix(mesh: FloatArray) -> align.Matrix:
    """dlib's chip from its own five points."""
    target = (DLIB_FIVE + 0.25) / 1.5 * align.CHIP_PX
    return align.similarity(target, mesh[list(FIVE_MESH_POINTS), :2])


class ManyWays(FaceDetector):
    """Gives in the place of a template those of all ways, one after the other, and then the mesh."""

    def _templates(self, image: Image, meshes: Meshes) -> FloatArray:
        columns = [self._template_of(way, image, meshes) for way in WAYS]
        return np.concatenate([*columns, meshes.points_px.reshape(len(meshes.points_px), -1)], axis=1)

    def _template_of(self, way: Way, image: Image, meshes: Meshes) -> FloatArray:
        chips = [way.chip(image, mesh, view) for view in way.views for mesh in meshes.points_px]
        found = _run(self._template, chips)["template"]
        return np.asarray(found.reshape(len(way.views), -1, found.shape[1]).mean(axis=0), np.float32)


def main() -> None:
    """Measure every way and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/")
    folder = parser.parse_args().data / "faces_identity"
    manifest = list(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8-sig")))
    found, quality = read(folder, [row["file"] for row in manifest])
    print_points(np.stack([row[-MESH_COLUMNS:].reshape(468, 3) for row in found.values()]), quality)
    listed, rows = read_pairs(folder), []
    first: Pairs | None = None
    for number, way in enumerate(WAYS):
        vectors = {
            file: identity_vectors(row[None, number * 128 : (number + 1) * 128])[0] for file, row in found.items()
        }
        every = all_pairs(vectors, manifest)
        first = first or every
        people = [row["person"] for row in manifest if row["file"] in vectors]
        rows.append({"way": way.name, "runs": len(way.views)} | scores(listed, vectors, every, first, people))
        print(rows[-1])
    with (RESULTS / "face_chips.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(folder: Path, files: list[str]) -> tuple[dict[str, FloatArray], FloatArray]:
    """What `ManyWays` gives for the largest face of each photo, and the faces' quality (N,)."""
    detector, settings = ManyWays(), Settings.load()
    found, quality = {}, []
    for file in files:
        face, _ = find_face(detector, read_photo(folder / file, settings=settings).image)
        if len(face) and face.template is not None:
            found[file] = face.template[0]
            quality.append(face.quality[0])
    return found, np.array(quality, np.float32)


def print_points(meshes: FloatArray, quality: FloatArray) -> None:
    """`CHIP_POINTS`: where the nine points lie in chips cut by five, frontal faces alone, made symmetric."""
    turned = np.array([np.abs(head_turn(mesh)).max() for mesh in meshes])
    frontal = meshes[(turned < FRONTAL_DEG) & (quality > FRONTAL_QUALITY)]
    target = (DLIB_FIVE + 0.25) / 1.5
    placed = [align.apply(align.similarity(mesh[list(FIVE_MESH_POINTS), :2], target), mesh[:, :2]) for mesh in frontal]
    mean = np.mean(placed, axis=0)
    mirror = dict(zip((*align.RIGHT_EYE, align.MOUTH[0]), (*align.LEFT_EYE, align.MOUTH[1]), strict=True))
    mirror |= {left: right for right, left in mirror.items()}
    nine = [(mean[i] + [1 - mean[mirror.get(i, i)][0], mean[mirror.get(i, i)][1]]) / 2 for i in align.CHIP_MESH_POINTS]
    print(len(frontal), "frontal faces:", np.round(nine, 4).tolist())


def scores(
    listed: list[dict[str, str]], vectors: Mapping[str, FloatArray], every: Pairs, first: Pairs, people: list[str]
) -> dict[str, Any]:
    """Accuracy by source held out, AUC of the listed pairs, FNMR over all pairs and its difference to `first`."""
    same, source = (np.array([pair[name] for pair in listed]) for name in ("same", "source_group"))
    pairs = Pairs(distances(listed, vectors), same == "1", source)
    held = held_out_scores(pairs, held_out(pairs, every), rng=np.random.default_rng(0))
    used = pairs[np.isfinite(pairs.distance)]
    row = {name: held[name] for name in ("accuracy", "accuracy_low", "accuracy_high")}
    row |= {"auc": roc_auc(-used.distance, used.same)}
    for name, fmr in (("1e2", 1e-2), ("1e3", 1e-3)):
        weight = np.ones(len(every.same))
        row[f"fnmr_{name}"] = fnmr(every, weight, fmr=fmr)
        row |= dict(zip((f"diff_{name}_low", f"diff_{name}_high"), difference(every, first, people, fmr), strict=True))
    return {name: round(float(value), 4) for name, value in row.items()}


def difference(every: Pairs, first: Pairs, people: list[str], fmr: float) -> tuple[float, float]:
    """95 % interval of the difference in FNMR, drawn by person: a pair counts the product of its persons' draws."""
    rng, names = np.random.default_rng(0), np.unique(people)
    person = np.searchsorted(names, people)
    a, b = np.triu_indices(len(people), 1)
    change: Callable[[Floats], float] = lambda w: fnmr(every, w, fmr=fmr) - fnmr(first, w, fmr=fmr)  # noqa: E731
    draws = [np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names)) for _ in range(N_DRAWS)]
    low, high = np.percentile([change(1.0 * draw[person[a]] * draw[person[b]]) for draw in draws], [2.5, 97.5])
    return float(low), float(high)


def fnmr(pairs: Pairs, weight: Floats, *, fmr: float) -> float:
    """Weighted share of pairs of one person beyond the distance that accepts `fmr` of the others."""
    order = np.argsort(pairs.distance[~pairs.same])
    total = np.cumsum(weight[~pairs.same][order])
    limit = pairs.distance[~pairs.same][order][np.searchsorted(total, fmr * total[-1])]
    own = weight[pairs.same]
    return float(own[pairs.distance[pairs.same] >= limit].sum() / own.sum())


if __name__ == "__main__":
    main()
