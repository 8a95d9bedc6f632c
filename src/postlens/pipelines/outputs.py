"""A store to its tables and report in a folder, written only when something they show has changed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import StoreLockedError, StoreWriteError
from postlens.pipelines.campaign import Campaign
from postlens.pipelines.catalog import catalog_images_state
from postlens.pipelines.conclude import conclude
from postlens.pipelines.exports import FILES, remove_leftovers, write_exports
from postlens.pipelines.folder import STATE, read_state, remove_state, write_state
from postlens.pipelines.report import shown_media, write_report
from postlens.pipelines.runlog import event
from postlens.store import Store
from postlens.store.media import read_thumbnails
from postlens.store.meta import read_folders, read_revision, read_store_id, write_folder
from postlens.tasks.engagement.model import load_engagement_model
from postlens.tasks.niche.model import load_niche_model
from postlens.tasks.products.model import CARD as PRODUCT_CARD
from postlens.tasks.products.model import load_product_models
from postlens.tasks.reactions.model import load_reaction_model
from postlens.version import __version__
from postlens.vision.zoo import list_models

REPORT = "report.html"
OUTPUTS = (*FILES, REPORT)
MOST_COMPARED = 20_000  # appearances up to which the report says how many suggestions there are; about 3 s
SPEED_SETTINGS = ("workers", "commit_every")  # they change no answer


def update_outputs(store: Store, out: Path, *, settings: Settings, now: datetime, force: bool = False) -> bool:
    """Draw the conclusions and write all outputs, unless those in the folder are of this state; returns whether.

    Raises:
        StoreWriteError: the folder cannot be written; what stood there stays.
    """
    folder = str(out.resolve())
    with store.read() as conn:
        fresh = folder in read_folders(conn) and read_state(out) == _state(store, conn, settings)
    if fresh and not force and all((out / name).is_file() for name in OUTPUTS):
        return False
    with store.write() as conn:
        write_folder(conn, folder)
    conclude(store, settings=settings, now=now)
    scrub(store)
    _write(store, out, settings=settings, now=now)
    return True


def scrub(store: Store) -> None:
    """Remove what is left of the bytes of forgotten rows; a reader that is in the way leaves that to a later run."""
    try:
        store.finish_scrub()
    except StoreLockedError as error:
        event("scrub_pending", message=str(error))


def place_of(store: Store) -> str:
    """A number for where the store is, whoever opens it, so that a copy of it is another store."""
    is_file = "://" not in store.name
    place = str(Path(store.name).resolve()) if is_file else re.sub("//[^/]*@", "//", store.name)
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _state(store: Store, conn: Connection, settings: Settings) -> str:
    """What outputs depend on: the store and its facts, the settings, the models and the code."""
    models = [spec.fingerprint for spec in (*list_models(), *load_niche_model(settings.niche_model).specs)]
    models += [model.fingerprint for model in load_product_models(settings.product_models)]
    reactions = load_reaction_model(settings.reaction_model)
    models += [reactions.spec.fingerprint] if reactions is not None else []  # thresholds included
    if settings.engagement_model is not None:
        models.append(load_engagement_model(settings.engagement_model).spec.fingerprint)
    cards = [folder / PRODUCT_CARD for folder in settings.product_models]  # thresholds in them may be edited
    tables = [path.read_bytes() for path in (settings.catalog, settings.emoji_table, *cards) if path]
    parts = [
        settings.model_dump_json(exclude=set(SPEED_SETTINGS)),
        *models,
        __version__,
        catalog_images_state(settings),
    ]
    text = "".join(parts).encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(b"".join([*tables, text])).hexdigest()[:16]
    return f"{read_store_id(conn)} {place_of(store)} {read_revision(conn)} {digest}"


def _n_suggestions(campaign: Campaign, store: Store, *, settings: Settings) -> int | None:
    """How many merges and splits of the people shown a second look proposes; not asked of very many tracks."""
    from postlens.pipelines.people_list import suggestions

    if sum(len(person.appearances) for person in campaign.people) > MOST_COMPARED:
        return None
    shown = {person.person_id for person in campaign.people}
    return sum(shown.issuperset(proposal.persons) for proposal in suggestions(store, settings=settings))


def _write(store: Store, out: Path, *, settings: Settings, now: datetime) -> None:
    from postlens.pipelines.answers import Answerer
    from postlens.pipelines.compile import compile_campaign

    answerer = Answerer(settings)
    with store.read() as conn:
        campaign = compile_campaign(conn, answerer, now=now)
        thumbnails = read_thumbnails(conn, shown_media(campaign))
        state = _state(store, conn, settings)
    campaign = replace(campaign, n_suggestions=_n_suggestions(campaign, store, settings=settings))
    try:
        remove_state(out)
        remove_leftovers(out, (*OUTPUTS, STATE))
        write_exports(campaign, out)
        write_report(campaign, out, thumbnails=thumbnails)
        write_state(out, state)
    except OSError as error:
        raise StoreWriteError(
            f"cannot write the outputs to {out}: {error.strerror}; free space and run again"
        ) from error
    event("outputs", n_posts=len(campaign.posts), n_people=len(campaign.people), n_failures=len(campaign.failures))
