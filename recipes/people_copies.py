"""Photos and clips, and edits made of them, to how many edits are found as copies, and what else is linked.

    python recipes/people_copies.py --data ../shared/data --work ../cache/copies      # 12 minutes on one core

Data: niche and faces_identity (4,120 photos), video (its originals, for 13 edits each) and the bundled clips, research
terms. Edits of 160 photos and of all original clips are made in `--work` by people_copies_edits.py and looked at as
`analyze` does. Candidates are those of the product. For the column `recall_nested`, the threshold of likeness (photos)
or of moves (clips) is the least at which no candidate of one half of the sources is linked wrongly, at least the
shipped one, and the edits of the other half are counted. Writes benchmarks/results/people_copies.csv.
"""

import argparse
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import people_copies_edits as edits
from postlens.config import Settings
from postlens.pipelines.evaluation.copies import content
from postlens.pipelines.evaluation.media import read_media
from postlens.pipelines.stages import EncodeStage, HashStage
from postlens.tasks.people import compare
from postlens.tasks.people.compare import Content
from postlens.tasks.people.duplicates import find_duplicates
from postlens.tasks.people.hashes import HashIndex, mirrored
from postlens.tasks.people.motion import Moves
from postlens.tasks.people.neighbours import NEAREST, LookSearch, Neighbours, shortened
from postlens.tasks.people.placement import Likeness

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BUNDLED = ROOT / "src" / "postlens" / "sample_campaign" / "media"
N_PHOTOS = 160  # of which edits are made
N_BOOT = 1000
GRIDS = {"clip": np.arange(0.4, 1, 0.05).round(2).tolist(), "photo": np.arange(0.7, 1, 0.02).round(2).tolist()}
Row = dict[str, object]
SAME_FOOTAGE = ("pyf_single", "pyf_face_noface", "pyf_noface_face", "pyf_noface")  # parts of one another: looked at
STAGES = (EncodeStage(), HashStage())


@dataclass(frozen=True)
class Original:
    """A file that edits are made of."""

    name: str
    path: Path
    source: str  # drawn and held out together
    family: str  # files of one family are copies of each other


@dataclass(frozen=True)
class Pair:
    """A candidate: an original and an edit of it or of another."""

    edit: str
    right: bool
    evidence: Likeness | tuple[float, Moves]  # of photos; of clips: share of near frames, and how they move alike
    source: str
    name: str  # of the edited original

    def linked(self, threshold: float) -> bool:
        """Whether the product links it at a threshold of likeness or of moves."""
        if isinstance(self.evidence, Likeness):
            return self.evidence.score >= threshold and self.evidence.share >= compare.MIN_SAME
        return compare.judge_clips(*self.evidence, min_moves=threshold) is not None


