"""Photos and clips, and edits made of them, to how many edits are found as copies, and what else is linked.

    python recipes/people_copies.py --data ../shared/data --work ../cache/copies      # 25 minutes on one core

Data: niche and faces_identity (4,120 photos), video (its originals, for 15 edits each) and the bundled clips, research
terms. Edits of 240 photos and of all original clips are made in `--work` by people_copies_edits.py and looked at as
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
from PIL import Image

import people_copies_edits as edits
from postlens.config import Settings
from postlens.pipelines.evaluation.copies import content
from postlens.pipelines.evaluation.media import read_media
from postlens.pipelines.stages import EncodeStage, HashStage
from postlens.tasks.people import duplicates
from postlens.tasks.people.duplicates import Content, compare, find_duplicates
from postlens.tasks.people.hashes import HashIndex, mirrored
from postlens.tasks.people.look import alike

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BUNDLED = ROOT / "src" / "postlens" / "sample_campaign" / "media"
N_PHOTOS = 240  # of which edits are made
N_BOOT = 1000
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
    """A candidate: an original and an edit."""

    right: bool
    linked: bool
    score: float
    source: str
    name: str  # of the edited original


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
    with (RESULTS / "people_copies.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


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
) -> list[dict[str, object]]:
    """A row for each edit, and one for the originals among themselves."""
    known = {one.name: look_at(one.path, one.name, order) for order, one in enumerate(originals)}
    family = {one.name: one.family for one in originals}
    found = find_duplicates(list(known.values()))
    wrong = [one for one in found if family[one.later_id] != family[one.first_id]]
    for one in wrong:
        print("linked originals:", one)
    rows: list[dict[str, object]] = [row_of(kind, "none", originals, [], n_wrong=len(wrong), nested=float("nan"))]
    for name in names:
        made = {one.name: look_at(edited_file(one, kind, name, work), f"{one.name}|{name}", 10**6) for one in edited}
        pairs = [*candidates(known, made, originals)]
        n_wrong = sum(pair.linked and not pair.right for pair in pairs)
        rows.append(row_of(kind, name, edited, pairs, n_wrong=n_wrong, nested=nested(edited, pairs, kind)))
        print(rows[-1], flush=True)
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
    known: Mapping[str, Content], made: Mapping[str, Content], originals: Sequence[Original]
) -> Iterator[Pair]:
    """The originals that the product compares with each edit, and what it says."""
    items, of = [*known.values(), *made.values()], {one.name: one for one in originals}
    names, n = [*known, *made], len(known)
    near = {tuple(sorted(pair)) for pair in alike({row: item.vectors for row, item in enumerate(items)})}
    near |= set(hashes_near(items[:n], items[n:], first=n))
    for a, b in sorted(near):
        if a < n <= b:
            original, copy = of[names[a]], of[names[b]]
            verdict, right = compare(items[a], items[b]), original.family == copy.family
            yield Pair(right, verdict is not None, score_of(items[a], items[b]), copy.source, copy.name)


def hashes_near(known: Sequence[Content], made: Sequence[Content], *, first: int) -> Iterator[tuple[int, int]]:
    """Pairs with near hashes, mirrored or not."""
    index = HashIndex.of(np.concatenate([item.words for item in known]))
    owner = np.repeat(np.arange(len(known)), [len(item.words) for item in known])
    for row, item in enumerate(made, start=first):
        for words in (item.words, mirrored(item.words)):
            for found in np.unique(owner[index.near(words)[1]]).tolist():
                yield found, row


def score_of(a: Content, b: Content) -> float:
    """What the threshold is laid on: likeness of photos whose windows are the same, moves of clips."""
    if a.kind == "video":
        return duplicates.moves_of(a, b).score
    found = duplicates.likeness_of(a, b)
    return found.score if found.share >= duplicates.MIN_SAME else 0.0


def nested(edited: Sequence[Original], pairs: Sequence[Pair], kind: str) -> float:
    """Share of edits above a threshold that the other half of the sources chose."""
    shipped = duplicates.MIN_LIKENESS if kind == "photo" else duplicates.MIN_MOVES
    sources = sorted({one.source for one in edited})
    hits = 0
    for half in (0, 1):
        chosen = {source for at, source in enumerate(sources) if at % 2 == half}
        worst = max((pair.score for pair in pairs if not pair.right and pair.source in chosen), default=0.0)
        threshold = max(shipped, worst + 1e-6)
        hits += len({p.name for p in pairs if p.right and p.source not in chosen and (p.score > threshold)})
    return hits / len(edited)


def row_of(
    kind: str, edit: str, edited: Sequence[Original], pairs: Sequence[Pair], *, n_wrong: int, nested: float
) -> dict[str, object]:
    """Recall with an interval drawn by source, and wrong links."""
    linked = {pair.name for pair in pairs if pair.right and pair.linked}
    offered = {pair.name for pair in pairs if pair.right}
    sources = sorted({one.source for one in edited})
    hits = {source: [one.name in linked for one in edited if one.source == source] for source in sources}
    low, high = interval(list(hits.values())) if pairs else (float("nan"), float("nan"))
    row: dict[str, object] = {"kind": kind, "edit": edit, "n": len(edited), "sources": len(sources)}
    row |= {"candidate": len(offered) / len(edited), "recall": len(linked) / len(edited), "recall_low": low}
    row |= {"recall_high": high, "recall_nested": nested, "n_wrong": n_wrong}
    return {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in row.items()}


def interval(hits: Sequence[Sequence[bool]]) -> tuple[float, float]:
    """95 % of the means when sources are drawn again."""
    rng, n = np.random.default_rng(0), np.array([len(one) for one in hits])
    total = np.array([sum(one) for one in hits])
    chosen = rng.integers(len(hits), size=(N_BOOT, len(hits)))
    low, high = np.percentile(total[chosen].sum(axis=1) / n[chosen].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
