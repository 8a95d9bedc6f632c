"""What reading and sampling mappings of many rows takes, written to benchmarks/results/influencer_rows.csv.

    python benchmarks/influencer_rows.py      # 4 min, 600 MB in a temporary folder

Each step runs in a process of its own, whose largest resident memory is read before and after. The table has the 33,935
accounts of the Instagram Influencer Dataset and its names; 10,000,000 rows are about as many as it has. There are no
images, so that sampling reports all of them as missing. Processor time of one core is counted.
"""

import csv
import multiprocessing
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import postlens
from postlens.pipelines.subset import draw_subset
from postlens.sources.influencer_tables import FULL
from postlens.sources.instagram import read_mapping
from postlens.types import NICHES

RESULTS = Path(__file__).resolve().parent / "results" / "influencer_rows.csv"
N_ACCOUNTS = 33_935
N_ROWS = (10_000, 1_000_000, 10_000_000)
FIRST_ID = 1_188_140_434_601_337_000
HEADER = ("step", "rows", "table_mib", "peak_mib_added", "cpu_s", "rows_per_cpu_s", "postlens", "machine")


def main() -> None:
    """Measure every step at every size and write one row for each."""
    with RESULTS.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(HEADER)
        for n_rows in N_ROWS:
            with tempfile.TemporaryDirectory() as place:
                folder = write_tables(Path(place), n_rows)
                size_mib = round((folder / FULL[1]).stat().st_size / 2**20, 1)
                for name, step in STEPS.items():
                    added_mib, cpu_s = in_process(step, folder)
                    rate = round(n_rows / cpu_s)
                    row = (name, n_rows, size_mib, round(added_mib, 1), round(cpu_s, 2), rate)
                    writer.writerow((*row, postlens.__version__, platform.machine()))
                    print(*row)


def write_tables(folder: Path, n_rows: int) -> Path:
    """A dataset without images; a niche's accounts and an account's rows are spread over the tables."""
    with (folder / FULL[0]).open("w") as file:
        file.writelines(f"user{n}\t{NICHES[n % len(NICHES)]}\t{n + 1000}\t100\t300\n" for n in range(N_ACCOUNTS))
    with (folder / FULL[1]).open("w") as file:
        for n in range(n_rows):
            post = FIRST_ID + n
            file.write(f"user{n * 7919 % N_ACCOUNTS}\t{post}.info\t['{post}.jpg']\n")
    return folder


def read(folder: Path) -> None:
    """All rows, none of them held."""
    for _ in read_mapping(folder):
        pass


def sample(folder: Path) -> None:
    """The default subset: 50 accounts of each niche, 300 posts of each."""
    draw_subset(folder, folder / "out", influencers=50, posts=300, seed=0)


STEPS = {"read_mapping": read, "draw_subset": sample}


def in_process(step: Callable[[Path], None], folder: Path) -> tuple[float, float]:
    """(MiB by which the largest resident memory grew, processor seconds) of a step in a fresh process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measured, args=(step, folder, queue))
    process.start()
    result: tuple[float, float] = queue.get()
    process.join()
    return result


def measured(step: Callable[[Path], None], folder: Path, queue: "multiprocessing.Queue[tuple[float, float]]") -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    step(folder)
    queue.put(((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, time.process_time() - start))


if __name__ == "__main__":
    main()
