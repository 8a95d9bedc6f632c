"""Photos, a source with its own counts, or a store to forecasts with reasons, similar posts and a what-if table.

New photos of an account in a store are looked at beside the store, which is only read: a draft is no post yet. A
source without `account` is read as `analyze` does, and each of its posts is forecast from what was known before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import UsageError
from postlens.pipelines.answers import Answerer
from postlens.pipelines.answers_engagement import Forecaster
from postlens.pipelines.conclude import conclude
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.folder import DOWNLOADS, STORE_FILE, remember_folder
from postlens.pipelines.forecast_account import draft_facts, find_account
from postlens.pipelines.forecast_early import EarlyBook
from postlens.pipelines.forecast_early_check import check_early, count_new
from postlens.pipelines.forecast_look import Progress, look, place
from postlens.store import Store
from postlens.store.posts import read_creators, read_posts
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.answer import Forecast
from postlens.tasks.engagement.early import EarlyCount
from postlens.types import UNKNOWN, Failure


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The forecasts of posts, in the order of the sources; new photos of one account by rank."""

    posts: tuple[Forecast, ...]
    failures: tuple[Failure, ...] = ()  # of the media of this run
    models: Mapping[str, str] = field(default_factory=dict)  # name to version and fingerprint
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """Sources, and whose posts they are."""

    sources: tuple[str, ...]
    account: str | None = None  # of the store: the sources are its new photos
    early: EarlyCount | None = None
    out: Path | None = None  # holds the store unless `store` names another; None: nothing is kept but in `store`
    store: str | None = None  # a file or a URL


def forecast_media(
    asked: Asked, *, settings: Settings, progress: Progress | None = None, now: datetime | None = None
) -> Forecasts:
    """Look at what is new in the sources; their posts' forecasts, and failures.

    Raises:
        UsageError: no source, an unknown kind of source, an account without a store, or a folder that cannot be
            written, or an early count that several new posts would take.
        UnknownNameError: the store has no such account; near names are told.
        SettingsError, ModelError: a model that cannot be used.
        StoreError: the store cannot be used.
    """
    if not asked.sources:
        raise UsageError("expected at least one source: an image, a video, a folder, a table or a store")
    at, answerer = now or datetime.now(UTC), Answerer(settings)
    if asked.account is not None:
        with Store.open(_store_of(asked), read_only=True) as store:
            return forecast_new(store, asked, answerer, progress=progress, now=at)
    with place(asked.out) as folder, Store.open(asked.store or str(folder / STORE_FILE)) as store:
        if asked.out is not None:
            remember_folder(store, asked.out)
        post_ids, failures = look(store, asked.sources, answerer, folder / DOWNLOADS, progress, now=at)
        if asked.out is not None or asked.store is not None:
            conclude(store, settings=settings, now=at)
        with store.read() as conn:
            notes = check_early(asked.early, count_new(conn, post_ids)) if asked.early is not None else ()
            posts = forecast_posts(conn, answerer, post_ids=post_ids, early=asked.early, now=at)
    return _told(posts, answerer.forecaster, failures, notes)


def forecast_store(
    location: str, *, settings: Settings, account: str | None = None, now: datetime | None = None
) -> Forecasts:
    """The forecasts of all posts in a store, or of one account's, from what is stored; no media is looked at.

    Raises `UnknownNameError` for an unknown account, `SettingsError`, `ModelError`, `StoreError`.
    """
    answerer, at = Answerer(settings), now or datetime.now(UTC)
    with Store.open(location, read_only=True) as store, store.read() as conn:
        owners = [find_account(conn, account)] if account is not None else list(read_creators(conn))
        ids = {one.creator_id for one in owners}
        post_ids = [post.post_id for post in read_posts(conn) if post.creator_id in ids]
        posts = forecast_posts(conn, answerer, post_ids=post_ids, now=at)
    return _told(posts, answerer.forecaster, ())


def forecast_posts(
    conn: Connection,
    answerer: Answerer,
    *,
    post_ids: Sequence[str],
    early: EarlyCount | None = None,
    now: datetime,
) -> tuple[Forecast, ...]:
    """The forecasts of these posts of a store, in this order, each from what was known before it.

    early: of the one post among them that has no count; raises `UsageError` where several have none.
    """
    wanted = list(dict.fromkeys(post_ids))
    if early is not None:
        check_early(early, count_new(conn, wanted))
    owners = {post.creator_id for post in read_posts(conn, post_ids=wanted)}
    found: dict[str, Forecast] = {}
    for creator in read_creators(conn):
        if creator.creator_id in owners:
            facts = answerer.read_facts(conn, creator, products=False)
            book = EarlyBook.read(conn, facts, metric=answerer.settings.metric)
            mine = _of_account(facts, answerer, wanted=set(wanted), book=book, early=early, now=now)
            found |= {one.post_id: one for one in mine}
    return tuple(found[post_id] for post_id in wanted if post_id in found)


# --- one account ----------------------------------------------------------------------------------------------------


def _of_account(
    facts: CreatorFacts,
    answerer: Answerer,
    *,
    wanted: set[str],
    book: EarlyBook,
    early: EarlyCount | None = None,
    now: datetime,
) -> tuple[Forecast, ...]:
    """The wanted posts' forecasts; the account's other posts are history."""
    niche, niches = answerer.niches(facts)
    rows = answerer.post_rows(facts, niche, niches, now=now)
    rows.sort(key=lambda row: row.post_id not in wanted)
    n_asked = sum(row.post_id in wanted for row in rows)
    rows = _with_account_figures(rows, n_asked)
    forecaster = answerer.forecaster
    plain = forecaster.forecast(rows, only=n_asked)
    sharper = [book.sharpen(one, row, early) for one, row in zip(plain, rows, strict=False)]
    found = forecaster.explain(rows, sharper, creator_id=facts.creator.creator_id)
    return tuple(replace(one, files=_files(one.post_id, facts)) for one in _ranked(found, rows[:n_asked], forecaster))


