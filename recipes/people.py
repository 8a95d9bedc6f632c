"""Labelled photos and clips to the thresholds of a person and of a track, with the curves they come from.

    python recipes/people.py --data ../shared/data      # about 4 minutes on one core

Data: faces_identity (1,004 photos of public figures) and video (69 clips), research terms. On the face_template card:
- `match` is the largest of a grid at which no two people of the clips are merged and at most one pair in a hundred of
  the photos' pairs is wrong.
- `strict` is where one in a thousand pairs of the clips' people, who look more alike, would agree.
- `track`, which also asks for overlap, is where MAX_TRACK_FMR of the photos of strangers agree.
Both sets choose them, so the scores on them are in-sample: their manifests are noted on the card. Writes
benchmarks/results/people_threshold.csv, people_quality.csv and people_tracks.csv.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.pipelines.evaluation.video import join_tracks, look_at
from postlens.pipelines.photos import largest
from postlens.tasks.people.evaluate import score_clips
from postlens.tasks.people.identity import assign
from postlens.types import FaceTracks, MediaFeatures
from postlens.vision.cards import file_sha256, read_card, write_card
from postlens.vision.zoo import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
GRID = np.arange(0.2, 0.4601, 0.02).round(2)
MIN_PRECISION_PHOTOS = 0.99
STRICT_FMR = 1e-3  # among people who look as much alike as those of the clips
MIN_SEEN, MAX_SEEN_FMR = 5, 0.05  # pairs, and their share: the tail from which STRICT_FMR is continued
MAX_TRACK_FMR = 0.02  # a stranger at the place of a face a frame before is rare: a cut on the same place
QUALITY_EDGES = (0.0, 0.3, 0.5, 0.7, 0.9, 1.0001)
QUALITY_AT = 0.35  # distance at which the error rates by quality are compared
SCORES = ("pairwise_precision", "pairwise_recall", "pairwise_f", "bcubed_f", "n_wrong_pairs")
Rows = list[dict[str, Any]]


def main() -> None:
    """Measure, choose and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/ and video/")
    data = parser.parse_args().data
    photos, photo_people = read_photos(data / "faces_identity")
    clips, _ = look_at(data / "video", [row["file"] for row in read_table(data / "video" / "manifest.csv")])
    tracks, clip_people = people_tracks(clips, read_table(data / "video" / "people.csv"))
    curve = threshold_curve(photos, photo_people, tracks, clip_people)
    write(RESULTS / "people_threshold.csv", curve)
    write(RESULTS / "people_quality.csv", quality_table(photos, photo_people))
    pairs = track_pairs(tracks, clip_people)
    write(RESULTS / "people_tracks.csv", pairs)
    thresholds = {"match": choose(curve), "strict": strictest(pairs), "track": choose_track(curve)}
    note(thresholds, [data / "faces_identity" / "manifest.csv", data / "video" / "manifest.csv"])


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_photos(folder: Path) -> tuple[FaceTracks, list[str]]:
    """A track for the largest face of each photo, as `analyze` sees it, and who it is; the same bytes count once."""
    rows = read_table(folder / "manifest.csv")
    found, _ = look_at(folder, [row["file"] for row in rows])
    shown = {
        found[row["file"]].media.sha256: (found[row["file"]], row["person"]) for row in rows if row["file"] in found
    }
    kept = [(one.tracks[[largest(one.faces)]], who) for one, who in shown.values() if one.faces and one.tracks]
    return join_tracks([tracks for tracks, _ in kept]), [who for _, who in kept]


def people_tracks(
    clips: Mapping[str, MediaFeatures], rows: Sequence[Mapping[str, str]]
) -> tuple[FaceTracks, list[str]]:
    """The tracks of the clips that show one labelled person, and who it is."""
    shown = [(clips[row["file"]].tracks, row["person"]) for row in rows if row["file"] in clips]
    found = [(tracks, person) for tracks, person in shown if tracks]
    return join_tracks([tracks for tracks, _ in found]), [
        person for tracks, person in found for _ in range(len(tracks))
    ]


