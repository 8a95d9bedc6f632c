"""Photos in a store to the time that linking copies takes: at first, for one more photo, and for none.

    OMP_NUM_THREADS=1 python benchmarks/copies_speed.py --data ../shared/data --work ../cache      # 10 minutes

Data: niche and faces_identity (4,120 photos, research terms), looked at as `analyze` does; what is compared of them is
kept in `--work` for the next run. For 20,000 photos they are repeated: embeddings with noise (cosine to the photo about
.8), hashes and sketches those of any photo, 60 bits turned. Times are processor time of `conclude` without people, with
reading and writing the store. Writes benchmarks/results/copies_speed.csv.
"""

import argparse
import csv
import hashlib
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.pipelines.copies import link_copies
from postlens.pipelines.evaluation.media import read_media
from postlens.pipelines.stages import EncodeStage, HashStage
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.posts import LocatedPost, read_duplicates, write_posts
from postlens.types import Embeddings, FrameHashes, MediaFeatures, MediaFile, MediaRef, SourcePost
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

RESULTS = Path(__file__).parent / "results"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIZES = (4_120, 20_000)
NOISE = 0.75  # of a vector's length
TURNED_BITS = 60
BATCH = 1_000


class Photos(NamedTuple):
    """What is compared of photos, as columns."""

    size_px: NDArray[np.int64]  # (N, 2) width, height
    vector: NDArray[np.float32]  # (N, D)
    bits: NDArray[np.uint8]  # (N, 32)
    quality: NDArray[np.int64]
    sketch: NDArray[np.uint8]  # (N, 48, 48)


def main() -> None:
    """Look, fill stores, link and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of niche/ and faces_identity/")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is compared of the photos")
    args = parser.parse_args()
    photos = known(args.work / "copies_speed.npz", args.data)
    rows = [row for size in SIZES for row in measured(repeated(photos, size + 1))]
    with (RESULTS / "copies_speed.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


def known(path: Path, data: Path) -> Photos:
    """From the file, or looked at and written there."""
    if not path.exists():
        stages, columns = (EncodeStage(), HashStage()), []
        for folder in ("niche", "faces_identity"):
            with (data / folder / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    work = read_media(data / folder / row["file"], settings=Settings())
                    for stage in stages:
                        (work,) = stage((work,))
                    columns.append(compared(work.features))
        np.savez(path, *map(np.array, zip(*columns, strict=True)))
    with np.load(path) as kept:
        return Photos(*(kept[f"arr_{at}"] for at in range(len(Photos._fields))))


def compared(found: MediaFeatures) -> tuple[object, ...]:
    """A row of `Photos`."""
    assert found.embeddings is not None
    assert found.hashes is not None
    assert found.hashes.sketch is not None
    size_px = (found.media.width_px, found.media.height_px)
    return size_px, found.embeddings.vectors[0], found.hashes.bits[0], found.hashes.quality[0], found.hashes.sketch[0]


def repeated(photos: Photos, n: int) -> Photos:
    """The photos, and variants of them up to `n`."""
    rng, n_more = np.random.default_rng(0), n - len(photos.vector)
    base, other = rng.integers(len(photos.vector), size=(2, n_more))
    length = np.linalg.norm(photos.vector, axis=1).mean() / np.sqrt(photos.vector.shape[1])
    noise = (NOISE * length * rng.standard_normal((n_more, photos.vector.shape[1]))).astype(np.float32)
    turned = np.packbits(rng.permuted(np.tile(np.arange(256) < TURNED_BITS, (n_more, 1)), axis=1), axis=1)
    more = Photos(
        photos.size_px[other],
        photos.vector[base] + noise,
        photos.bits[other] ^ turned,
        photos.quality[other],
        photos.sketch[other],
    )
    return Photos(*(np.concatenate([getattr(photos, name), getattr(more, name)]) for name in Photos._fields))


def measured(photos: Photos) -> list[dict[str, object]]:
    """Seconds of the first run with all photos but one, of one with the last, and of one more."""
    n, rows = len(photos.vector) - 1, []
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "postlens.db") as store:
        for name, new in (("first", range(n)), ("one more", range(n, n + 1)), ("unchanged", range(0))):
            fill(store, photos, new)
            started = time.process_time()
            with store.write() as conn:
                link_copies(conn)
            seconds = time.process_time() - started
            with store.read() as conn:
                linked = len(read_duplicates(conn))
            rows.append(
                {"photos": n, "run": name, "cpu_s": seconds, "ms_per_photo": 1000 * seconds / n, "linked": linked}
            )
            print(rows[-1], flush=True)
    return rows


def fill(store: Store, photos: Photos, rows: range) -> None:
    """Write the photos as posts."""
    for start in range(rows.start, rows.stop, BATCH):
        some = range(start, min(start + BATCH, rows.stop))
        with store.write() as conn:
            write_features(conn, *(features(photos, row) for row in some))
            write_posts(conn, [LocatedPost(post(row), (sha(row),)) for row in some], now=NOW)


def sha(row: int) -> str:
    """Stands for the photo's."""
    return hashlib.sha256(str(row).encode()).hexdigest()


def post(row: int) -> SourcePost:
    """A post of the photo."""
    return SourcePost(handle="anna", platform="folder", post_key=str(row), media=(MediaRef(path=f"/{row}.jpg"),))


def features(photos: Photos, row: int) -> MediaFeatures:
    """What is compared of the photo, as facts."""
    width, height = photos.size_px[row].tolist()
    times_s = np.zeros(1, np.float32)
    some = slice(row, row + 1)
    return MediaFeatures(
        MediaFile(sha(row), "image", f"/{row}.jpg", width, height, 1),
        embeddings=Embeddings((f"{sha(row)}:0",), photos.vector[some], load_spec(ENCODER).fingerprint),
        pts_s=times_s,
        hashes=FrameHashes(photos.bits[some], photos.quality[some], times_s, photos.sketch[some]),
    )


if __name__ == "__main__":
    main()
