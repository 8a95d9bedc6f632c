"""Synthetic face tracks to the cost of keeping persons right: time for each added track, full runs, memory.

    OPENBLAS_NUM_THREADS=1 python benchmarks/people_scale.py --data ../shared/data     # 15 minutes on one core

The tracks are drawn so that they confuse as measured ones do: person means and deviations from a normal distribution
with the covariances between and within the persons of faces_identity and video, brought to unit length; both are scaled
until the shares of wrongly near and wrongly far pairs at the threshold are the measured ones. How many tracks a person
has, their quality and their frames are drawn from the measured ones. Writes benchmarks/results/people_scale.csv, and
people_scale_fit.csv with both error curves.

Up to `FULL_UP_TO` tracks the state before is that of a full run. Beyond, each person's tracks are clustered alone, the
batch is added, which settles all that it touches, and taken away again: so the time is that of adding it to a settled
state. Run with OPENBLAS_NUM_THREADS=1: its threads cost more than they bring in products as small as these.
"""

import argparse
import csv
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.pipelines.evaluation.video import join_tracks, look_at
from postlens.pipelines.photos import largest
from postlens.tasks.people.history import History
from postlens.tasks.people.identity import assign
from postlens.types import FaceTracks
from postlens.vision.templates import MATCH, STRICT, TEMPLATE, unit_rows
from postlens.vision.zoo import load_spec

RESULTS = Path(__file__).parent / "results"
FULL_UP_TO = 100_000
CHECKED_UP_TO = 10_000  # tracks up to which the batch is compared with another full run
CASES = (
    (10_000, MATCH, 256),
    (100_000, MATCH, 256),
    (300_000, MATCH, 256),
    (1_000_000, STRICT, 256),
    (1_000_000, STRICT, 1024),
)
CURVE = np.arange(0.24, 0.4401, 0.02).round(2)
CALIBRATED_AT = (
    0.06  # the shares are fitted this much above the threshold, where measured wrong pairs are not a handful
)
SHORTER = 0.04  # and, for the shape, this much below that
COMMONNESS = (0.2, 0.3, 0.4)
Float = NDArray[np.float64]
Row = dict[str, Any]


