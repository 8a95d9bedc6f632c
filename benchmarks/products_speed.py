"""How long a profile of 300 photos of people takes, written to benchmarks/results/products_speed.csv.

    python benchmarks/products_speed.py --data ../shared/data/faces_identity      # 1 minute on two cores

The photos are one profile. `recommend` alone and `analyze` (all five answers in one pass), each in an empty folder and
then again with nothing new; start of the program included.
"""

import argparse
import csv
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import postlens

RESULTS = Path(__file__).resolve().parent / "results" / "products_speed.csv"
N_PHOTOS = 300
SUFFIXES = (".jpg", ".jpeg", ".png")


def main() -> None:
    """Measure and write a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos of people, at any depth")
    args = parser.parse_args()
    photos = [path for path in sorted(args.data.rglob("*")) if path.suffix.lower() in SUFFIXES]
    with tempfile.TemporaryDirectory() as folder, RESULTS.open("w", newline="") as handle:
        profile = Path(folder) / "photos" / "profile"
        profile.mkdir(parents=True)
        for number, path in enumerate(photos[:: max(1, len(photos) // N_PHOTOS)][:N_PHOTOS]):
            shutil.copy(path, profile / f"{number:03d}{path.suffix}")
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["verb", "run", "n_photos", "seconds", "cores", "postlens", "machine"])
        for verb in ("recommend", "analyze"):
            for run in ("first", "again"):
                seconds = seconds_of([verb, str(profile.parent), "--out", str(Path(folder) / verb)])
                n_photos = len(list(profile.iterdir()))
                writer.writerow(
                    [
                        verb,
                        run,
                        n_photos,
                        round(seconds, 1),
                        len(os.sched_getaffinity(0)),
                        postlens.__version__,
                        platform.machine(),
                    ]
                )


def seconds_of(words: list[str]) -> float:
    """Of one run of the verb in a process of its own, by the clock."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "postlens", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
