"""The face of a photo that was given for a person to rows of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from postlens.pipelines.decode import new_work
from postlens.pipelines.face_stages import AttributeStage, DetectStage, ExpressionStage, TrackStage
from postlens.pipelines.photos import SearchedPhoto
from postlens.store.anchors import SAME_PLACE_IOU
from postlens.store.faces import read_faces, read_tracks, track_number, write_faces
from postlens.store.gallery import read_gallery
from postlens.store.ledger import mark_done, stale
from postlens.store.media import FileStat, write_files, write_media
from postlens.store.posts import read_post_media
from postlens.types import Faces, FaceTracks, MediaFeatures, Provenance
from postlens.version import __version__
from postlens.vision.boxes import box_iou
from postlens.vision.search import join_faces

STAGE = "enroll"  # in the ledger


def complete(photo: SearchedPhoto) -> MediaFeatures:
    """The one face with all that `analyze` finds out about one: the photo may be a post's, now or later."""
    work = new_work(photo.decoded).with_features(faces=photo.faces)
    for stage in (ExpressionStage(), TrackStage(), AttributeStage()):
        stage.setup()
        work = stage((work,))[0]
    return work.features


def write_photos(
    conn: Connection, photos: Sequence[SearchedPhoto], features: Sequence[MediaFeatures], *, now: datetime
) -> list[str]:
    """Write media and faces, without a picture of the whole photo; returns the track of each face."""
    write_media(conn, [(one.media, None) for one in features])
    write_files(conn, {photo.path: _stat(photo) for photo in photos})
    tracks = [_write_face(conn, one) for one in features]
    mark_done(conn, [Provenance(STAGE, *_how(), one.media.sha256, now, __version__) for one in features])
    return tracks


def n_outdated(conn: Connection) -> int:
    """How many photos of enrolled persons were read by other models than those of now: enroll them again."""
    given = {one.track_id.rpartition(":")[0] for one in read_gallery(conn) if one.kind == "enrolled"}
    return len(stale(conn, given, [(STAGE, *_how())]))


def _how() -> tuple[str, str]:
    """Version and fingerprint of what reads the face of a photo."""
    return f"{DetectStage.version}.{TrackStage.version}", DetectStage().fingerprint


def _stat(photo: SearchedPhoto) -> FileStat:
    stat = Path(photo.path).stat()
    return FileStat(stat.st_size, stat.st_mtime_ns, photo.media.sha256)


def _write_face(conn: Connection, one: MediaFeatures) -> str:
    """The track of the face: one that is there at this place, or a new one beside the others of the photo.

    A track that no post shows was made by an earlier enrolment and is written anew, as models may have changed.
    """
    sha256, faces, tracks = one.media.sha256, one.faces, one.tracks
    assert faces is not None and tracks is not None
    stored = read_faces(conn, [sha256], templates=True, thumbnails=True).get(sha256, Faces.none())
    known = read_tracks(conn, [sha256])
    same = box_iou(faces.xyxy_px, stored.xyxy_px)[0] > SAME_PLACE_IOU if len(stored) else np.zeros(0, bool)
    if same.any() and stored.track_id is not None:
        number = int(stored.track_id[np.argmax(same)])
        if any(item.sha256 == sha256 for item in read_post_media(conn)):
            return f"{sha256}:{number}"
        others = stored.track_id != number
        stored = stored[others]
        known = known[np.array([track_number(track) != number for track in known.track_id], bool)]
    else:
        number = max([*map(track_number, known.track_id), -1]) + 1
    joined = join_faces([stored, replace(faces, track_id=np.array([number]))])
    pictures = (*(stored.thumbnails or (b"",) * len(stored)), *(faces.thumbnails or (b"",)))
    track = replace(tracks, track_id=(f"{sha256}:{number}",))
    write_faces(conn, {sha256: (replace(joined, thumbnails=pictures), _both(known, track))})
    return f"{sha256}:{number}"


def _both(first: FaceTracks, second: FaceTracks) -> FaceTracks:
    if not len(first):
        return second
    columns = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("start_s", "end_s", "n_frames", "quality", "template")
    }
    return FaceTracks(track_id=(*first.track_id, *second.track_id), **columns)
