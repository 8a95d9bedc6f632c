"""Labelled clips to the scores of the people found in them and of the copies found among them.

Layout: `people.csv` with the columns `file`, `person` (a row for each person of a clip) and, if wanted, `shoot`; and
`dup.csv` with `file`, `edit_of`, `edit`. Either may be missing. `manifest.csv` with `file` lists all clips, in the
order in which copies are looked for. Every clip goes the way of `postlens analyze`. Clips without a row in people.csv
are left out of the people scores.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postlens.config import Settings
from postlens.errors import EmptySourceError, MediaError
from postlens.pipelines.evaluation.copies import copy_scores
from postlens.pipelines.evaluation.layout import read_table
from postlens.pipelines.evaluation.media import read_media
from postlens.pipelines.stage import MediaWork, Stage
from postlens.pipelines.stages import DetectStage, EncodeStage, HashStage, TrackStage
from postlens.tasks.people.evaluate import score_clips
from postlens.tasks.people.identity import assign
from postlens.types import FaceTracks, MediaFeatures
from postlens.vision.cards import file_sha256
from postlens.vision.zoo import load_spec

TEMPLATE = "face_template"
MATCH_THRESHOLD = "match"  # its name on the template's card
PARTS = ("people", "duplicates")
Row = Mapping[str, str]


def evaluate(
    folder: Path, *, progress: Callable[[int, int], None] | None = None, parts: Collection[str] = PARTS
) -> dict[str, Any]:
    """`people` (see `score_clips`) and `duplicates` (see `score_copies`), each `None` without its table.

    Also n (clips listed), failed (clips that cannot be read), failures (by error class), in_sample. A clip that cannot
    be read shows nobody and copies nothing. `parts`: what to score of both; the other is `None`, and what only it needs
    is not computed. Raises `EmptySourceError` when no table lists a clip.
    """
    people, copies = _read(folder / "people.csv", "file", "person"), _read(folder / "dup.csv", "file", "edit_of")
    files = _listed(folder, people, copies)
    if "duplicates" not in parts:
        files, copies = list(dict.fromkeys(row["file"] for row in people)), []
    people = people if "people" in parts else []
    features, failures = look_at(folder, files, progress=progress, parts=parts)
    spec = load_spec(TEMPLATE)
    rng = np.random.default_rng(0)
    return {
        "n": len(files),
        "people": _score_people(people, features, threshold=spec.thresholds[MATCH_THRESHOLD], rng=rng),
        "duplicates": copy_scores(copies, files, features, rng=rng),
        "failed": failures.total(),
        "failures": dict(failures),
        "in_sample": any(file_sha256(table) in spec.train_manifests for table in folder.glob("*.csv")),
    }


def _read(table: Path, *needed: str) -> list[Row]:
    """The rows that have the needed columns filled; none without the file. Raises `TableError` as `read_table`."""
    if not table.is_file():
        return []
    return [row for row in read_table(table, *needed) if all(row[name] for name in needed)]


def _listed(folder: Path, people: Sequence[Row], copies: Sequence[Row]) -> list[str]:
    """All clips by name: those of the manifest in its order, then the others (originals before their edits)."""
    manifest = _read(folder / "manifest.csv", "file")
    names = [row["file"] for row in (*manifest, *people)]
    names += [row["edit_of"] for row in copies] + [row["file"] for row in copies]
    if not names:
        raise EmptySourceError(f"{folder}: expected clips listed in people.csv, dup.csv or manifest.csv; add a table")
    return list(dict.fromkeys(names))


def look_at(
    folder: Path,
    files: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    parts: Collection[str] = PARTS,
) -> tuple[dict[str, MediaFeatures], Counter[str]]:
    """What the parts need of each clip, and the failures by error class.

    For people faces and tracks, for duplicates embeddings and hashes.
    """
    settings = Settings.load()
    stages: list[Stage] = [EncodeStage(), HashStage()] if "duplicates" in parts else []
    stages += [DetectStage(), TrackStage()] if "people" in parts else []
    features: dict[str, MediaFeatures] = {}
    failures: Counter[str] = Counter()
    for done, file in enumerate(files, start=1):
        try:
            batch: tuple[MediaWork, ...] = (read_media(folder / file, settings=settings),)
        except MediaError as error:
            failures[type(error).__name__] += 1
        else:
            for stage in stages:
                batch = stage(batch)
            features[file] = batch[0].features
        if progress is not None:
            progress(done, len(files))
    return features, failures


# --- people ---------------------------------------------------------------------------------------------------------


def _score_people(
    rows: Sequence[Row], features: Mapping[str, MediaFeatures], *, threshold: float, rng: np.random.Generator
) -> dict[str, Any] | None:
    if not rows:
        return None
    labelled: dict[str, set[str]] = defaultdict(set)
    shoot: dict[str, str] = {}
    for row in rows:
        labelled[row["file"]].add(row["person"])
        shoot[row["file"]] = row.get("shoot") or row["file"]
    predicted = people_of_clips({file: features[file] for file in labelled if file in features}, threshold=threshold)
    return score_clips(
        [predicted.get(file, set()) for file in labelled],
        list(labelled.values()),
        shoots=[shoot[file] for file in labelled],
        rng=rng,
    )


def people_of_clips(features: Mapping[str, MediaFeatures], *, threshold: float) -> dict[str, set[str]]:
    """The persons found in each clip, by file; files of the same bytes show the same persons."""
    by_media = {found.media.sha256: found.tracks for found in features.values() if found.tracks and len(found.tracks)}
    seen: dict[str, set[str]] = defaultdict(set)
    if by_media:
        people = assign(join_tracks(list(by_media.values())), threshold=threshold)
        for track, person in people.items():
            seen[track.rpartition(":")[0]] |= set() if person is None else {person}
    return {file: seen[found.media.sha256] for file, found in features.items()}


def join_tracks(parts: Sequence[FaceTracks]) -> FaceTracks:
    """The tracks of several media files as one batch."""
    columns = ("start_s", "end_s", "n_frames", "quality", "template")
    return FaceTracks(
        tuple(track for part in parts for track in part.track_id),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in columns),
    )
