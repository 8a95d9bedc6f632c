"""Photos with a known source or sex to the template's error rates by group, at the thresholds of its card.

    python recipes/face_groups.py --data ../shared/data      # about 3 minutes on one core

Data: faces_identity (pairs of one source) and the LFW photos of attributes (one photo a person, sex as labelled), both
research terms. Where there is one photo a person, only false matches can be counted. Origin and age are not labelled in
any set, so errors by them cannot be given. Writes benchmarks/results/face_groups.csv.
"""

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_templates import RESULTS, all_pairs
from postlens.pipelines.evaluation.faces_identity import read_faces, vectors_of
from postlens.vision.templates import MATCH, SAME_PERSON, STRICT, TEMPLATE
from postlens.vision.zoo import load_spec

SEXES = {"1": "men", "0": "women"}
LFW = "lfw_mux"  # the source of attributes whose people are named
THRESHOLDS = (SAME_PERSON, MATCH, STRICT)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/ and attributes/")
    data = parser.parse_args().data
    rows = [*by_source(data / "faces_identity"), *by_sex(data / "attributes")]
    with (RESULTS / "face_groups.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(len(rows), "rows")


def read_manifest(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def by_source(folder: Path) -> Iterable[dict[str, Any]]:
    """A row for each source with pairs of both kinds, and each threshold."""
    manifest = read_manifest(folder / "manifest.csv")
    pairs = all_pairs(vectors_of(read_faces(folder, [row["file"] for row in manifest])), manifest)
    for source in sorted({*pairs.source.tolist()} - {""}):
        part = pairs[pairs.source == source]
        if part.same.any() and not part.same.all():
            yield from rates(f"source {source}", part.distance, part.same)
    yield from rates("all pairs", pairs.distance, pairs.same)


def by_sex(folder: Path) -> Iterable[dict[str, Any]]:
    """A row for each sex and threshold: different people of one sex."""
    manifest = [row for row in read_manifest(folder / "attributes.csv") if row["source_group"] == LFW and row["person"]]
    manifest = list({row["person"]: row for row in manifest}.values())
    vectors = vectors_of(read_faces(folder, [row["file"] for row in manifest]))
    for label, name in SEXES.items():
        rows = [row for row in manifest if row["male"] == label]
        pairs = all_pairs(vectors, rows)
        yield from rates(f"LFW, {name}", pairs.distance, pairs.same)


def rates(group: str, distance: NDArray[np.float64], same: NDArray[np.bool_]) -> Iterable[dict[str, Any]]:
    """FMR and FNMR of a group at each threshold, empty where there is nothing to count."""
    for name in THRESHOLDS:
        limit = load_spec(TEMPLATE).thresholds[name]
        false, missed = distance[~same] <= limit, distance[same] > limit
        row = {"group": group, "threshold": name, "distance": limit, "n_different": len(false)}
        row |= {"fmr": f"{false.mean():.3g}", "n_same": len(missed)}
        yield row | {"fnmr": f"{missed.mean():.3g}" if len(missed) else ""}


if __name__ == "__main__":
    main()
