"""Run `python benchmarks/engagement_training.py --data ../shared/data/instagram_posts`: how fast and large training is.

Seven minutes on two quiet cores are expected (training two, tables five), 15 on shared ones; needs `postlens[train]`.
Two questions: how long `train engagement --model accounts` takes on the 27,000 posts of the collection (aim: under 3
minutes on 2 cores), and whether a table of 10 million drawn rows streams: seconds and the largest resident memory of a
process that reads it, and of one that also makes the features of the sample, beside those of an empty process and of a
tenth of the table. Seconds of the processor are beside those of the clock, which other work on the machine stretches:
`cores_used` is their ratio, and well below 1 on a machine that others use. Writes
benchmarks/results/engagement_training.csv; --part replaces the rows of one part alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results" / "engagement_training.csv"
DRAWN_AT_ONCE = 500_000
POSTS_PER_ACCOUNT = 25
CHILD = """
import json, resource, sys, time
started = time.perf_counter()
from postlens.train.engagement_stream import stream_posts
from pathlib import Path
found, n, seconds = None, 0, 0.0
if sys.argv[1] != "-":
    found = stream_posts(Path(sys.argv[1]))
    n = sum(map(len, found.accounts.values()))
    seconds = time.perf_counter() - started
    if sys.argv[2] == "features":
        from postlens.train.engagement_rows import build_views
        build_views(found.accounts)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"n_posts": n, "seconds_to_read": round(seconds, 1),
    "seconds": round(time.perf_counter() - started, 1), "cpu_seconds": round(time.process_time(), 1),
    "peak_mib": round(peak)}))
"""


def draw_table(path: Path, *, n_rows: int) -> None:
    """Posts in the order of time, of accounts that log-normal likes and followers are drawn for."""
    rng, n_accounts = np.random.default_rng(0), max(1, n_rows // POSTS_PER_ACCOUNT)
    followers = np.exp(rng.normal(9.5, 1.5, n_accounts)).astype(int) + 100
    with path.open("w", encoding="utf-8") as file:
        file.write("username,likes,timestamp,followers,caption\n")
        for start in range(0, n_rows, DRAWN_AT_ONCE):
            n = min(DRAWN_AT_ONCE, n_rows - start)
            account = rng.integers(n_accounts, size=n)
            likes = np.exp(-2.4 + 0.88 * np.log(followers[account]) + rng.normal(0, 0.6, n)).astype(int)
            times = 1_500_000_000 + (start + np.arange(n)) * 20
            captions = np.array(["a caption #tag " * k for k in range(6)])[rng.integers(6, size=n)]
            rows = zip(account, likes, times, followers[account], captions, strict=True)
            file.writelines(f"account{a},{k},{t},{f},{c}\n" for a, k, t, f, c in rows)


def stream(path: str, *, what: str = "read") -> dict[str, Any]:
    """Read a table in a process of its own, and measure that."""
    done = subprocess.run([sys.executable, "-c", CHILD, path, what], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def train(data: Path) -> dict[str, Any]:
    """The whole of `run_accounts` on the collection; seconds by part."""
    from postlens.pipelines.training_posts import read_collection_posts
    from postlens.train.engagement import Material, run_accounts

    started, cpu = time.perf_counter(), time.process_time()
    posts = read_collection_posts(data)
    read = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        result = run_accounts(Material(posts.accounts, posts.name), out=Path(folder) / "run")
        size = (Path(folder) / "run" / "engagement.onnx").stat().st_size
    spent = time.perf_counter() - started
    return {
        "n_posts": len(posts),
        "seconds_to_read": round(read, 1),
        "seconds": round(spent, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "mae_log": result.scores["mae_log"],
        "spearman": result.scores["spearman"],
        "file_mb": round(size / 1e6, 2),
        "parts": result.words[0],
    }


def write(part: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows of a part instead of those in the table; all columns that any row has."""
    before: list[dict[str, str]] = []
    if RESULTS.exists():
        with RESULTS.open(encoding="utf-8", newline="") as file:
            before = [row for row in csv.DictReader(file) if row["part"] != part]
    every = [*before, *({"part": part, **row, "cores_used": cores_used(row)} for row in rows)]
    names = list(dict.fromkeys(key for row in every for key in row))
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(every)


def cores_used(row: Mapping[str, Any]) -> float:
    """Seconds of the processor for a second of the clock."""
    return round(row["cpu_seconds"] / max(row["seconds"], 0.1), 2)


def measure_stream(n_rows: int) -> None:
    """An empty process, a tenth of the table, and the table, read and with features."""
    rows: list[dict[str, Any]] = [{"case": "an empty process", **stream("-")}]
    with tempfile.TemporaryDirectory() as folder:
        for n in (n_rows // 10, n_rows):
            table = Path(folder) / f"{n}.csv"
            draw_table(table, n_rows=n)
            size = {"table_mib": round(table.stat().st_size / 2**20)}
            for what in ("read", "features"):
                rows.append({"case": f"table of {n} rows: {what}", **size, **stream(str(table), what=what)})
                print(rows[-1], flush=True)
                write("stream", rows)


def main() -> None:
    """Measure, and write the table after each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with posts.jsonl.gz")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--part", choices=["train", "stream"], help="default: both")
    arguments = parser.parse_args()
    if arguments.part != "stream":
        row = {"case": "27,000 posts, train engagement --model accounts", **train(arguments.data)}
        print(row, flush=True)
        write("train", [row])
    if arguments.part != "train":
        measure_stream(arguments.rows)


if __name__ == "__main__":
    main()
