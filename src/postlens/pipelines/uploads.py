"""Files and tables that were uploaded to a folder to posts in a store, with nothing read outside of that folder.

Each picture or video is a post; a table's posts have those uploaded files that its rows name. The same file of the same
creator is the same post, however often it comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from postlens.config import Settings
from postlens.errors import MediaNotFoundError
from postlens.media.hashing import sha256_file
from postlens.pipelines.conclude import conclude
from postlens.pipelines.ingest import Ingest, Ingested
from postlens.pipelines.loose import PLATFORM
from postlens.pipelines.process import Processor
from postlens.pipelines.run import Runner
from postlens.sources import open_source
from postlens.sources.protocol import clean_handle
from postlens.sources.single import url_ref
from postlens.store import Store, ledger
from postlens.types import UNKNOWN, Failure, MediaRef, SourcePost
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

DOWNLOADS = ".downloads"
Progress = Callable[[int, int], None]
Stop = Callable[[], None]  # asked at each row and step; it raises where the work is to end


@dataclass(frozen=True, slots=True)
class Plan:
    """What lies in a folder, and whose it is."""

    folder: Path
    media: tuple[str, ...] = ()  # names relative to the folder
    tables: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    refused: tuple[Failure, ...] = ()  # files that came along and are no media: told, and no posts
    creator: str | None = None  # handle; of tables, for rows without
    platform: str = PLATFORM
    mapping: Mapping[str, str] = field(default_factory=dict)  # noun to column of the tables

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, without the folder."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: Path) -> Plan:
        """What `as_dict` made."""
        lists: dict[str, Any] = {name: tuple(values[name]) for name in ("media", "tables", "urls")}
        lists["refused"] = tuple(Failure(**one) for one in values.get("refused", ()))
        return cls(folder, **{**values, **lists})


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it."""

    post_ids: tuple[str, ...]
    n_media: int
    failures: tuple[Failure, ...]


def ingest_uploads(
    store: Store,
    plan: Plan,
    runner: Runner,
    *,
    now: datetime,
    progress: Progress | None = None,
    stop: Stop = lambda: None,
) -> Found:
    """Write the posts, look at what the store has no features of, and draw the conclusions.

    `stop`: asked at each row, file and step; what it raises ends the work. Raises `StoreError` where the store cannot
    be used; what was committed before stays, and is not done again.
    """
    settings = runner.settings
    ingest = Ingest(store, settings=settings, downloads=plan.folder / DOWNLOADS, now=now, stop=stop)
    ingested = ingest.run(_items(plan, settings))
    processor = Processor(store, runner, encoder=load_spec(ENCODER).fingerprint)
    done = processor.run(ingested.paths, now=now, progress=progress)
    failures = (*ingested.failures, *ingested.at_every_place(done.failures))
    stop()
    _note(store, ingested, failures)
    conclude(store, settings=settings, now=now, stop=stop)
    return Found(tuple(dict.fromkeys(ingested.post_ids)), len(ingested.paths), failures)


def _note(store: Store, ingested: Ingested, failures: Sequence[Failure]) -> None:
    with store.write() as conn:
        ledger.clear_failures(conn, sorted(ingested.subjects))
        ledger.write_failures(conn, failures)


def _items(plan: Plan, settings: Settings) -> Iterator[SourcePost | Failure]:
    yield from plan.refused
    named: set[str] = set()
    for table in plan.tables:
        path = plan.folder / table
        found = open_source(
            path, creator=plan.creator, mapping=plan.mapping, kind="table", metric_columns=settings.metric_columns
        )
        for item in found:
            if isinstance(item, Failure):
                yield item
                continue
            kept = tuple(ref for ref in item.media if ref.path is None or _is_inside(ref.path, plan.folder))
            named |= {ref.path for ref in kept if ref.path is not None}
            yield from (_missing(ref) for ref in item.media if ref not in kept)
            yield _keyed(item, kept, plan)
    for name in plan.media:
        path = plan.folder / name
        if str(path) not in named:
            yield _post(plan, sha256_file(path), MediaRef(path=str(path)), name)
    for url in plan.urls:
        yield _post(plan, url, url_ref(url), url)


def _post(plan: Plan, key: str, ref: MediaRef, name: str) -> SourcePost:
    handle = clean_handle(plan.creator or "") or UNKNOWN
    digest = hashlib.sha256(f"{plan.platform}:{handle}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    post_key = digest if plan.platform != UNKNOWN or handle != UNKNOWN else None
    return SourcePost(handle=handle, media=(ref,), platform=plan.platform, post_key=post_key, origin=name)


def _keyed(item: SourcePost, kept: tuple[MediaRef, ...], plan: Plan) -> SourcePost:
    """The post with the media that came along; without a platform its id is made of what it says, not of the folder."""
    if item.platform != UNKNOWN:
        return replace(item, media=kept)
    names = [ref.name.removeprefix(f"{plan.folder}/") for ref in item.media]
    text = "\n".join([plan.platform, item.handle, *([item.post_key] if item.post_key else names)])
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return replace(item, media=kept, platform=plan.platform, post_key=digest)


def _is_inside(path: str, folder: Path) -> bool:
    """Whether a path that a table names is of a file that was uploaded with it."""
    try:
        return Path(path).resolve().is_relative_to(folder.resolve()) and Path(path).is_file()
    except (OSError, ValueError):  # a NUL byte, or a name too long
        return False


def _missing(ref: MediaRef) -> Failure:
    name = Path(str(ref.path)).name
    error = MediaNotFoundError(
        f"{name}: expected a file that was uploaded with the table, got none; send both together"
    )
    return Failure.of(name, "read", error)
