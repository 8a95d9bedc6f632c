"""Speed of hashing 720p videos: reading through, decoding the sampled frames, PDQ.

python benchmarks/hash_speed.py --videos FOLDER [--out FILE]     (about 2 s for each video)

FOLDER holds videos as `video_material.py` makes them; each is hashed in one thread as `analyze` and `clean` do, key
frames first and 1 frame a second where key frames are rarer. Times are CPU seconds, the best of three, with and without
the sketch; and wall seconds of two threads that share a class of videos, each video twice, which tell the speed on two
cores only while nobody else uses them. Writes benchmarks/results/hash_speed.csv: one row for each distance of key
frames and way of sampling. "key frames only" is the bound for videos with a key frame every second.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from postlens.media.hashing import hash_frames, pdq_hash, sha256_file
from postlens.media.video import decode_video, scan_video
from postlens.pipelines.decode import shrunk
from postlens.types import FrameBatch
from speed import write_rows

RESULTS = Path(__file__).parent / "results" / "hash_speed.csv"
REPEATS = 3
GAPS_S = (1.5, 3.0, 5.0)  # limits between the rows, seconds between key frames


def main() -> None:
    """Hash every video and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    classes: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(args.videos.glob("*.mp4")):
        classes[key_distance(gaps_s(path))].append(path)
    ways = {"1 frame a second": whole, "key frames only": keys_only}
    write_rows(args.out, [row(gap, way, classes[gap], step) for gap in sorted(classes) for way, step in ways.items()])
    print(args.out.read_text())


def gaps_s(path: Path) -> np.ndarray:
    """Seconds between the key frames of a video, its end counting as one."""
    scan = scan_video(path)
    return np.diff([key.time_s for key in scan.keys], append=scan.end_s)


def key_distance(gaps_s: np.ndarray) -> str:
    """The class of a video by its largest distance of key frames."""
    return f"up to {GAPS_S[int(np.searchsorted(GAPS_S, gaps_s.max()))]:g} s" if gaps_s.max() <= GAPS_S[-1] else "longer"


def whole(path: Path, *, sketch: bool = True) -> int:
    """Hash the file as `analyze` does; returns how many frames were hashed."""
    return hashed(path, rate_hz=1.0, sketch=sketch)


def keys_only(path: Path, *, sketch: bool = True) -> int:
    """Hash as many frames as there are key frames, up to one a second."""
    return hashed(path, rate_hz=min(1.0, 1 / float(gaps_s(path).max())), sketch=sketch)


def hashed(path: Path, *, rate_hz: float, sketch: bool) -> int:
    """Hash the file and its frames; without the sketch PDQ alone."""
    sha256_file(path)
    frames = decode_video(path, rate_hz=rate_hz).frames
    small = tuple(shrunk(image) for image in frames.images)
    if not sketch:
        return len([pdq_hash(image) for image in small])
    return len(hash_frames(FrameBatch(small, frames.pts_s, frames.index, frames.scale)))


def best(step: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds of the fastest of `REPEATS` runs, and what it returned."""
    times = []
    for _ in range(REPEATS):
        started = time.thread_time()
        result = step()
        times.append(time.thread_time() - started)
    return min(times), result


def two_threads(paths: Sequence[Path], step: Callable[..., int]) -> float:
    """Wall seconds of two threads for every video twice."""
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(step, [path for path in paths for _ in range(2)]))
    return time.perf_counter() - started


def row(gap: str, way: str, paths: Sequence[Path], step: Callable[..., int]) -> dict[str, object]:
    """Sums over the videos of one class."""
    length_s = sum(scan_video(path).duration_s for path in paths)
    with_sketch = [best(lambda path=path: step(path)) for path in paths]  # type: ignore[misc]
    plain = [best(lambda path=path: step(path, sketch=False)) for path in paths]  # type: ignore[misc]
    cpu_s, plain_s = (sum(seconds for seconds, _ in own) for own in (with_sketch, plain))
    return {
        "key_frames_apart": gap,
        "sampled": way,
        "n_videos": len(paths),
        "hashes_each": round(sum(n for _, n in with_sketch) / len(paths), 1),
        "cpu_s_each": round(cpu_s / len(paths), 3),
        "times_real_time_one_core": round(length_s / cpu_s),
        "one_core_without_sketch": round(length_s / plain_s),
        "two_threads_by_wall": round(2 * length_s / two_threads(paths, step)),
    }


if __name__ == "__main__":
    main()
