"""Labelled photos and clips to how well persons are found, by linkage and threshold, and what proposals add.

    python recipes/people_clusters.py --data ../shared/data      # 6 minutes on one core

Data: faces_identity and video, as in recipes/people.py. Writes into benchmarks/results:
- people_clusters.csv: linkages at the largest threshold without a wrong merge of clips and with at most one wrong pair
  in a hundred among photos, and what they find there (both sets choose, so these compare linkages and no more);
- people_margin.csv: for the shipped linkage, what is found at each threshold, up to the first wrong merges and beyond;
- people_nested.csv: the threshold chosen as above without one part of the data (a source of photos or the clips of a
  shoot), and what is found in that part;
- people_suggest.csv: the merges proposed at the card's threshold, and what accepting them in order brings.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from postlens.pipelines.evaluation.video import join_tracks, look_at
from postlens.pipelines.photos import largest
from postlens.tasks.people.identity import assign
from postlens.tasks.people.suggest import suggest
from postlens.types import FaceTracks
from postlens.vision.templates import MATCH, TEMPLATE
from postlens.vision.zoo import load_spec

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
GRID = np.arange(0.24, 0.4201, 0.005).round(3)
LOOSES = (1.0, 1.05, 1.1, 1.15, 1.2, 1.3)  # of the threshold: how near mean templates must be for a merge
MIN_PRECISION_PHOTOS = 0.99  # as in recipes/people.py
Rows = list[dict[str, Any]]
Labels = NDArray[Any]
# Rules by name: a tree of merges from vectors, cut at a threshold.
TREES: dict[str, tuple[Callable[[NDArray[np.float64]], Any], int]] = {
    "average of squares (shipped)": (lambda v: linkage(pdist(v, "sqeuclidean"), "average"), 2),
    "average": (lambda v: linkage(pdist(v), "average"), 1),
    "complete": (lambda v: linkage(pdist(v), "complete"), 1),
    "single": (lambda v: linkage(pdist(v), "single"), 1),
    "centroid": (lambda v: linkage(v, "centroid"), 1),
    "ward": (lambda v: linkage(v, "ward"), 1),
}


class Part(NamedTuple):
    """Labelled tracks."""

    tracks: FaceTracks
    people: Labels
    source: Labels  # of photos, or the shoot of clips


class Found(NamedTuple):
    """Pairs of tracks: found to be one person, of these right, and those of one person."""

    n_found: int
    n_right: int
    n_true: int

    @property
    def row(self) -> dict[str, Any]:
        precision = self.n_right / self.n_found if self.n_found else 1.0
        f = 2 * self.n_right / (self.n_found + self.n_true)
        wrong = self.n_found - self.n_right
        return {"precision": precision, "recall": self.n_right / self.n_true, "f": f, "n_wrong_pairs": wrong}


def main() -> None:
    """Look at the data once, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/ and video/")
    data = parser.parse_args().data
    photos, clips = read_photos(data / "faces_identity"), read_clips(data / "video")
    match = load_spec(TEMPLATE).thresholds[MATCH]
    write("people_clusters", compare_linkages(photos, clips))
    write("people_margin", [at_threshold(photos, clips, threshold) for threshold in GRID.tolist()])
    write("people_nested", nested(photos, clips))
    both = (("photos", photos), ("clips", clips))
    write("people_suggest", [proposals(name, part, match, loose) for name, part in both for loose in LOOSES])


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_photos(folder: Path) -> Part:
    """The largest face of each photo; the same bytes count once."""
    rows = read_table(folder / "manifest.csv")
    found, _ = look_at(folder, [row["file"] for row in rows], parts=("people",))
    shown = {found[row["file"]].media.sha256: (found[row["file"]], row) for row in rows if row["file"] in found}
    kept = [(one.tracks[[largest(one.faces)]], row) for one, row in shown.values() if one.faces and one.tracks]
    people, source = (np.array([row[name] for _, row in kept]) for name in ("person", "source_group"))
    return Part(join_tracks([tracks for tracks, _ in kept]), people, source)


def read_clips(folder: Path) -> Part:
    """The tracks of the clips that show one labelled person."""
    rows = read_table(folder / "people.csv")
    found, _ = look_at(folder, [row["file"] for row in rows], parts=("people",))
    kept = [(tracks, row) for row in rows if row["file"] in found and (tracks := found[row["file"]].tracks)]
    people, shoot = (
        np.array([row[name] for tracks, row in kept for _ in range(len(tracks))]) for name in ("person", "shoot")
    )
    return Part(join_tracks([tracks for tracks, _ in kept]), people, shoot)


