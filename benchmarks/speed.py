"""Speed and memory of the main job, end to end, all five tasks.

python benchmarks/speed.py --data FOLDER [--n 500 5000]     (about 6 minutes on two cores)

Photos of FOLDER are re-encoded as JPEGs of 640 to 1080 px (longest side), repeated under new hashes (a comment with a
number in each file) until there are n, and analyzed by the command line in a fresh process; then once more with
nothing new. Writes benchmarks/results/speed.csv: one row per n.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

RESULTS = Path(__file__).parent / "results" / "speed.csv"
SIDES_PX = (640, 800, 960, 1080)
QUALITY = 85


def main() -> None:
    """Measure each n and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos")
    parser.add_argument("--n", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    rows = [measure(args.data, n) for n in args.n]
    write_rows(args.out, rows)
    for row in rows:
        print(json.dumps(row, indent=1))


def measure(data: Path, n: int) -> dict[str, object]:
    """Make n photos, analyze them, analyze them again."""
    with tempfile.TemporaryDirectory(prefix="postlens-speed-") as name:
        root = Path(name)
        make_photos(data, root / "photos", n)
        words = ["analyze", str(root / "photos"), "--out", str(root / "out")]
        first_s, peak_mib = run(words)
        again_s, _ = run(words)
        log = [json.loads(line) for line in (root / "out" / "run.log").read_text().splitlines()]
    end = next(line for line in log if line["event"] == "end")  # of the first run
    total = sum(end["stage_seconds"].values())
    shares = {f"share_{part}": round(s / total, 3) for part, s in end["stage_seconds"].items()}
    return {
        "commit": commit(),
        "at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "n": n,
        "n_failed": end["failed"],
        "first_s": round(first_s, 2),
        "images_per_s": round(n / first_s, 1),
        "process_images_per_s": round(n / end["process_seconds"], 1),
        "peak_mib": round(peak_mib),
        "again_s": round(again_s, 2),
        "again_share": round(again_s / first_s, 4),
        **shares,
    }


def make_photos(data: Path, folder: Path, n: int) -> None:
    """n JPEGs of SIDES_PX, each with bytes of its own, in four creators' folders."""
    sources = sorted(path for path in data.rglob("*.jpg"))[:: max(1, len(list(data.rglob("*.jpg"))) // n)]
    encoded: list[bytes] = []
    for i, path in enumerate(sources[:n]):
        encoded.append(resized(path, SIDES_PX[i % len(SIDES_PX)]))
    for i in range(n):
        path = folder / f"creator{i % 4}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(with_comment(encoded[i % len(encoded)], f"{i}"))


def resized(path: Path, side_px: int) -> bytes:
    """The photo as a JPEG with this longest side."""
    with Image.open(path) as image:
        scale = side_px / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        buffer = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def with_comment(jpeg: bytes, text: str) -> bytes:
    """The JPEG with a comment segment after its start marker: other bytes, the same picture."""
    body = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def run(words: Sequence[str]) -> tuple[float, float]:
    """Seconds and peak memory in MiB of one command in a process of its own."""
    code = (
        "import resource, sys\n"
        "from postlens.cli.app import run\n"
        "code = run(sys.argv[1:])\n"
        "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    # Where Python may not keep its bytecode, every start compiles 300 files: 1 s that an installed one does not take.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, env=env)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"the run failed: {done.stderr[-2000:]}")
    peak = next(line for line in done.stderr.splitlines() if line.startswith("PEAK"))
    return seconds, int(peak.split()[1]) / 1024


def commit() -> str:
    """The commit measured, marked when the tree has changes."""
    git = shutil.which("git") or "git"
    name = subprocess.run([git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    changed = subprocess.run([git, "diff", "--quiet", "HEAD", "--", "src"], check=False).returncode
    return name.strip() + ("+" if changed else "")


def write_rows(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """The table as CSV; parts that only some rows have are left blank in the others."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
