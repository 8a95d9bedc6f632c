"""Embeddings, frame hashes and image measures to rows and back, many media at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, Table, select

from postlens.store.columns import pack, unpack
from postlens.store.schema import embeddings, hashes, measures
from postlens.store.statements import replace_rows, select_in, upsert
from postlens.types import Embeddings, FloatArray, FrameHashes

HASH_BYTES = 32  # 256 bits of PDQ
SKETCH_PX = 48  # side of a frame's sketch


def frame_id(sha256: str, frame: int) -> str:
    """Id of an embedding: media and running number of the frame."""
    return f"{sha256}:{frame}"


def write_embeddings(conn: Connection, batch: Mapping[str, tuple[Embeddings, FloatArray]]) -> int:
    """Replace the embeddings of media (by sha256: embeddings and times of the frames) of the same encoder."""
    by_encoder: dict[str, list[str]] = defaultdict(list)
    for sha256, (vectors, _) in batch.items():
        by_encoder[vectors.fingerprint].append(sha256)
    return sum(
        replace_rows(
            conn,
            embeddings,
            [row for sha256 in sha256s for row in _embedding_rows(sha256, *batch[sha256])],
            scope=("sha256", sha256s),
            fingerprint=fingerprint,
        )
        for fingerprint, sha256s in by_encoder.items()
    )


def _embedding_rows(sha256: str, batch: Embeddings, pts_s: FloatArray) -> list[dict[str, Any]]:
    key = {"sha256": sha256, "fingerprint": batch.fingerprint}
    return [
        {**key, "frame": frame, "pts_s": float(at_s), "vector": pack(vector)}
        for frame, (at_s, vector) in enumerate(zip(pts_s, batch.vectors, strict=True))
    ]


def read_frame_embeddings(
    conn: Connection, sha256s: Sequence[str] | None, fingerprint: str
) -> dict[str, tuple[Embeddings, FloatArray]]:
    """By sha256: one encoder's embeddings of the media's frames, and the frames' times; media without are left out."""
    chosen = select(embeddings).where(embeddings.c.fingerprint == fingerprint)
    found = _by_media(conn, chosen, embeddings, sha256s)
    return {sha256: (_embeddings(rows, fingerprint), _column(rows, "pts_s")) for sha256, rows in found.items()}


def _embeddings(rows: Sequence[Row[Any]], fingerprint: str) -> Embeddings:
    ids = tuple(frame_id(row.sha256, row.frame) for row in rows)
    return Embeddings(ids=ids, vectors=unpack([row.vector for row in rows]), fingerprint=fingerprint)


def write_hashes(conn: Connection, batch: Mapping[str, FrameHashes]) -> int:
    """Replace the frame hashes of media, by sha256."""
    rows = [row for sha256, one in batch.items() for row in _hash_rows(sha256, one)]
    return replace_rows(conn, hashes, rows, scope=("sha256", batch))


def _hash_rows(sha256: str, batch: FrameHashes) -> list[dict[str, Any]]:
    sketches = [None] * len(batch) if batch.sketch is None else [sketch.tobytes() for sketch in batch.sketch]
    columns = zip(batch.bits, batch.quality, batch.pts_s, sketches, strict=True)
    return [
        {
            "sha256": sha256,
            "frame": frame,
            "pts_s": float(at_s),
            "bits": bits.tobytes(),
            "quality": int(quality),
            "sketch": sketch,
        }
        for frame, (bits, quality, at_s, sketch) in enumerate(columns)
    ]


def read_hashes(
    conn: Connection, sha256s: Sequence[str] | None = None, *, sketches: bool = True
) -> dict[str, FrameHashes]:
    """Frame hashes by sha256, with sketches or without; media without any are left out."""
    columns = [column for column in hashes.c if sketches or column is not hashes.c.sketch]
    found = _by_media(conn, select(*columns), hashes, sha256s)
    return {sha256: _hashes(rows) for sha256, rows in found.items()}


def _hashes(rows: Sequence[Row[Any]]) -> FrameHashes:
    bits = np.frombuffer(bytearray().join(row.bits for row in rows), np.uint8).reshape(-1, HASH_BYTES)
    return FrameHashes(
        bits=bits,
        quality=np.array([row.quality for row in rows], np.int64),
        pts_s=_column(rows, "pts_s"),
        sketch=_sketches(rows),
    )


def _sketches(rows: Sequence[Row[Any]]) -> NDArray[np.uint8] | None:
    """`None` where they were hashed before there were sketches, or are not asked for."""
    if any(getattr(row, "sketch", None) is None for row in rows):
        return None
    return np.frombuffer(bytearray().join(row.sketch for row in rows), np.uint8).reshape(-1, SKETCH_PX, SKETCH_PX)


def write_measures(conn: Connection, batch: Mapping[str, Mapping[str, float]]) -> int:
    """Replace the image measures of media, by sha256."""
    rows = [{"sha256": sha256, "measured": dict(values)} for sha256, values in batch.items()]
    return upsert(conn, measures, rows)


def read_measures(conn: Connection, sha256s: Iterable[str] | None = None) -> dict[str, dict[str, float]]:
    """Image measures by sha256 and name; media without any are left out."""
    return {row.sha256: row.measured for row in select_in(conn, select(measures), measures.c.sha256, sha256s)}


def _by_media(
    conn: Connection, chosen: Select[Any], table: Table, sha256s: Sequence[str] | None
) -> dict[str, list[Row[Any]]]:
    """Rows by media in the order asked for (by name where all are asked for), those of one media by frame."""
    rows = sorted(select_in(conn, chosen, table.c.sha256, sha256s), key=lambda row: (row.sha256, row.frame))
    found: dict[str, list[Row[Any]]] = {} if sha256s is None else {sha256: [] for sha256 in sha256s}
    for row in rows:
        found.setdefault(row.sha256, []).append(row)
    return {sha256: rows for sha256, rows in found.items() if rows}


def _column(rows: Sequence[Row[Any]], name: str) -> FloatArray:
    return np.array([getattr(row, name) for row in rows], np.float32)