def pairs(label: Labels, people: Labels, rows: Any = slice(None)) -> Found:
    """Counts over the pairs of which at least one track is among the rows."""
    first, second = np.triu_indices(len(label), 1)
    here = np.zeros(len(label), bool)
    here[rows] = True
    chosen = here[first] | here[second]
    first, second = first[chosen], second[chosen]
    one, same = label[first] == label[second], people[first] == people[second]
    return Found(int(one.sum()), int((one & same).sum()), int(same.sum()))


def compare_linkages(photos: Part, clips: Part) -> Rows:
    """Each linkage at its own best threshold."""
    table = []
    for name, (tree, power) in TREES.items():
        trees = [tree(part.tracks.template.astype(np.float64)) for part in (photos, clips)]
        best: dict[str, Any] = {"linkage": name, "threshold": None}
        for threshold in GRID.tolist():
            labels = [fcluster(one, threshold**power, "distance") for one in trees]
            in_photos, in_clips = pairs(labels[0], photos.people), pairs(labels[1], clips.people)
            if not allowed(in_photos, in_clips):
                break
            best |= {"threshold": threshold, **_both(in_photos, in_clips)}
        table.append(best)
    return table


def allowed(photos: Found, clips: Found) -> bool:
    """Whether merges are right often enough."""
    return clips.n_found == clips.n_right and photos.row["precision"] >= MIN_PRECISION_PHOTOS


def _both(photos: Found, clips: Found) -> dict[str, Any]:
    named = (("photos", photos.row), ("clips", clips.row))
    return {f"{name}_{key}": value for name, row in named for key, value in row.items()}


def labels_of(part: Part, threshold: float, **words: Any) -> Labels:
    """The person of each track as the product finds it; a name of its own for one that waits."""
    people = assign(part.tracks, threshold=threshold, **words)
    return np.array([people[track] or track for track in part.tracks.track_id])


def at_threshold(photos: Part, clips: Part, threshold: float) -> dict[str, Any]:
    """What the product finds."""
    found = [pairs(labels_of(part, threshold), part.people) for part in (photos, clips)]
    return {"threshold": threshold, **_both(*found)}


def nested(photos: Part, clips: Part) -> Rows:
    """Thresholds chosen without a part, and the pairs with a track of that part."""
    found = {(k, at): labels_of(part, at) for k, part in enumerate((photos, clips)) for at in GRID.tolist()}
    table: Rows = []
    for k, part in enumerate((photos, clips)):
        for source in sorted(set(part.source.tolist())):
            out = part.source == source
            chosen = float(GRID[0])
            for threshold in GRID.tolist():
                kept = [
                    pairs(found[j, threshold][~out], one.people[~out])
                    if j == k
                    else pairs(found[j, threshold], one.people)
                    for j, one in enumerate((photos, clips))
                ]
                if not allowed(kept[0], kept[1]):
                    break
                chosen = threshold
            scores = pairs(found[k, chosen], part.people, out)
            held: dict[str, Any] = {"part": ("photos", "clips")[k], "held_out": len(table), "n": int(out.sum())}
            table.append(held | {"threshold": chosen, **scores._asdict()})
    return table


def proposals(name: str, part: Part, threshold: float, loose: float) -> dict[str, Any]:
    """The merges proposed, and recall after accepting those before the first wrong one."""
    people = assign(part.tracks, threshold=threshold)
    who = dict(zip(part.tracks.track_id, part.people.tolist(), strict=True))
    shown: dict[str, Counter[str]] = {}
    for track, person in people.items():
        if person is not None:
            shown.setdefault(person, Counter())[who[track]] += 1
    true = {person: names.most_common(1)[0][0] for person, names in shown.items()}
    found = suggest(part.tracks, people, threshold=threshold, loose=loose * threshold)
    merges = [one for one in found if one.kind == "merge"]
    right = [true[one.persons[0]] == true[one.persons[1]] for one in merges]
    first = right.index(False) if False in right else len(right)
    splits = [len(shown[one.persons[0]]) > 1 for one in found if one.kind == "split"]
    row: dict[str, Any] = {
        "data": name,
        "threshold": threshold,
        "loose": loose,
        "n_persons": len(shown),
        "n_merges": len(merges),
    }
    row |= {
        "n_right": sum(right),
        "n_before_first_wrong": first,
        "precision_of_10": float(np.mean(right[:10])) if right else None,
    }
    row |= {"n_splits": len(splits), "n_right_splits": sum(splits)}
    accepted = labels_of(part, threshold, must_link=[one.tracks for one in merges[:first]])
    for when, label in (("before", labels_of(part, threshold)), ("accepted", accepted)):
        row |= {f"{when}_{key}": value for key, value in pairs(label, part.people).row.items()}
    return row


def write(name: str, rows: Rows) -> None:
    """Rows to CSV, numbers with four digits."""
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n", restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float | np.floating) else v for k, v in row.items()})
    print(name, len(rows), "rows")


if __name__ == "__main__":
    main()