def main() -> None:
    """Fit, draw, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/ and video/")
    options = parser.parse_args()
    thresholds = load_spec(TEMPLATE).thresholds
    tracks, people = measured(options.data)
    crowd = Crowd(tracks, people)
    crowd.calibrate(thresholds[MATCH] + CALIBRATED_AT)
    write(RESULTS / "people_scale_fit.csv", crowd.curves())
    write(
        RESULTS / "people_scale.csv", [measure(crowd, n, batch, threshold=thresholds[name]) for n, name, batch in CASES]
    )


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def measured(data: Path) -> tuple[FaceTracks, list[str]]:
    """The largest face of each labelled photo and the tracks of the clips with a labelled person, and who it is."""
    photos = {row["file"]: row["person"] for row in read_table(data / "faces_identity" / "manifest.csv")}
    clips = {row["file"]: row["person"] for row in read_table(data / "video" / "people.csv")}
    parts: list[FaceTracks] = []
    people: list[str] = []
    for folder, who in ((data / "faces_identity", photos), (data / "video", clips)):
        found, _ = look_at(folder, list(who), parts=("people",))
        by_media = {one.media.sha256: (one, who[file]) for file, one in found.items()}
        for one, person in by_media.values():
            if one.faces is None or one.tracks is None or not len(one.tracks):
                continue
            own = one.tracks[[largest(one.faces)]] if one.media.kind == "image" else one.tracks
            parts.append(own)
            people += [person] * len(own)
    return join_tracks(parts), people


class Crowd:
    """What measured tracks are like, to draw others from."""

    def __init__(self, tracks: FaceTracks, people: list[str]) -> None:
        self.tracks, self.people = tracks, np.array(people)
        self.sizes = np.unique(self.people, return_counts=True)[1]
        vectors = tracks.template.astype(np.float64)
        self.centre = vectors.mean(axis=0)
        seen = [vectors[self.people == one] for one in np.unique(self.people)]
        several = [own for own in seen if len(own) > 1]
        n_free = sum(len(own) - 1 for own in several)
        within = sum((own - own.mean(axis=0)).T @ (own - own.mean(axis=0)) for own in several) / n_free
        means = np.array([own.mean(axis=0) for own in several])
        share = np.mean([1 / len(own) for own in several])
        self.within = root(within)
        self.between = root(np.cov(means.T) - share * within)
        self.scales = [residual_scales(own, within) for own in several]  # of tracks, by person: some are steadier
        self.spread = np.ones(2)  # of persons, of tracks
        self.commonness = 0.0  # how differently far persons are from the centre: more of them look alike in the middle

    def draw(self, sizes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Vectors of persons with so many tracks."""
        far = self.spread[0] * np.exp(self.commonness * rng.standard_normal((len(sizes), 1)))
        means = self.centre + far * (rng.standard_normal((len(sizes), 128)) @ self.between)
        vectors = np.repeat(means.astype(np.float32), sizes, axis=0)
        like = rng.integers(len(self.scales), size=len(sizes))
        scale = np.concatenate([rng.choice(self.scales[one], n) for one, n in zip(like, sizes, strict=True)])
        scale = (self.spread[1] * scale[:, None]).astype(np.float32)
        within = self.within.astype(np.float32)
        for start in range(0, len(vectors), 50_000):
            block = vectors[start : start + 50_000]
            block += scale[start : start + 50_000] * (rng.standard_normal(block.shape, np.float32) @ within)
            block[:] = unit_rows(block)
        return vectors

    def calibrate(self, at: float) -> None:
        """Scale both spreads until the shares of wrong pairs at a distance are the measured ones, in turns.

        Of several values of `commonness` the one that also fits wrongly near pairs at a shorter distance is kept.
        """
        wanted, shorter = rates(self.tracks.template, self.people, [at, at - SHORTER])
        fits = []
        for self.commonness in COMMONNESS:
            for kind in (1, 0, 1, 0):
                self._fit(kind, wanted[kind], at=at)
            drawn = self.rates([at - SHORTER], n_persons=3_000)[0][0]
            fits.append((abs(np.log(max(drawn, 1e-9) / shorter[0])), self.commonness, *self.spread))
        _, self.commonness, *spread = min(fits)
        self.spread = np.array(spread)

    def _fit(self, kind: int, wanted: float, *, at: float) -> None:
        """Halve the range of one spread: wider tracks are more often far, wider persons less often near."""
        low, high = 0.4, 2.5
        for _ in range(8):
            self.spread[kind] = np.sqrt(low * high)
            too_many = self.rates([at], n_persons=1_800)[0][kind] > wanted
            low, high = (low, self.spread[kind]) if too_many == (kind == 1) else (self.spread[kind], high)

    def rates(self, distances: Any, *, n_persons: int = 3_000) -> list[tuple[float, float]]:
        """Shares of wrongly near and wrongly far pairs among drawn tracks."""
        rng = np.random.default_rng(1)
        sizes = rng.choice(self.sizes, n_persons)
        return rates(self.draw(sizes, rng), np.repeat(np.arange(len(sizes)), sizes), distances)

    def curves(self) -> list[Row]:
        """Both error rates as measured and as drawn, by distance."""
        real, drawn = rates(self.tracks.template, self.people, CURVE), self.rates(CURVE)
        return [
            {"distance": at, "fmr": a[0], "fmr_drawn": b[0], "fnmr": a[1], "fnmr_drawn": b[1]}
            for at, a, b in zip(CURVE.tolist(), real, drawn, strict=True)
        ]

    def sample(self, n: int, rng: np.random.Generator) -> tuple[FaceTracks, NDArray[np.int64]]:
        """n tracks in a random order, each in a media file of its own, and who each is."""
        sizes = rng.choice(self.sizes, n)
        sizes = sizes[: np.searchsorted(sizes.cumsum(), n) + 1]
        vectors = self.draw(sizes, rng)
        order = rng.permutation(len(vectors))[:n]
        like = rng.integers(len(self.tracks), size=n)
        tracks = FaceTracks(
            track_id=tuple(f"{number:016x}:0" for number in range(n)),
            start_s=np.zeros(n, np.float32),
            end_s=np.zeros(n, np.float32),
            n_frames=self.tracks.n_frames[like],
            quality=self.tracks.quality[like],
            template=vectors[order],
        )
        return tracks, np.repeat(np.arange(len(sizes)), sizes)[order]


