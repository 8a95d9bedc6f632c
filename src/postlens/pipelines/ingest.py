"""Posts of sources to rows of the store: media located and hashed; what cannot be read becomes failures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from postlens.config import Settings
from postlens.errors import ForgottenError, PostlensError, RowError
from postlens.media.fetch import fetch
from postlens.media.hashing import sha256_file
from postlens.sources.repeats import differing
from postlens.store import Store
from postlens.store.media import FileStat, read_files, write_files
from postlens.store.posts import LocatedPost, read_post_media, write_posts
from postlens.store.snapshots import Observation
from postlens.store.tombstones import forgotten_ids, tombstone_key
from postlens.types import Failure, MediaRef, SourcePost, as_utc

# How far a time may lie ahead of the clock: times without a zone are taken as UTC, and zones lie up to 14 h from it.
# Higher: wrong dates pass for recent posts; lower: posts of the last hours lose their times.
CLOCK_SLACK = timedelta(hours=15)
POSTS_PER_TRANSACTION = 512  # more: fewer commits; fewer: less to read again after a crash


@dataclass(slots=True)
class Ingested:
    """What a run has to look at."""

    paths: dict[str, str] = field(default_factory=dict)  # sha256 to a file with that content, in order of first sight
    post_ids: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)  # of `paths` to all files and URLs with that content
    subjects: set[str] = field(default_factory=set)  # files, URLs and rows that were looked at
    failures: list[Failure] = field(default_factory=list)

    def at_every_place(self, failures: Iterable[Failure]) -> list[Failure]:
        """Failures of `paths` as failures of each file or URL that the sources name with that content."""
        return [replace(one, subject=name) for one in failures for name in self.names.get(one.subject, [one.subject])]


class Ingest:
    """Writes posts to a store, hashing only files that are new or changed since they were last hashed."""

    def __init__(
        self,
        store: Store,
        *,
        settings: Settings,
        downloads: Path,
        now: datetime,
        tells_repeats: bool = True,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """`stop`: asked at each row and file; what it raises ends the run.

        tells_repeats: whether rows of one post with other figures are failures; not where the caller lists them.
        """
        self._store = store
        self._stop = stop
        self._tells_repeats = tells_repeats
        self._settings = settings
        self._downloads = downloads
        self._now = now
        self._counted: dict[tuple[str, datetime | None], tuple[dict[str, float], str]] = {}  # of this run, with origins

    def run(self, found: Iterable[SourcePost | Failure]) -> Ingested:
        """Write all posts; every file that cannot be read is a failure, and its post is kept with its numbers.

        Of several rows of one post `sources.repeats` says which counts. Where two have other figures of the same time
        of observation, or both of none, that is a failure too.
        """
        result, self._counted = Ingested(), {}
        stream = self._asking(found)
        with ThreadPoolExecutor(self._settings.workers, thread_name_prefix="postlens-hash") as pool:
            while batch := list(islice(stream, POSTS_PER_TRANSACTION)):
                result.failures += [one for one in batch if isinstance(one, Failure)]
                self._write([one for one in batch if isinstance(one, SourcePost)], result, pool)
        result.subjects.update(failure.subject for failure in result.failures)
        if len(set(result.post_ids)) < len(result.post_ids):
            self._drop_superseded(result)
        return result

    def _asking(self, found: Iterable[SourcePost | Failure]) -> Iterator[SourcePost | Failure]:
        for one in found:
            self._stop()
            yield one

    def _drop_superseded(self, result: Ingested) -> None:
        """Of a post that the sources name twice with other media the later counts: nothing needs the earlier's."""
        with self._store.read() as conn:
            used = {item.sha256 for item in read_post_media(conn)}
        result.paths = {sha256: path for sha256, path in result.paths.items() if sha256 in used}

    def _write(self, posts: Sequence[SourcePost], result: Ingested, pool: ThreadPoolExecutor) -> None:
        posts = [self._dated(post, result) for post in self._without_forgotten(posts, result)]
        if self._tells_repeats:
            result.failures += filter(None, map(self._contradiction, posts))
        refs = list(dict.fromkeys(ref for post in posts for ref in post.media))
        result.subjects.update(ref.name for ref in refs)
        files = dict(zip(refs, pool.map(self._file, refs), strict=True))
        known = self._known([path for path in files.values() if isinstance(path, str)])
        located = dict(zip(refs, pool.map(lambda ref: _located(ref, files[ref], known), refs), strict=True))
        fresh = {}
        for ref, place in located.items():
            if isinstance(place, Failure):
                result.failures.append(place)
                continue
            path, stat = place
            first = result.paths.setdefault(stat.sha256, path)
            result.names.setdefault(first, []).append(ref.name)
            if known.get(path) != stat:
                fresh[path] = stat
        hashes = {ref: None if isinstance(place, Failure) else place[1].sha256 for ref, place in located.items()}
        with self._store.write() as conn:
            write_files(conn, fresh)
            rows = [LocatedPost(post, tuple(hashes[ref] for ref in post.media)) for post in posts]
            write_posts(conn, rows, now=self._now)
        result.post_ids += [post.post_id for post in posts]

    def _without_forgotten(self, posts: Sequence[SourcePost], result: Ingested) -> list[SourcePost]:
        with self._store.read() as conn:
            gone = forgotten_ids(conn, "creator", {post.creator_id for post in posts})
        told = [_forgotten(creator_id) for creator_id in sorted(gone)]
        result.failures += [failure for failure in told if failure not in result.failures]
        return [post for post in posts if post.creator_id not in gone]

    def _dated(self, post: SourcePost, result: Ingested) -> SourcePost:
        """The post, without times that lie ahead. One that has gathered nothing yet may be planned, and keeps its."""
        late = self._now + CLOCK_SLACK
        gathered = bool(post.metrics) or post.observed_at is not None
        times = {"published_at": post.published_at if gathered else None, "observed_at": post.observed_at}
        wrong = {name: at for name, at in times.items() if at is not None and as_utc(at) > late}
        for name, at in wrong.items():
            result.failures.append(_ahead(post, name, at))
        if not wrong:
            return post
        published_at = None if "published_at" in wrong else post.published_at
        observed_at = None if "observed_at" in wrong else post.observed_at
        return replace(post, published_at=published_at, observed_at=observed_at)

    def _contradiction(self, post: SourcePost) -> Failure | None:
        """What is told of a post that was counted in this run, at the same time, with another result."""
        seen = Observation.of(post)
        if seen is None:
            return None
        at = None if seen.observed_at is None else as_utc(seen.observed_at)
        known, origin = self._counted.setdefault((post.post_id, at), ({}, post.origin))
        other = ", ".join(f"{name} {seen.values[name]:g} and {known[name]:g}" for name in differing(known, seen.values))
        self._counted[post.post_id, at] = (known | dict(seen.values), post.origin)
        return _contradicted(post, origin, other, timed=at is not None) if other else None

    def _known(self, paths: Sequence[str]) -> dict[str, FileStat]:
        with self._store.read() as conn:
            return read_files(conn, paths)

    def _file(self, ref: MediaRef) -> str | Failure:
        """The local file of a reference, downloaded where it is not there yet."""
        self._stop()
        try:
            return ref.path if ref.path is not None else self._fetch(ref.written or str(ref.url))
        except PostlensError as error:
            return Failure.of(ref.name, "read", error)

    def _fetch(self, url: str) -> str:
        path = fetch(
            url,
            self._downloads,
            allow=self._settings.allow_download,
            max_bytes=int(self._settings.download_max_mib * 2**20),
            timeout_s=self._settings.download_timeout_s,
        )
        return str(path)


