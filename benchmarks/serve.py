"""Latency, throughput, memory and start of the server, as clients on the same machine see them.

    python benchmarks/serve.py [--data FOLDER] [--requests 10000]      (about 5 minutes on two cores)

A real `postlens serve` on a socket of loopback; photos (default: those of the sample campaign) are re-encoded as JPEGs
of 640 to 1080 px, each with bytes of its own. Clients keep their connection and send the next image when the last is
answered. Throughput is set against `analyze`'s own engine, which decodes, runs the same stages and writes to a store,
on the same photos in a process of its own, before and after the server's. Writes benchmarks/results/serve.csv: one row
for each figure.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import http.client
import itertools
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from speed import commit, make_photos

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "serve.csv"
MEDIA = ROOT / "src" / "postlens" / "sample_campaign" / "media"
N_PHOTOS = 400
MANY = 32  # clients at once
ALONE, WARM = 200, 64  # requests
STARTS = 3
SAMPLES = 40  # of memory, over the requests of many clients
HOST = "127.0.0.1"
BOUNDARY = "postlens-benchmark"
# As the command line runs: analyze's engine with the stages of /predict. Prints photos a second, models loaded before.
ENGINE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from postlens.config import Settings
from postlens.media.hashing import sha256_file
from postlens.pipelines.process import Processor
from postlens.pipelines.run import Runner
from postlens.pipelines.stages import all_stages
from postlens.serve.looking import REACTION_STAGES
from postlens.store import Store
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec
folder, store, warm = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
photos = {sha256_file(path): str(path) for path in sorted(folder.rglob("*.jpg"))}
stages = [stage for stage in all_stages() if stage.name.startswith(REACTION_STAGES)]
with Store.open(store) as opened, Runner(stages, Settings.load()) as runner:
    engine = Processor(opened, runner, encoder=load_spec(ENCODER).fingerprint)
    engine.run(dict(list(photos.items())[:warm]), now=datetime.now(UTC))
    done = engine.run(dict(list(photos.items())[warm:]), now=datetime.now(UTC))
assert not done.failures, done.failures
print(done.n_done / done.seconds)
"""

Watch = Callable[[int], None]
Row = tuple[str, int, int, float, str]  # measure, clients, requests, value, unit


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=MEDIA, help="folder of photos")
    parser.add_argument("--requests", type=int, default=10_000, help="of 32 clients")
    parser.add_argument("--photos", type=int, default=N_PHOTOS, help="that differ")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    rows = measure(args.data, n_photos=args.photos, n_requests=args.requests)
    about = [datetime.now(UTC).strftime("%Y-%m-%d"), commit(), machine()]
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["measure", "clients", "requests", "value", "unit", "at", "commit", "machine"])
        writer.writerows([*row[:3], f"{row[3]:.4g}", row[4], *about] for row in rows)


def machine() -> str:
    """What it was measured on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def measure(data: Path, *, n_photos: int, n_requests: int) -> list[Row]:
    """All figures."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="postlens-serve-") as name:
        root = Path(name)
        make_photos(data, root / "photos", n_photos)
        bodies = [multipart(path) for path in sorted((root / "photos").rglob("*.jpg"))]
        before = engine_rate(root / "photos", root / "before.db")
        starts = [start_s(root / "postlens.db") for _ in range(STARTS + 1)][1:]  # the first makes the store
        rows.append(("start to ready", 0, 0, float(np.median(starts)), "s"))
        with started(root / "postlens.db") as (server, port):
            rows += under_load(server.pid, port, bodies, n_requests=n_requests)
        after = engine_rate(root / "photos", root / "after.db")
    rate = next(row[3] for row in rows if row[0] == "throughput")
    rows += [
        ("analyze's engine, same stages, before", 0, n_photos - WARM, before, "images/s"),
        ("analyze's engine, same stages, after", 0, n_photos - WARM, after, "images/s"),
        ("throughput to analyze's engine", MANY, n_requests, 2 * rate / (before + after), "ratio"),
    ]
    for row in rows:
        print(*row, flush=True)
    return rows