def residual_scales(own: Float, within: Float) -> Float:
    """How far each track of a person is from their mean, where 1 is usual."""
    n = len(own)
    residual = np.square(own - own.mean(axis=0)).sum(axis=1) * n / (n - 1)
    return np.asarray(np.sqrt(residual / np.trace(within)), np.float64)


def root(covariance: Float) -> Float:
    """A matrix whose product with normal numbers has the covariance; negative parts are noise and left out."""
    values, axes = np.linalg.eigh(covariance)
    return np.asarray((axes * np.sqrt(np.maximum(values, 0))).T, np.float64)


def rates(vectors: NDArray[np.float32], people: NDArray[Any], distances: Any) -> list[tuple[float, float]]:
    """Shares of pairs of two persons within each distance, and of pairs of one person beyond it."""
    squared = np.square(np.asarray(distances))
    near = np.zeros((2, len(squared)))
    total = np.zeros(2)
    for start in range(0, len(vectors), 500):
        block = slice(start, start + 500)
        apart = 2 - 2 * vectors[block] @ vectors.T
        later = np.arange(len(vectors)) > np.arange(len(vectors))[block, None]
        same = people[block, None] == people
        for kind, chosen in enumerate((later & ~same, later & same)):
            total[kind] += chosen.sum()
            near[kind] += [(apart[chosen] <= limit).sum() for limit in squared]
    return [(float(a / total[0]), float(1 - b / total[1])) for a, b in near.T]


def measure(crowd: Crowd, n: int, batch: int, *, threshold: float) -> Row:
    """Cost of adding a batch to n tracks."""
    tracks, people = crowd.sample(n + batch, np.random.default_rng(n))
    old, new = tracks[slice(0, n)], set(tracks.track_id[n:])
    row: Row = {"n_tracks": n, "threshold": threshold, "batch": batch, "templates_mib": n * 128 * 4 / 2**20}
    if n <= FULL_UP_TO:
        before, row["full_s"], row["full_cpu_s"] = timed(lambda: assign(old, threshold=threshold))
    else:
        before, row["full_s"], row["full_cpu_s"] = settled(tracks, people, n, threshold=threshold), None, None
    after, wall, cpu = timed(lambda: assign(tracks, threshold=threshold, previous=before, changed=new))
    row |= {"batch_s": wall, "ms_per_track": 1000 * wall / batch, "cpu_ms_per_track": 1000 * cpu / batch}
    row |= {"peak_mib": peak_mib(), "n_persons": len(set(after.values()) - {None})}
    checked = n <= CHECKED_UP_TO
    row["same_as_full"] = after == assign(tracks, threshold=threshold, previous=before) if checked else None
    print(row, flush=True)
    return row


def settled(tracks: FaceTracks, people: NDArray[np.int64], n: int, *, threshold: float) -> dict[str, str | None]:
    """A state of the first n tracks in which all is settled that the others touch."""
    old, new = tracks[slice(0, n)], set(tracks.track_id[n:])
    before = alone(old, people[:n], threshold=threshold)
    after = assign(tracks, threshold=threshold, previous=before, changed=new)
    joined = {after[track] for track in new} - {None}
    left = {track: after[track] for track in old.track_id}
    lost = [track for track, person in left.items() if person in joined]
    return assign(old, threshold=threshold, previous=left, changed=lost)


def timed(work: Callable[[], dict[str, str | None]]) -> tuple[dict[str, str | None], float, float]:
    """What the work gives, its wall and its processor time in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def alone(tracks: FaceTracks, people: NDArray[np.int64], *, threshold: float) -> dict[str, str | None]:
    """The persons if nobody met anybody else; tracks of low quality wait."""
    found: dict[str, str | None] = dict.fromkeys(tracks.track_id)
    good = np.flatnonzero(tracks.quality >= 0.3)
    order = good[np.argsort(people[good], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(people[order])) + 1):
        tree = History.of(tracks.template, rows, threshold=threshold)
        for node in tree.roots().tolist():
            members = tree.rows[tree.start[node] : tree.stop[node]].tolist()
            if len(members) > 1 or tracks.n_frames[members[0]] >= 3:
                found |= {tracks.track_id[row]: f"person-{min(members):012x}" for row in members}
    return found


def peak_mib() -> float:
    """The most memory that the process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(path: Path, rows: list[Row]) -> None:
    """Rows to CSV, numbers with six digits."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float | np.floating) else v for k, v in row.items()})
    print(path.name, len(rows), "rows")


if __name__ == "__main__":
    main()
