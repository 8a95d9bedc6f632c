"""A store to its tables and report in a folder, written only when something they show has changed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from postlens.config import Settings
from postlens.errors import StoreWriteError
from postlens.pipelines.conclude import conclude
from postlens.pipelines.exports import FILES, write_exports
from postlens.pipelines.report import shown_media, write_report
from postlens.pipelines.runlog import event
from postlens.store import Store
from postlens.store.media import read_thumbnails
from postlens.store.meta import read_meta, read_revision, write_meta
from postlens.version import __version__
from postlens.vision.zoo import list_models

REPORT = "report.html"
OUTPUTS = (*FILES, REPORT)
SPEED_SETTINGS = ("workers", "commit_every")  # they change no answer


def update_outputs(store: Store, out: Path, *, settings: Settings, now: datetime, force: bool = False) -> bool:
    """Draw the conclusions and write all outputs, unless those in the folder are of this state; returns whether.

    Raises:
        StoreWriteError: the folder cannot be written; what stood there stays.
    """
    key = f"outputs:{out.resolve()}"
    with store.read() as conn:
        fresh = read_meta(conn, key) == _state(read_revision(conn), settings)
    if fresh and not force and all((out / name).is_file() for name in OUTPUTS):
        return False
    conclude(store, settings=settings, now=now)
    _write(store, out, settings=settings, now=now)
    with store.write() as conn:
        write_meta(conn, key, _state(read_revision(conn), settings))
    return True


def _state(revision: int, settings: Settings) -> str:
    """What outputs depend on: the store's facts, the settings, the models and the code."""
    tables = [path.read_text(encoding="utf-8") for path in (settings.catalog, settings.emoji_table) if path]
    models = [spec.fingerprint for spec in list_models()]
    parts = [settings.model_dump_json(exclude=set(SPEED_SETTINGS)), *tables, *models, __version__]
    return f"{revision}:{hashlib.sha256(''.join(parts).encode()).hexdigest()[:16]}"


def _write(store: Store, out: Path, *, settings: Settings, now: datetime) -> None:
    from postlens.pipelines.answers import Answerer
    from postlens.pipelines.compile import compile_campaign

    answerer = Answerer(settings)
    with store.read() as conn:
        campaign = compile_campaign(conn, answerer, now=now)
        thumbnails = read_thumbnails(conn, shown_media(campaign))
    try:
        write_exports(campaign, out)
        write_report(campaign, out, thumbnails=thumbnails)
    except OSError as error:
        raise StoreWriteError(
            f"cannot write the outputs to {out}: {error.strerror}; free space and run again"
        ) from error
    event("outputs", n_posts=len(campaign.posts), n_people=len(campaign.people), n_failures=len(campaign.failures))
