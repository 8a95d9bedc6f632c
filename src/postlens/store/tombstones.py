"""What was forgotten on request, so that it does not come back: hashed ids, and places of faces without templates."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from postlens.store.columns import pack, unpack
from postlens.store.schema import forgotten_faces, tombstones
from postlens.store.statements import select_in, upsert
from postlens.types import FloatArray
from postlens.vision.boxes import box_iou

TombstoneKind = Literal["person", "creator"]

# A face found again is the forgotten one if it covers the same place at about the same time. Higher: a detector that
# draws its boxes otherwise brings the face back. Lower: neighbours are dropped too. 0.5 is the rule of PASCAL VOC for
# "the same object" (Everingham et al. 2010).
FORGOTTEN_IOU = 0.5
# Half the distance of frames at the default rate of 1 Hz: a re-run at another rate meets the face within this time.
FORGOTTEN_WITHIN_S = 0.5


@dataclass(frozen=True, slots=True)
class ForgottenFaces:
    """Places of forgotten faces in one media file."""

    xyxy_px: FloatArray  # (N, 4)
    pts_s: FloatArray  # (N,)

    def matches(self, xyxy_px: FloatArray, pts_s: FloatArray) -> NDArray[np.bool_]:
        """(M,) true for each of M faces that is a forgotten one."""
        near = np.abs(pts_s[:, None] - self.pts_s[None]) <= FORGOTTEN_WITHIN_S
        overlaps = box_iou(xyxy_px, self.xyxy_px) > FORGOTTEN_IOU
        found: NDArray[np.bool_] = (near & overlaps).any(axis=1)
        return found


def tombstone_key(kind: TombstoneKind, name: str) -> str:
    """sha256 of an id: enough to know it again, without keeping the handle in it."""
    return hashlib.sha256(f"{kind}:{name}".encode("utf-8", "surrogatepass")).hexdigest()


def write_tombstone(conn: Connection, kind: TombstoneKind, name: str, *, now: datetime) -> None:
    """Remember that a person or creator was forgotten."""
    row = {"kind": kind, "key": tombstone_key(kind, name), "created_at": now}
    upsert(conn, tombstones, [row], keep_first=["created_at"])


def forgotten_ids(conn: Connection, kind: TombstoneKind, names: Iterable[str]) -> frozenset[str]:
    """Those of the person or creator ids that were forgotten on request."""
    chosen = select(tombstones.c.key).where(tombstones.c.kind == kind)
    keys = {tombstone_key(kind, name): name for name in names}
    return frozenset(keys[row.key] for row in select_in(conn, chosen, tombstones.c.key, keys))


def write_forgotten_faces(
    conn: Connection, places: Iterable[tuple[str, FloatArray, float]], *, guessed: bool = False
) -> None:
    """Remember the places of forgotten faces: (media sha256, box in px, time in s).

    `guessed`: they may be somebody else's, of a copy in which the forgotten one could not be told.
    """
    count = select(forgotten_faces.c.sha256, func.max(forgotten_faces.c.number).label("last"))
    batch = list(places)
    rows = select_in(
        conn, count.group_by(forgotten_faces.c.sha256), forgotten_faces.c.sha256, [sha256 for sha256, _, _ in batch]
    )
    following: dict[str, int] = defaultdict(int, {row.sha256: row.last + 1 for row in rows})
    new = []
    for sha256, box, pts_s in batch:
        place = {"pts_s": float(pts_s), "box": pack(box), "guessed": guessed or None}
        new.append({"sha256": sha256, "number": following[sha256], **place})
        following[sha256] += 1
    upsert(conn, forgotten_faces, new)


def read_forgotten_faces(
    conn: Connection, sha256s: Iterable[str] | None, *, guessed: bool = True
) -> dict[str, ForgottenFaces]:
    """Places of forgotten faces by media, of all where `None` is asked for; media without any are left out.

    `guessed=False`: only those that are known to be of a forgotten person.
    """
    chosen = select(forgotten_faces)
    if not guessed:
        chosen = chosen.where(forgotten_faces.c.guessed.is_not(True))
    boxes: dict[str, list[bytes]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    for row in select_in(conn, chosen, forgotten_faces.c.sha256, sha256s):
        boxes[row.sha256].append(row.box)
        times[row.sha256].append(row.pts_s)
    return {name: ForgottenFaces(unpack(boxes[name]), np.array(times[name], np.float32)) for name in boxes}
