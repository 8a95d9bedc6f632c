"""Speed and memory of analyzing a campaign of videos, end to end, people included.

python benchmarks/video_speed.py --clips FOLDER --photos FOLDER [--n 200] [--contents 16] [--kept FOLDER]
(about 12 s for each content to make, then about 1.5 s for each video on two cores)

Makes the videos (`video_material.py`: 60 s of 720p each, distinct bytes, `--contents` distinct contents; `--kept` keeps
the contents for the next time), analyzes them by the command line in a fresh process, then once more with nothing new,
and writes a row to benchmarks/results/video_speed.csv. CPU seconds tell the cost on a machine that others use too;
wall seconds are what a user waits.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from speed import commit, write_rows
from video_material import DURATION_S, write_contents, write_copies

RESULTS = Path(__file__).parent / "results" / "video_speed.csv"
CODE = """
import resource, sys
from postlens.cli.app import run
code = run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print('USED', used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


class Used(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def main() -> None:
    """Make the material, measure, write the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--contents", type=int, default=16)
    parser.add_argument("--kept", type=Path, help="folder for the contents; default: they are made and thrown away")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postlens-videos-") as name:
        root = Path(name)
        contents = write_contents(args.clips, args.photos, args.kept or root / "contents", n=args.contents)
        write_copies(contents, root / "videos", n=args.n)
        row = measure(root, n=args.n, n_contents=len(contents))
    write_rows(args.out, [row])
    print(json.dumps(row, indent=1))


def measure(root: Path, *, n: int, n_contents: int) -> dict[str, object]:
    """Analyze the videos twice."""
    words = ["analyze", str(root / "videos"), "--out", str(root / "out")]
    first, again = analyzed(words), analyzed(words)
    log = [json.loads(line) for line in (root / "out" / "run.log").read_text().splitlines()]
    end = next(line for line in log if line["event"] == "end")  # of the first run
    total = sum(end["stage_seconds"].values())
    return {
        "commit": commit(),
        "at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "n": n,
        "n_contents": n_contents,
        "seconds_each": DURATION_S,
        "n_failed": end["failed"],
        "first_s": round(first.wall_s, 1),
        "first_cpu_s": round(first.cpu_s, 1),
        "cpu_s_each": round(first.cpu_s / n, 2),
        "times_real_time": round(n * DURATION_S / first.wall_s),
        "peak_mib": round(first.peak_mib),
        "again_s": round(again.wall_s, 2),
        **{f"share_{part}": round(s / total, 3) for part, s in end["stage_seconds"].items()},
    }


def analyzed(words: Sequence[str]) -> Used:
    """One command in a process of its own."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=False, env=env)
    wall_s = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"the run failed: {done.stderr[-2000:]}")
    used = next(line for line in done.stderr.splitlines() if line.startswith("USED")).split()
    return Used(wall_s, float(used[1]), int(used[2]) / 1024)


if __name__ == "__main__":
    main()
