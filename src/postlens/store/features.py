"""All facts of media that one pass brought, to rows and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from postlens.store.anchors import put_links, take_links
from postlens.store.copies import unsettle_copies
from postlens.store.faces import read_faces, read_tracks, write_faces
from postlens.store.looks import write_looks
from postlens.store.media import read_media, read_thumbnails, write_media
from postlens.store.readings import put_readings, take_readings, write_readings
from postlens.store.vectors import (
    read_frame_embeddings,
    read_hashes,
    read_measures,
    write_embeddings,
    write_hashes,
    write_measures,
)
from postlens.types import Embeddings, FaceTracks, FloatArray, MediaFeatures


def write_features(conn: Connection, *features: MediaFeatures, looks_by: str | None = None) -> int:
    """Replace the facts of media; a part that is `None` leaves what is stored of it. One call for many is faster.

    Returns how many rows changed, 0 if all was known. Faces that were forgotten on request are left out. Persons and
    the user's words about tracks move with the faces if the tracks of a media file are numbered anew.

    looks_by: fingerprint of what made the faces' looks; without it they are not kept.
    """
    by_id = {one.media.sha256: one for one in features}
    n_rows = write_media(conn, [(one.media, one.thumbnail) for one in by_id.values()])
    n_compared = write_embeddings(conn, _with_times(by_id, "embeddings"))
    n_rows += write_embeddings(conn, _with_times(by_id, "niche_embeddings"))
    n_rows += write_measures(conn, {name: one.measures for name, one in by_id.items() if one.measures is not None})
    n_compared += write_hashes(conn, {name: one.hashes for name, one in by_id.items() if one.hashes is not None})
    if n_compared:
        unsettle_copies(conn, by_id)
    n_rows += n_compared
    links = take_links(
        conn, {name: one.faces for name, one in by_id.items() if one.faces is not None and one.tracks is not None}
    )
    found = {name: one.faces for name, one in by_id.items() if one.faces is not None}
    readings = take_readings(conn, found)
    n_rows += write_faces(conn, {name: (one.faces, one.tracks) for name, one in by_id.items()})
    put_links(conn, links)
    n_rows += 0 if looks_by is None else write_looks(conn, found, looks_by)
    return n_rows + put_readings(conn, readings) + write_readings(conn, by_id)


def _with_times(features: Mapping[str, MediaFeatures], name: str) -> dict[str, tuple[Embeddings, FloatArray]]:
    """The embeddings under a field of the features, and the times of their frames; media without are left out."""
    rows = ((sha256, getattr(one, name), one.pts_s) for sha256, one in features.items())
    return {sha256: (vectors, at) for sha256, vectors, at in rows if vectors is not None and at is not None}


def read_features(conn: Connection, sha256s: Sequence[str], *, fingerprint: str) -> dict[str, MediaFeatures]:
    """All that is stored of media, with the embeddings of one encoder, by sha256; unknown media are left out.

    `None` stands for parts without rows: whether a stage ran and found nothing, the ledger knows. Vectors for niche
    alone, looks and readings of product models are not read: no stage needs them.
    """
    vectors = read_frame_embeddings(conn, sha256s, fingerprint)
    measures, hashes = read_measures(conn, sha256s), read_hashes(conn, sha256s)
    faces = read_faces(conn, sha256s, templates=True, thumbnails=True)
    tracks, thumbnails = _tracks_by_media(read_tracks(conn, sha256s)), read_thumbnails(conn, sha256s)
    return {
        sha256: MediaFeatures(
            media=media,
            thumbnail=thumbnails.get(sha256),
            embeddings=vectors[sha256][0] if sha256 in vectors else None,
            pts_s=vectors[sha256][1] if sha256 in vectors else None,
            measures=measures.get(sha256),
            faces=faces.get(sha256),
            tracks=tracks.get(sha256),
            hashes=hashes.get(sha256),
        )
        for sha256, media in read_media(conn, sha256s).items()
    }


def _tracks_by_media(tracks: FaceTracks) -> dict[str, FaceTracks]:
    rows: dict[str, list[int]] = {}
    for i, track_id in enumerate(tracks.track_id):
        rows.setdefault(track_id.rpartition(":")[0], []).append(i)
    return {sha256: tracks[index] for sha256, index in rows.items()}