def _contradicted(post: SourcePost, before: str, figures: str, *, timed: bool) -> Failure:
    step = "remove the wrong row" if timed else "say with observed_at which is newer"
    text = f"expected the post's figures once for each time of observation, got {figures} (of {before}); {step}"
    return Failure.of(post.origin, "source", RowError(f"{post.origin}: {text} (the last row counts)"))


def _ahead(post: SourcePost, name: str, at: datetime) -> Failure:
    text = f"expected a time that has passed as {name}, got {as_utc(at):%Y-%m-%d %H:%M} UTC; correct it"
    return Failure.of(post.origin, "source", RowError(f"{post.origin}: {text} (it counts as unknown)"))


def _forgotten(creator_id: str) -> Failure:
    """Told by the tombstone's key: the handle itself must not come back into the store or the report."""
    error = ForgottenError("a creator was forgotten on request; the posts are skipped, take them out of the source")
    return Failure.of(f"creator {tombstone_key('creator', creator_id)[:12]}", "source", error)


def _located(ref: MediaRef, path: str | Failure, known: Mapping[str, FileStat]) -> tuple[str, FileStat] | Failure:
    """The file with its hash; remembered hashes hold while size and time are the same."""
    if isinstance(path, Failure):
        return path
    try:
        return path, _file_stat(path, known.get(path))
    except PostlensError as error:
        return Failure.of(ref.name, "read", error)


def _file_stat(path: str, known: FileStat | None) -> FileStat:
    """Size, time and hash of a file; `sha256_file` says what is wrong with one that cannot be read."""
    try:
        stat = os.stat(path)  # noqa: PTH116  names that are no UTF-8 stay what they are
    except (OSError, ValueError):
        return FileStat(0, 0, sha256_file(path))
    if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return known
    return FileStat(stat.st_size, stat.st_mtime_ns, sha256_file(path))
