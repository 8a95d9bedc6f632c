"""Times of the search for near frame hashes, and its recall against comparing all of them.

    python benchmarks/hash_search.py      # 1 minute on one core

Hashes are drawn with the spread of real ones: clips of eight frames whose neighbours are a few bits apart. Half of the
queries are stored hashes with up to 31 bits turned, half are of clips that are not stored. Writes
benchmarks/results/hash_search.csv.
"""

import csv
import time
from pathlib import Path

import numpy as np

from postlens.tasks.people.hashes import MAX_BITS, HashIndex, Words, hamming

RESULTS = Path(__file__).resolve().parent / "results"
SIZES = (10_000, 100_000, 1_000_000)
FRAMES = 8  # of a clip
N_SINGLE = 200
N_CHECKED = 100


def main() -> None:
    """Measure each size and write the table."""
    rows = [measure(n, np.random.default_rng(0)) for n in SIZES]
    with (RESULTS / "hash_search.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.4g}" for key, value in row.items()} for row in rows)
    for row in rows:
        print(row)


def measure(n: int, rng: np.random.Generator) -> dict[str, float]:
    """Milliseconds of one core per query, alone and in a batch of 256, and recall."""
    stored = clip_hashes(n, rng)
    start = time.process_time()
    index = HashIndex.of(stored)
    build_s = time.process_time() - start
    queries = np.concatenate([turned(stored[rng.integers(n, size=128)], rng), clip_hashes(128, rng)])
    queries = queries[rng.permutation(len(queries))]
    start = time.process_time()
    asked, found, _ = index.near(queries)
    batch_ms = (time.process_time() - start) / len(queries) * 1e3
    single_ms = [timed_ms(index, queries[at : at + 1]) for at in range(N_SINGLE)]
    true = np.argwhere(hamming(queries[:N_CHECKED], stored) <= MAX_BITS)
    got = {pair for pair in zip(asked.tolist(), found.tolist(), strict=True) if pair[0] < N_CHECKED}
    hit = sum(tuple(pair) in got for pair in true.tolist())
    return {
        "hashes": n,
        "build_s": build_s,
        "memory_mib": (stored.nbytes + index.rows.nbytes + index.starts.nbytes) / 2**20,
        "single_ms_median": float(np.median(single_ms)),
        "single_ms_p99": float(np.percentile(single_ms, 99)),
        "batch_ms": batch_ms,
        "brute_force_pairs": len(true),
        "recall": hit / len(true),
        "wrong": len(got) - hit,
    }


def timed_ms(index: HashIndex, query: Words) -> float:
    """One query's processor time."""
    start = time.process_time_ns()
    index.near(query)
    return (time.process_time_ns() - start) / 1e6


def clip_hashes(n: int, rng: np.random.Generator) -> Words:
    """Hashes of clips: unrelated between clips, 0 to 15 bits from frame to frame."""
    words = rng.integers(2**64, size=(n // FRAMES, 1, 4), dtype=np.uint64).repeat(FRAMES, axis=1)
    for at in range(1, FRAMES):
        words[:, at] = turned(words[:, at - 1], rng, most=15)
    return words.reshape(-1, 4)


def turned(words: Words, rng: np.random.Generator, *, most: int = MAX_BITS) -> Words:
    """Hashes with up to `most` bits turned, each time another number."""
    changed = words.copy()
    n_bits = rng.integers(most + 1, size=len(words))
    for turn in range(most):
        rows = np.flatnonzero(n_bits > turn)
        bit = rng.integers(256, size=len(rows))
        changed[rows, bit // 64] ^= np.uint64(1) << (bit % 64).astype(np.uint64)
    return changed


if __name__ == "__main__":
    main()