def _with_account_figures(rows: list[PostFacts], n_asked: int) -> list[PostFacts]:
    """New posts with the account's latest known figures, which no source says of a draft."""
    known = sorted(rows[n_asked:], key=lambda row: row.published_at.timestamp() if row.published_at else 0.0)
    latest: dict[str, Any] = {
        name: next((value for row in reversed(known) if (value := getattr(row, name)) is not None), None)
        for name in ("followers", "followees", "n_posts_of_account")
    }
    return [
        replace(row, **{name: value for name, value in latest.items() if getattr(row, name) is None})
        if place < n_asked and not row.counts
        else row
        for place, row in enumerate(rows)
    ]


def _ranked(found: Sequence[Forecast], rows: Sequence[PostFacts], forecaster: Forecaster) -> list[Forecast]:
    """The forecasts with places among the posts without a count, and how sure their order is."""
    new = [place for place, row in enumerate(rows) if not row.counts]
    order = forecaster.order([rows[i] for i in new], [found[i].forecast for i in new])
    ranks = dict(zip(new, order.places, strict=True))
    return [
        replace(one, rank=ranks.get(place), order_note=order.note if ranks.get(place) is not None else "")
        for place, one in enumerate(found)
    ]


def _files(post_id: str, facts: CreatorFacts) -> tuple[str, ...]:
    return tuple(dict.fromkeys(facts.locations_of(post_id).values()))


# --- looking --------------------------------------------------------------------------------------------------------


def forecast_new(
    store: Store, asked: Asked, answerer: Answerer, *, progress: Progress | None = None, now: datetime
) -> Forecasts:
    """Photos that are not posted yet, looked at in a store of their own that is gone afterwards; `store` is only read.

    Raises as `forecast_media`.
    """
    with store.read() as conn:
        creator = find_account(conn, str(asked.account))
        account = answerer.read_facts(conn, creator, products=False)
        book = EarlyBook.read(conn, account, metric=answerer.settings.metric)
    with place(None) as folder, Store.open(str(folder / STORE_FILE)) as drafts:
        ids, failures = look(drafts, asked.sources, answerer, folder, progress, now=now, account=creator.handle)
        check_early(asked.early, len(set(ids)))
        with drafts.read() as conn:
            new = _drafts(conn, answerer, ids, now=now)
    if new is None:
        return _told((), answerer.forecaster, failures)
    facts = draft_facts(new, account, now=now)
    mine = _of_account(facts, answerer, wanted={*ids}, book=book, early=asked.early, now=now)
    ordered = sorted(mine, key=lambda one: (one.rank is None, one.rank or 0))
    return _told(tuple(ordered), answerer.forecaster, failures)


def forecast_drafts(
    conn: Connection,
    drafts: CreatorFacts,
    answerer: Answerer,
    *,
    account: str,
    early: EarlyCount | None = None,
    now: datetime,
) -> tuple[Forecast, ...]:
    """Photos that are not posted yet and were looked at in memory alone, by rank.

    Raises as `find_account`, and `UsageError` for an early count of several photos.
    """
    check_early(early, len(drafts.posts))
    known = answerer.read_facts(conn, find_account(conn, account), products=False)
    book = EarlyBook.read(conn, known, metric=answerer.settings.metric)
    facts, wanted = draft_facts(drafts, known, now=now), {post.post_id for post in drafts.posts}
    mine = _of_account(facts, answerer, wanted=wanted, book=book, early=early, now=now)
    return tuple(sorted(mine, key=lambda one: (one.rank is None, one.rank or 0)))


def _store_of(asked: Asked) -> str:
    location = asked.store or (str(asked.out / STORE_FILE) if asked.out is not None else "")
    if not location or ("://" not in location and not Path(location).is_file()):
        raise UsageError(
            f"expected the account's store{' at ' * bool(location)}{location}, found none; run `postlens analyze` on"
            " the account's posts first, or name it with --store or --out"
        )
    return location


def _drafts(conn: Connection, answerer: Answerer, post_ids: Sequence[str], *, now: datetime) -> CreatorFacts | None:
    """The facts of all new photos, under one creator; whatever counts the sources give are left out."""
    found = [answerer.read_facts(conn, one, products=False) for one in read_creators(conn)]
    if not found:
        return None
    merged = found[0]
    for one in found[1:]:
        merged = draft_facts(one, merged, now=now)
    order = {post_id: place for place, post_id in enumerate(dict.fromkeys(post_ids))}
    posts = sorted((post for post in merged.posts if post.post_id in order), key=lambda post: order[post.post_id])
    return replace(merged, posts=tuple(posts), snapshots={})


def _told(
    posts: tuple[Forecast, ...], forecaster: Forecaster, failures: tuple[Failure, ...], said: tuple[str, ...] = ()
) -> Forecasts:
    spec = forecaster.model.spec
    notes = [*said, *dict.fromkeys(one.order_note for one in posts if one.order_note)]
    if any(one.creator_id.endswith(f":{UNKNOWN}") for one in posts):
        notes.append("no account is named: all posts without one count as one account's; name it with --account")
    return Forecasts(posts, failures, {spec.name: f"{spec.version} {spec.fingerprint}"}, tuple(notes))