def threshold_curve(photos: FaceTracks, photo_people: list[str], tracks: FaceTracks, clip_people: list[str]) -> Rows:
    """Error rates of photo pairs, and scores of the persons found among photos and among clips, by threshold."""
    distance, same = pair_distances(photos, photo_people)
    rows = []
    for threshold in GRID.tolist():
        row = {"threshold": threshold, "photo_fmr": (distance[~same] <= threshold).mean()}
        row["photo_fnmr"] = (distance[same] > threshold).mean()
        for name, given, people in (("photo", photos, photo_people), ("clip", tracks, clip_people)):
            scores = score_persons(given, people, threshold=threshold)
            row |= {f"{name}_{key}": scores[key] for key in SCORES}
        rows.append(row)
    return rows


def pair_distances(tracks: FaceTracks, people: list[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Distance of all pairs, and whether both are one person."""
    first, second = np.triu_indices(len(tracks), 1)
    who = np.array(people)
    return np.linalg.norm(tracks.template[first] - tracks.template[second], axis=1), who[first] == who[second]


def score_persons(tracks: FaceTracks, people: list[str], *, threshold: float) -> dict[str, Any]:
    """Scores over tracks in place of clips, without intervals."""
    found = assign(tracks, threshold=threshold)
    predicted = [{person} if (person := found[track]) else set() for track in tracks.track_id]
    one_shoot = ["all"] * len(people)
    return score_clips(predicted, [{who} for who in people], shoots=one_shoot, rng=np.random.default_rng(0))


def choose(curve: Rows) -> float:
    """The largest threshold of the grid before the first wrong merge of clips."""
    chosen = 0.0
    for row in curve:
        if row["clip_n_wrong_pairs"] or row["photo_pairwise_precision"] < MIN_PRECISION_PHOTOS:
            break
        chosen = row["threshold"]
    return chosen


def track_pairs(tracks: FaceTracks, people: list[str]) -> Rows:
    """Error rates of pairs of the clips' tracks by threshold: these people look more alike than those of the photos."""
    distance, same = pair_distances(tracks, people)
    return [
        {
            "threshold": threshold,
            "n_different": int((~same).sum()),
            "fmr": (distance[~same] <= threshold).mean(),
            "n_same": int(same.sum()),
            "fnmr": (distance[same] > threshold).mean(),
        }
        for threshold in GRID.tolist()
    ]


def choose_track(curve: Rows) -> float:
    """The largest threshold of the grid at which few enough strangers agree."""
    return max(row["threshold"] for row in curve if row["photo_fmr"] <= MAX_TRACK_FMR)


def strictest(pairs: Rows) -> float:
    """Where STRICT_FMR of the pairs of the clips' people would agree, in hundredths.

    So few agree that none was seen: the logarithm of the rate is continued in a straight line from where some were.
    """
    seen = [row for row in pairs if row["fmr"] * row["n_different"] >= MIN_SEEN and row["fmr"] <= MAX_SEEN_FMR]
    slope, start = np.polyfit([row["threshold"] for row in seen], [np.log(row["fmr"]) for row in seen], 1)
    return int(100 * (np.log(STRICT_FMR) - start) / slope) / 100


def quality_table(photos: FaceTracks, people: list[str]) -> Rows:
    """Error rates at one distance by the lower quality of the pair."""
    distance, same = pair_distances(photos, people)
    first, second = np.triu_indices(len(photos), 1)
    lower = np.minimum(photos.quality[first], photos.quality[second])
    rows = []
    for low, high in pairwise(QUALITY_EDGES):
        here = (lower >= low) & (lower < high)
        false, missed = distance[here & ~same] <= QUALITY_AT, distance[here & same] > QUALITY_AT
        row = {"quality_from": low, "quality_below": high, "distance": QUALITY_AT, "n_different": len(false)}
        rows.append(row | {"fmr": false.mean(), "n_same": len(missed), "fnmr": missed.mean()})
    return rows


def write(path: Path, rows: Rows) -> None:
    """Rows to CSV, numbers with six digits."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float | np.floating) else v for k, v in row.items()})
    print(path.name, len(rows), "rows")


def note(thresholds: Mapping[str, float], manifests: Sequence[Path]) -> None:
    """Put the thresholds, and what chose them, on the template's card."""
    card = WEIGHTS / "face_template.toml"
    spec = read_card(card)
    shas = [file_sha256(path) for path in manifests]
    manifest_shas = tuple(dict.fromkeys([*spec.train_manifests, *shas]))
    write_card(replace(spec, thresholds={**spec.thresholds, **thresholds}, train_manifests=manifest_shas), card)
    print(dict(thresholds))


if __name__ == "__main__":
    main()