def main() -> None:
    """Make, look, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of niche/, faces_identity/ and video/")
    parser.add_argument("--work", type=Path, required=True, help="folder for the edits, kept for the next run")
    args = parser.parse_args()
    photos, clips = [*photos_of(args.data)], [*clips_of(args.data)]
    rows = [
        *table("clip", clips, clips, args.work, tuple(edits.CLIP_EDITS)),
        *table("photo", photos, drawn(photos), args.work, tuple(edits.PHOTO_EDITS)),
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (RESULTS / "people_copies.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


def photos_of(data: Path) -> Iterator[Original]:
    """All photos of niche and faces_identity."""
    for folder in ("niche", "faces_identity"):
        with (data / folder / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                name = f"{folder}/{row['file']}"
                yield Original(name, data / name, row["source_group"], name)


def clips_of(data: Path) -> Iterator[Original]:
    """The clips of video that are no edits, and the bundled ones; the source is the recording."""
    with (data / "video" / "dup.csv").open(newline="") as file:
        edited = {row["file"] for row in csv.DictReader(file)}
    with (data / "video" / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            stem = Path(row["file"]).stem
            family = SAME_FOOTAGE[0] if stem in SAME_FOOTAGE else stem
            if row["file"] not in edited:
                shoot = family.removesuffix("_s0").removesuffix("_s1")
                yield Original(stem, data / "video" / row["file"], shoot, family)
    for path in sorted(BUNDLED.rglob("*.mp4")):
        yield Original(path.stem, path, path.stem, path.stem)


def drawn(photos: Sequence[Original]) -> list[Original]:
    """The photos that edits are made of."""
    rows = np.random.default_rng(0).permutation(len(photos))[:N_PHOTOS]
    return [photos[row] for row in sorted(rows.tolist())]


def table(
    kind: str, originals: Sequence[Original], edited: Sequence[Original], work: Path, names: Sequence[str]
) -> list[Row]:
    """A row for each edit, one for all, and one for the originals among themselves."""
    known = {one.name: look_at(one.path, one.name, order) for order, one in enumerate(originals)}
    family = {one.name: one.family for one in originals}
    found = find_duplicates(list(known.values()))
    print("linked originals:", *found, sep="\n", flush=True)
    rows: list[Row] = [{"kind": kind, "edit": "none", "n": len(originals), "linked": len(found)}]
    if kind == "clip":  # no labels tell which photos are one: those linked were looked at, see docs/log/copies.md
        rows[0]["wrong"] = sum(family[one.later_id] != family[one.first_id] for one in found)
    pairs: list[Pair] = []
    for name in names:
        made = {one.name: look_at(edited_file(one, kind, name, work), one.name, 10**6) for one in edited}
        pairs += candidates(name, known, made, originals)
        print(name, len(pairs), flush=True)
    shipped = compare.MIN_LIKENESS if kind == "photo" else compare.MIN_MOVES
    nested = chosen_on_the_other_half(edited, pairs, GRIDS[kind])
    print("thresholds chosen by halves:", nested)
    for name in (*names, "all"):
        own = pairs if name == "all" else [pair for pair in pairs if pair.edit == name]
        n_edits = len(names) if name == "all" else 1
        rows.append({"kind": kind, "edit": name, **scores(edited, own, shipped, nested, n_edits=n_edits)})
    return rows


def look_at(path: Path, name: str, order: int) -> Content:
    """What is compared of a file."""
    work = read_media(path, settings=Settings())
    for stage in STAGES:
        (work,) = stage((work,))
    return content(name, order, work.features)


def edited_file(one: Original, kind: str, edit: str, work: Path) -> Path:
    """The edit of an original, made unless it is there."""
    suffix = "mp4" if kind == "clip" else "jpg"
    path = work / f"{kind}s" / f"{one.name.replace('/', '_')}__{edit}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return path
    if kind == "clip":
        edits.write_clip(path, edits.read_clip(one.path), edit, name=one.name)
    else:
        image = Image.open(io.BytesIO(one.path.read_bytes())).convert("RGB")
        path.write_bytes(edits.edited_photo(image, edit, name=one.name))
    return path


def candidates(
    edit: str, known: Mapping[str, Content], made: Mapping[str, Content], originals: Sequence[Original]
) -> Iterator[Pair]:
    """The originals that the product compares with each edit, and what it measures."""
    items, of = [*known.values(), *made.values()], {one.name: one for one in originals}
    names, n = [*known, *made], len(known)
    n_nearest = NEAREST[items[0].kind]
    search = LookSearch.of([shortened(item.vectors) for item in items if item.vectors is not None], n_nearest)
    near = {
        *map(
            tuple, Neighbours.nothing(len(items), n_nearest).updated(np.ones(len(items), bool), search).pairs().tolist()
        )
    }
    near |= set(hashes_near(items[:n], items[n:], first=n))
    across = [(a, b) for a, b in sorted(near) if a < n <= b]
    for (a, b), found in zip(across, evidence([(items[a], items[b]) for a, b in across]), strict=True):
        original, copy = of[names[a]], of[names[b]]
        yield Pair(edit, original.family == copy.family, found, copy.source, copy.name)


def evidence(pairs: Sequence[tuple[Content, Content]]) -> Sequence[Likeness | tuple[float, Moves]]:
    """What the product decides by."""
    if pairs and pairs[0][0].kind == "image":
        return compare.likenesses(pairs)
    return [(compare.shared_frames(a, b), moves) for (a, b), moves in zip(pairs, compare.moves_of(pairs), strict=True)]


def hashes_near(known: Sequence[Content], made: Sequence[Content], *, first: int) -> Iterator[tuple[int, int]]:
    """Pairs with near hashes, mirrored or not."""
    index = HashIndex.of(np.concatenate([item.words for item in known]))
    owner = np.repeat(np.arange(len(known)), [len(item.words) for item in known])
    for row, item in enumerate(made, start=first):
        for words in (item.words, mirrored(item.words)):
            for found in np.unique(owner[index.near(words)[1]]).tolist():
                yield found, row


def chosen_on_the_other_half(
    edited: Sequence[Original], pairs: Sequence[Pair], grid: Sequence[float]
) -> dict[str, float]:
    """For each source, the least threshold without a wrong link among the sources of the other half."""
    sources = sorted({one.source for one in edited})
    half = {source: number % 2 for number, source in enumerate(sources)}
    chosen = {}
    for number in (0, 1):
        others = [pair for pair in pairs if not pair.right and half[pair.source] != number]
        chosen[number] = min(t for t in grid if not any(pair.linked(t) for pair in others))
    return {source: chosen[half[source]] for source in sources}


def scores(
    edited: Sequence[Original], pairs: Sequence[Pair], shipped: float, nested: Mapping[str, float], *, n_edits: int
) -> Row:
    """Recall with an interval drawn by source, and wrong links, at the shipped and at the nested thresholds."""
    found = {(pair.name, pair.edit) for pair in pairs if pair.right and pair.linked(shipped)}
    unseen = {(pair.name, pair.edit) for pair in pairs if pair.right and pair.linked(nested[pair.source])}
    offered = {(pair.name, pair.edit) for pair in pairs if pair.right}
    of, n = {one.name: one.source for one in edited}, len(edited) * n_edits
    sources = sorted(set(of.values()))
    hits = np.array([sum(of[name] == source for name, _ in found) for source in sources])
    counts = np.array([sum(one.source == source for one in edited) * n_edits for source in sources])
    low, high = interval(hits, counts)
    return {
        "n": n,
        "sources": len(sources),
        "linked": sum(pair.linked(shipped) for pair in pairs),
        "wrong": sum(pair.linked(shipped) for pair in pairs if not pair.right),
        "candidate": len(offered) / n,
        "recall": len(found) / n,
        "recall_low": low,
        "recall_high": high,
        "nested_recall": len(unseen) / n,
        "nested_wrong": sum(pair.linked(nested[pair.source]) for pair in pairs if not pair.right),
    }


def interval(hits: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[float, float]:
    """95 % of the recalls when sources are drawn again."""
    chosen = np.random.default_rng(0).integers(len(hits), size=(N_BOOT, len(hits)))
    low, high = np.percentile(hits[chosen].sum(axis=1) / counts[chosen].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
