"""Speed of hashing 720p videos: reading through, decoding the sampled frames, PDQ.

python benchmarks/hash_speed.py --videos FOLDER [--out FILE]     (about 2 s for each video)

FOLDER holds videos as `video_material.py` makes them; each is hashed in one thread as `analyze` and `clean` do, key
frames first and 1 frame a second where key frames are rarer. Times are CPU seconds, the best of three. Writes
benchmarks/results/hash_speed.csv: one row for each distance of key frames and way of sampling. "key frames only" is the
bound for videos with a key frame every second.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from postlens.media.hashing import hash_frames, sha256_file
from postlens.media.video import FrameBatch, decode_video, scan_video
from postlens.pipelines.decode import shrunk
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
    found: dict[tuple[str, str], list[tuple[float, float, int]]] = defaultdict(list)
    for path in sorted(args.videos.glob("*.mp4")):
        scan = scan_video(path)
        gap = key_distance(np.diff([key.time_s for key in scan.keys], append=scan.end_s))
        for way, step in (("1 frame a second", whole), ("key frames only", keys_only)):
            seconds, n_hashes = best(lambda step=step, path=path: step(path))  # type: ignore[misc]
            found[gap, way].append((scan.duration_s, seconds, n_hashes))
    write_rows(args.out, [row(gap, way, own) for (gap, way), own in sorted(found.items())])
    print(args.out.read_text())


def key_distance(gaps_s: np.ndarray) -> str:
    """The class of a video by its largest distance of key frames."""
    return f"up to {GAPS_S[int(np.searchsorted(GAPS_S, gaps_s.max()))]:g} s" if gaps_s.max() <= GAPS_S[-1] else "longer"


def whole(path: Path) -> int:
    """Hash the file as `analyze` does; returns how many frames were hashed."""
    sha256_file(path)
    frames = decode_video(path).frames
    small = tuple(shrunk(image) for image in frames.images)
    return len(hash_frames(FrameBatch(small, frames.pts_s, frames.index, frames.scale)))


def keys_only(path: Path) -> int:
    """Hash as many frames as there are key frames, up to one a second."""
    scan = scan_video(path)
    sha256_file(path)
    longest_s = float(np.diff([key.time_s for key in scan.keys], append=scan.end_s).max())
    frames = decode_video(path, rate_hz=min(1.0, 1 / longest_s)).frames
    small = tuple(shrunk(image) for image in frames.images)
    return len(hash_frames(FrameBatch(small, frames.pts_s, frames.index, frames.scale)))


def best(step: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds of the fastest of `REPEATS` runs, and what it returned."""
    times = []
    for _ in range(REPEATS):
        started = time.thread_time()
        result = step()
        times.append(time.thread_time() - started)
    return min(times), result


def row(gap: str, way: str, own: list[tuple[float, float, int]]) -> dict[str, object]:
    """Sums over the videos of one class."""
    length_s, cpu_s, n_hashes = (sum(part) for part in zip(*own, strict=True))
    return {
        "key_frames_apart": gap,
        "sampled": way,
        "n_videos": len(own),
        "hashes_each": round(n_hashes / len(own), 1),
        "cpu_s_each": round(cpu_s / len(own), 3),
        "times_real_time_one_core": round(length_s / cpu_s),
    }


if __name__ == "__main__":
    main()
