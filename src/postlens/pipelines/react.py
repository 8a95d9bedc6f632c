"""Media or a store to the emotions of each post, and the emoji that fit.

As `analyze`, but reactions alone: nothing is looked for in the media that they do not read. The store is the same, so
that a later `analyze` with the same store adds what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import UsageError
from postlens.pipelines.answers_reactions import Reactor
from postlens.pipelines.conclude import conclude
from postlens.pipelines.facts import CreatorFacts, read_creator_facts
from postlens.pipelines.folder import DOWNLOADS, STORE_FILE, remember_folder
from postlens.pipelines.ingest import Ingest
from postlens.pipelines.process import Processor
from postlens.pipelines.react_stages import reaction_stages, views_fingerprint
from postlens.pipelines.recommend import make_folder
from postlens.pipelines.run import Runner
from postlens.sources import open_source
from postlens.store import Store
from postlens.store.meta import write_folder
from postlens.store.posts import read_creators, read_posts
from postlens.types import Creator, Failure, Post, ReactionForecast
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reacted:
    """One post with its reaction."""

    creator: Creator
    post: Post
    files: tuple[str, ...]  # where its media was read
    forecast: ReactionForecast


@dataclass(frozen=True, slots=True)
class Reactions:
    """The reactions of posts, in the order of the sources; of a store by creator and file."""

    posts: tuple[Reacted, ...]
    failures: tuple[Failure, ...] = ()  # of the media of this run
    models: Mapping[str, str] = field(default_factory=dict)  # name to version and fingerprint
    notes: tuple[str, ...] = ()  # what the answers do not rest on, though the settings ask for it


def react_media(
    sources: Sequence[str],
    *,
    settings: Settings,
    out: Path | None = None,
    store: str | None = None,
    creator: str | None = None,
    tta: bool = False,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Reactions:
    """Look at the media that the store has no features of; the reactions of the sources' posts, and failures.

    Args:
        sources: as `analyze` reads them.
        settings: `reaction_threshold`, `reaction_policy`, `reaction_model` and `emoji_table` among them.
        out: output folder; holds the store unless `store` names another. None: nothing is kept but in `store`.
        store: a file or a URL.
        creator: whose posts all are; default: as the sources say.
        tta: read the scene in several views, and take their mean.
        progress: called with (done, total) media files.
        now: default: the time of the call.

    Raises:
        UsageError: an unknown kind of source, or a folder that cannot be written.
        SettingsError: an emoji table that cannot be used.
        StoreError: the store cannot be used.
    """
    if not sources:
        raise UsageError("expected at least one source: an image, a video, a folder, a table or a store")
    at, reactor = now or datetime.now(UTC), Reactor(settings)
    found = chain.from_iterable([open_source(source, creator=creator, mapping={}, kind=None) for source in sources])
    with _place(out) as folder, Store.open(store or str(folder / STORE_FILE)) as opened:
        if out is not None:
            remember_folder(opened, out)
        ingested = Ingest(opened, settings=settings, downloads=folder / DOWNLOADS, now=at).run(found)
        kept = out is not None or store is not None
        with Runner(reaction_stages(views=tta, model=reactor.model, kept=kept), settings) as runner:
            processor = Processor(opened, runner, encoder=load_spec(ENCODER).fingerprint)
            processed = processor.run(ingested.paths, now=at, progress=progress)
        if kept:
            conclude(opened, settings=settings, now=at)
        with opened.read() as conn:
            posts = react_posts(conn, reactor, post_ids=ingested.post_ids, tta=tta)
    failures = (*ingested.failures, *ingested.at_every_place(processed.failures))
    return Reactions(posts, failures, reactor.models(), _notes(posts, reactor))


def react_store(
    location: str, *, settings: Settings, out: Path | None = None, creator: str | None = None, tta: bool = False
) -> Reactions:
    """The reactions of all posts in a store, or of one creator's, from what is stored; no media is looked at.

    `out` is where tables of them will be written: the store remembers it, so that `forget` finds them there.

    Raises:
        UsageError: `tta`, but the store has no vectors of several views; or a folder that cannot be written.
        UnknownNameError: no such creator.
        SettingsError: an emoji table that cannot be used.
        StoreError: the store cannot be used.
    """
    from postlens.pipelines.predict import named_creators

    reactor = Reactor(settings)
    if out is not None:
        make_folder(out)
    with Store.open(location, read_only=out is None) as store:
        if out is not None:
            with store.write() as conn:
                write_folder(conn, str(out.resolve()))
        with store.read() as conn:
            chosen = named_creators(read_creators(conn), creator)
            facts = (reactor.with_facts(conn, _facts(conn, one, tta=tta)) for one in chosen)
            known = (_expect_views(one) for one in facts) if tta else facts
            posts = tuple(chain.from_iterable(_by_file(_of_creator(one, reactor, tta=tta)) for one in known))
    return Reactions(posts, models=reactor.models(), notes=_notes(posts, reactor))


def react_posts(
    conn: Connection, reactor: Reactor, *, post_ids: Iterable[str], tta: bool = False
) -> tuple[Reacted, ...]:
    """The reactions of these posts, in this order; those without media that could be read are left out."""
    wanted = list(dict.fromkeys(post_ids))
    owners = {post.creator_id for post in read_posts(conn, post_ids=wanted)}
    found: dict[str, Reacted] = {}
    for creator in read_creators(conn):
        if creator.creator_id in owners:
            facts = reactor.with_facts(conn, _facts(conn, creator, only=frozenset(wanted), tta=tta))
            found |= {one.post.post_id: one for one in _of_creator(facts, reactor, tta=tta)}
    return tuple(found[post_id] for post_id in wanted if post_id in found)


def _facts(conn: Connection, creator: Creator, *, only: frozenset[str] | None = None, tta: bool) -> CreatorFacts:
    return read_creator_facts(
        conn,
        creator,
        fingerprint=load_spec(ENCODER).fingerprint,
        niche_fingerprint=views_fingerprint() if tta else None,
        only=only,
    )


def _expect_views(facts: CreatorFacts) -> CreatorFacts:
    """The facts, where each file that was encoded was also in its views."""
    missing = facts.embeddings.keys() - (facts.niche_embeddings or {}).keys()
    if missing:
        raise UsageError(
            f"expected vectors of several views for --tta, the store has none of {len(missing)} files of "
            f"{facts.creator.creator_id}; give the media as sources, or leave --tta out"
        )
    return facts


def _of_creator(facts: CreatorFacts, reactor: Reactor, *, tta: bool) -> Iterator[Reacted]:
    """Of a creator's posts those that something was read of."""
    for post in facts.posts:
        forecast = reactor.react(post, facts, vectors=facts.niche_embeddings if tta else None)
        if forecast is not None:
            yield Reacted(facts.creator, post, _files(post, facts), forecast)


def _notes(posts: Sequence[Reacted], reactor: Reactor) -> tuple[str, ...]:
    """That the net of the settings does not answer all posts."""
    n_other = sum(one.forecast.reader != "model" for one in posts)
    if reactor.model is None or not n_other:
        return ()
    return (
        f"{n_other} of {len(posts)} posts not read by the net of the setting reaction_model, or not all of their "
        "media: scene and faces answer there; give the media as sources to have them read",
    )


def _by_file(found: Iterable[Reacted]) -> list[Reacted]:
    return sorted(found, key=lambda one: (one.files, one.post.post_id))


def _files(post: Post, facts: CreatorFacts) -> tuple[str, ...]:
    places = facts.locations
    return tuple(places.get((post.post_id, sha256), sha256) for sha256 in post.media if sha256 in facts.media)


@contextmanager
def _place(out: Path | None) -> Iterator[Path]:
    """The output folder, or one that is gone afterwards."""
    if out is not None:
        make_folder(out)
        yield out
        return
    with TemporaryDirectory(prefix="postlens-") as folder:
        yield Path(folder)