def under_load(pid: int, port: int, bodies: list[bytes], *, n_requests: int) -> list[Row]:
    """Latencies, throughput and memory of a server that is ready."""
    asyncio.run(load(port, bodies, clients=MANY, n=WARM))
    alone = asyncio.run(load(port, bodies, clients=1, n=ALONE))
    rss: list[tuple[int, float]] = []

    def watch(n: int) -> None:
        if n % max(1, n_requests // SAMPLES) == 0:
            rss.append((n, memory_mib(pid)))

    started_at, spent = time.perf_counter(), time.process_time()
    many = asyncio.run(load(port, bodies, clients=MANY, n=n_requests, watch=watch))
    seconds = time.perf_counter() - started_at
    spent = time.process_time() - spent
    counts, mib = np.array(rss).T
    late = counts >= counts[-1] / 2
    slope = np.polyfit(counts[late], mib[late], 1)[0] * 1000 if late.sum() > 1 else 0.0
    return [
        *(("latency of /predict, p" + str(p), 1, ALONE, ms(alone, p), "ms") for p in (50, 95)),
        *(("latency of /predict, p" + str(p), MANY, n_requests, ms(many, p), "ms") for p in (50, 95)),
        ("throughput", MANY, n_requests, n_requests / seconds, "images/s"),
        ("the clients' own share of a core", MANY, n_requests, spent / seconds, "ratio"),
        ("memory after a tenth", MANY, int(counts[len(counts) // 10]), mib[len(counts) // 10], "MiB"),
        ("memory at the end", MANY, n_requests, mib[-1], "MiB"),
        ("memory's growth in the second half", MANY, n_requests, slope, "MiB per 1,000 requests"),
    ]


def ms(seconds: list[float], percentile: int) -> float:
    """Of the times, in milliseconds."""
    return float(np.percentile(seconds, percentile)) * 1000


def memory_mib(pid: int) -> float:
    """Resident memory of the server."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def engine_rate(photos: Path, store: Path) -> float:
    """Photos a second of `analyze`'s engine, on all cores."""
    words = [sys.executable, "-c", ENGINE, str(photos), str(store), str(WARM)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment())
    return float(done.stdout.splitlines()[-1])


# --- the server -------------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """As installed: bytecode is kept; any rate of requests."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "POSTLENS_SERVE_RATE_PER_S": "0"}


@contextmanager
def started(store: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server that is ready, and its port."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "postlens", "serve", "--store", str(store), "--port", str(port)]
    log = store.with_suffix(".log")
    with log.open("wb") as told:
        server = subprocess.Popen(words, stderr=told, env=environment())
    try:
        while not is_ready(port):
            if server.poll() is not None:
                raise SystemExit(f"the server ended before it was ready: {log.read_text()[-2000:]}")
            time.sleep(0.01)
        yield server, port
    finally:
        server.terminate()
        server.wait()


def start_s(store: Path) -> float:
    """Seconds from the command to the first 200 of /health."""
    began = time.perf_counter()
    with started(store):
        return time.perf_counter() - began


def is_ready(port: int) -> bool:
    """Whether /health answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


# --- the clients ------------------------------------------------------------------------------------------------------


def multipart(path: Path) -> bytes:
    """A whole request that sends the photo, so that clients spend next to nothing of the machine."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    lines = (
        "POST /predict HTTP/1.1",
        f"Host: {HOST}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


async def load(port: int, bodies: list[bytes], *, clients: int, n: int, watch: Watch = lambda n: None) -> list[float]:
    """Seconds of each of n requests; `watch` is told after each how many there were."""
    numbers = itertools.count()
    seconds: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        while (number := next(numbers)) < n:
            began = time.perf_counter()
            writer.write(bodies[number % len(bodies)])
            await answered(reader)
            seconds.append(time.perf_counter() - began)
            watch(len(seconds))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return seconds


async def answered(reader: asyncio.StreamReader) -> None:
    """Read one answer; anything but 200 ends the benchmark."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in head.splitlines() if line.startswith("content-length:")).partition(":")[2]
    body = await reader.readexactly(int(length))
    if " 200 " not in head.splitlines()[0]:
        raise SystemExit(f"expected 200, got {head.splitlines()[0]}: {body[:300]!r}")


if __name__ == "__main__":
    main()
