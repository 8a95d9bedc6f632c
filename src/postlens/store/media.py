"""Media files to rows and back: what they are, their small pictures, and the stat cache that saves hashing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from postlens.store.decisions import given_photos, read_decisions
from postlens.store.gallery import unsettle
from postlens.store.schema import files, gallery, ledger, media, post_media, tracks
from postlens.store.statements import delete_in, select_in, upsert
from postlens.types import MediaFile, MediaKind


@dataclass(frozen=True, slots=True)
class FileStat:
    """What a file looked like when it was hashed; while size and time stay, so does the hash."""

    size: int  # bytes
    mtime_ns: int
    sha256: str


def write_media(conn: Connection, batch: Iterable[tuple[MediaFile, bytes | None]]) -> int:
    """Insert or update media with their thumbnails (`None` keeps the one there is); returns how many rows changed."""
    return upsert(conn, media, [_row(one, thumbnail) for one, thumbnail in batch], keep_known=["thumbnail"])


def _row(one: MediaFile, thumbnail: bytes | None) -> dict[str, Any]:
    return {
        "sha256": one.sha256,
        "kind": one.kind,
        "width_px": one.width_px,
        "height_px": one.height_px,
        "n_bytes": one.n_bytes,
        "duration_s": one.duration_s,
        "frame_rate_hz": one.frame_rate_hz,
        "partial": one.partial,
        "thumbnail": thumbnail,
    }


def read_media(conn: Connection, sha256s: Iterable[str] | None = None) -> dict[str, MediaFile]:
    """Media by sha256. The path is one where the file was met (the first by name), "" where it came from a URL."""
    wanted = None if sha256s is None else list(sha256s)
    columns = [column for column in media.c if column.name != "thumbnail"]
    rows = list(select_in(conn, select(*columns), media.c.sha256, wanted))
    paths = _paths(conn, post_media, wanted)
    paths.update(_paths(conn, files, None if wanted is None else [row.sha256 for row in rows]))
    return {row.sha256: MediaFile(**row._mapping, path=paths.get(row.sha256, "")) for row in rows}


def _paths(conn: Connection, table: Table, sha256s: Iterable[str] | None) -> dict[str, str]:
    """The first path by name for each sha256 of a table that has both columns."""
    chosen = select(table.c.sha256, func.min(table.c.path).label("path")).where(table.c.path.is_not(None))
    rows = select_in(conn, chosen.group_by(table.c.sha256), table.c.sha256, sha256s)
    return {row.sha256: row.path for row in rows if row.sha256 is not None}


def read_kinds(conn: Connection, sha256s: Iterable[str]) -> dict[str, MediaKind]:
    """Kind of media that was decoded before, by sha256."""
    rows = select_in(conn, select(media.c.sha256, media.c.kind), media.c.sha256, sha256s)
    return {row.sha256: row.kind for row in rows}


def read_partial(conn: Connection) -> dict[str, str]:
    """Why only a part could be decoded, by sha256, of media where that is so."""
    rows = conn.execute(select(media.c.sha256, media.c.partial).where(media.c.partial.is_not(None)))
    return {row.sha256: row.partial for row in rows}


def read_thumbnails(conn: Connection, sha256s: Iterable[str] | None = None) -> dict[str, bytes]:
    """JPEG thumbnails by sha256, where there is one."""
    chosen = select(media.c.sha256, media.c.thumbnail).where(media.c.thumbnail.is_not(None))
    return {row.sha256: row.thumbnail for row in select_in(conn, chosen, media.c.sha256, sha256s)}


def write_files(conn: Connection, stats: Mapping[str, FileStat]) -> int:
    """Remember size, time and hash of files by path; this makes no new revision."""
    rows = [{"path": path, "size": s.size, "mtime_ns": s.mtime_ns, "sha256": s.sha256} for path, s in stats.items()]
    return upsert(conn, files, rows, counted=False)


def read_files(conn: Connection, paths: Iterable[str] | None = None) -> dict[str, FileStat]:
    """What is remembered of files, by path."""
    rows = select_in(conn, select(files), files.c.path, paths)
    return {row.path: FileStat(row.size, row.mtime_ns, row.sha256) for row in rows}


def drop_unused_media(conn: Connection) -> int:
    """Delete media that no post uses any more, since its file has other content now; returns how many there were.

    All that was found in them goes too (by foreign keys), with the user's words about their tracks. Photos that were
    given for an enrolled person stay, though no post has them.
    """
    gone = read_unused(conn)
    if gone:
        unsettle(conn)
    delete_in(conn, ledger, "input_sha256", gone, counted=False)
    delete_in(conn, files, "sha256", gone, counted=False)
    return delete_in(conn, media, "sha256", gone)


def read_unused(conn: Connection) -> list[str]:
    """sha256 of media that no post has, and that was not given for an enrolled person by a word that stands."""
    in_posts = select(post_media.c.sha256).where(post_media.c.sha256.is_not(None))
    given = select(tracks.c.sha256).join(gallery, gallery.c.track_id == tracks.c.track_id)
    given = given.where(gallery.c.kind == "enrolled")
    unused = media.c.sha256.not_in(in_posts) & media.c.sha256.not_in(given)
    kept = given_photos(read_decisions(conn))
    return [one for one in conn.execute(select(media.c.sha256).where(unused)).scalars() if one not in kept]
