"""The Python entry: photos, videos, folders and tables to typed answers, with or without a lasting store."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from postlens import errors
from postlens.config import Settings
from postlens.errors import PartialMediaError, PostlensError, UsageError
from postlens.pipelines.answers import Answerer
from postlens.pipelines.conclude import conclude
from postlens.pipelines.ingest import Ingest, Ingested
from postlens.pipelines.process import Processor
from postlens.pipelines.run import Runner
from postlens.pipelines.stages import all_stages
from postlens.sources import open_source
from postlens.store import Store
from postlens.store.people import appearances
from postlens.store.posts import read_creators, read_posts
from postlens.store.snapshots import read_snapshots
from postlens.tasks.products.model import load_product_models
from postlens.types import Appearance, Failure, PostAnalysis, ReactionForecast, Recommendation

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from postlens.pipelines.enrol import Enrolled
    from postlens.pipelines.identify import Identified, Verification
    from postlens.tasks.engagement.answer import Forecast

PathOrUrl = str | os.PathLike[str]
FIRST_STEP, LONGEST_STEP = 8, 512  # media looked at before answers come: short first, then doubling


class Lens:
    """Opened models and a store; answers posts. Not for use from several threads at once.

    Without a store, facts live in a temporary file until `close`, and people (who live in a store) are left out.
    """

    def __init__(self, settings: Settings | None = None, *, store: PathOrUrl | None = None) -> None:
        """Open the store, if any; models are loaded with the first post.

        Raises:
            SettingsError, ModelError, StoreError: the settings, the models or the store cannot be used.
        """
        self.settings = settings or Settings.load()
        self.failures: tuple[Failure, ...] = ()  # of the last call, those of sources included
        self._keeps = store is not None
        self._products: Processor | None = None
        self._reactions: dict[bool, Processor] = {}  # by whether scenes are read in several views
        with ExitStack() as opened:
            self._answerer = Answerer(self.settings)
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="postlens-")))
            self._downloads = folder / "downloads"
            location = os.fspath(store) if store is not None else str(folder / "postlens.db")
            self._store = opened.enter_context(Store.open(location))
            models = load_product_models(self.settings.product_models)
            stages = all_stages(
                self._answerer.niche_model.encoder_card,
                product_models=models,
                reaction_model=self._answerer.reactor.model,
            )
            self._runner = opened.enter_context(Runner(stages, self.settings))
            self._closing = opened.pop_all()
        self._processor = Processor(self._store, self._runner, encoder=self._answerer.encoder_fingerprint)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers, close the store, delete what is temporary."""
        self._closing.close()

    def analyze(self, source: PathOrUrl, *, creator: str | None = None) -> PostAnalysis:
        """All five answers about one photo or video.

        Raises:
            MediaError: the file cannot be used; the error that `failures` also holds. A file of which a part could be
                decoded is answered, and `failures` says so.
            UsageError: the source has several posts; `analyze_many` answers those.
        """
        found = list(self.analyze_many([source], creator=creator))
        fatal = [failure for failure in self.failures if failure.error != PartialMediaError.__name__]
        if fatal:
            raise _error(fatal[0])
        if len(found) != 1:
            raise UsageError(f"expected one post in {os.fspath(source)}, got {len(found)}; use analyze_many")
        return found[0]

    def analyze_many(
        self,
        sources: PathOrUrl | Iterable[PathOrUrl],
        *,
        creator: str | None = None,
        mapping: Mapping[str, str] | None = None,
        kind: str | None = None,
    ) -> Iterator[PostAnalysis]:
        """Answers post by post, as their media has been looked at; read `failures` at the end.

        A post whose media cannot be read comes with `failures` and without a niche. Posts of a creator with counts are
        compared with each other by forecasts: they come once all of the creator's media has been looked at.
        """
        now = datetime.now(UTC)
        ingested = self._ingest(sources, creator=creator, mapping=mapping, kind=kind, now=now)
        for post_ids in self._steps(ingested, now):
            yield from self._answers(post_ids, now)

    def recommend(
        self, sources: PathOrUrl | Iterable[PathOrUrl], *, creator: str | None = None
    ) -> tuple[Recommendation, ...]:
        """One product for each creator in the sources, then for each post, in their order; read `failures` after.

        Media are looked at for products alone; `failures` also tells what of the catalog could not be used. A creator's
        share counts all media of it that the store has; creators and posts without media that can be read are left out.
        Policy, order, audience, catalog and models are settings.
        Raises `UsageError` for an unknown kind of source.
        """
        from postlens.pipelines.recommend import recommend_creator

        now = datetime.now(UTC)
        ingested = self._ingest(sources, creator=creator, now=now)
        done = self._product_processor().run(ingested.paths, now=now)
        self.failures += tuple(ingested.at_every_place(done.failures))
        if self._keeps:
            conclude(self._store, settings=self.settings, now=now)
        wanted = tuple(dict.fromkeys(ingested.post_ids))
        creators: list[Recommendation] = []
        posts: dict[str, Recommendation] = {}
        with self._store.read() as conn:
            shown = {post.creator_id for post in read_posts(conn, post_ids=wanted)}
            for one in read_creators(conn):
                if one.creator_id in shown:
                    facts = self._answerer.read_facts(conn, one)
                    own, theirs = recommend_creator(facts, self._answerer.recommender)
                    creators += [offered.answer for offered in own]
                    posts |= {offered.answer.subject_id: offered.answer for offered in theirs}
        self.failures += self._answerer.recommender.notes
        return (*creators, *(posts[post_id] for post_id in wanted if post_id in posts))

    def react(
        self, sources: PathOrUrl | Iterable[PathOrUrl], *, creator: str | None = None, tta: bool = False
    ) -> tuple[ReactionForecast, ...]:
        """Emotions and fitting emoji of each post in the sources, in their order; read `failures` after.

        Media are looked at for reactions alone; posts without media that can be read are left out. `tta`: the scene is
        read in several views, whose mean counts. Threshold, policy and emoji table are settings.
        Raises `UsageError` for an unknown kind of source.
        """
        from postlens.pipelines.react import react_posts

        now = datetime.now(UTC)
        ingested = self._ingest(sources, creator=creator, now=now)
        done = self._reaction_processor(views=tta).run(ingested.paths, now=now)
        self.failures += tuple(ingested.at_every_place(done.failures))
        if self._keeps:
            conclude(self._store, settings=self.settings, now=now)
        with self._store.read() as conn:
            found = react_posts(conn, self._answerer.reactor, post_ids=ingested.post_ids, tta=tta)
        return tuple(one.forecast for one in found)

    def forecast(
        self,
        sources: PathOrUrl | Iterable[PathOrUrl],
        *,
        account: str | None = None,
        early: tuple[float, float] | None = None,
    ) -> tuple[Forecast, ...]:
        """What each post in the sources will probably get, with reasons; read `failures` after.

        account: the sources are new photos of this account of the store, looked at beside it; the answers come in the
        order in which they will probably do, `rank`. Without it the sources become posts as in `analyze_many`, each
        forecast from what was known before it. early: a count and its age in hours, of the one new post. Metric,
        method and model are settings.
        Raises `UsageError` for an account without a store or an early count of several new posts, `UnknownNameError`
        for an account that the store has not.
        """
        from postlens.pipelines.forecast import Asked, forecast_new, forecast_posts
        from postlens.tasks.engagement.early import EarlyCount

        now, soon = datetime.now(UTC), None if early is None else EarlyCount(*early)
        if account is not None:
            self._expect_store("forecast with an account")
            given = [sources] if isinstance(sources, str | os.PathLike) else sources
            asked = Asked(tuple(os.fspath(source) for source in given), account, soon)
            found = forecast_new(self._store, asked, self._answerer, now=now)
            self.failures = found.failures
            return found.posts
        ingested = self._ingest(sources, creator=None, now=now)
        done = self._processor.run(ingested.paths, now=now)
        self.failures += tuple(ingested.at_every_place(done.failures))
        if self._keeps:
            conclude(self._store, settings=self.settings, now=now)
        with self._store.read() as conn:
            return forecast_posts(conn, self._answerer, post_ids=ingested.post_ids, early=soon, now=now)

    def enroll(self, name: str, photos: Iterable[PathOrUrl], *, largest: bool = False, force: bool = False) -> Enrolled:
        """Make a person known by photos of one face each, new or more of them; needs a store.

        `largest`: of several faces in a photo the largest counts. `force`: also photos that do not look alike. Raises
        `UsageError` without a store, else as `pipelines.enrol.enroll`.
        """
        from postlens.pipelines.enrol import enroll

        self._expect_store("enroll")
        now = datetime.now(UTC)
        return enroll(
            self._store, name, list(photos), largest_only=largest, force=force, settings=self.settings, now=now
        )

    def identify(self, photo: PathOrUrl, *, strict: bool = False) -> tuple[Identified, ...]:
        """Who each face in a photo is, or nobody; needs a store, and writes nothing to it.

        Raises `UsageError` without a store, `MediaError` for a photo that cannot be read. No face: an empty tuple.
        """
        from postlens.pipelines.identify import NO_FACE, identify

        self._expect_store("identify")
        found = identify(self._store, [photo], strict=strict, settings=self.settings)[0]
        if found.failure is not None and found.failure.error != NO_FACE:
            raise _error(found.failure)
        return found.faces

    def verify(self, first: PathOrUrl, second: PathOrUrl, *, strict: bool = False) -> Verification:
        """Whether the largest faces of two photos are one person. Raises as `pipelines.identify.verify`."""
        from postlens.pipelines.identify import verify

        return verify(first, second, strict=strict, settings=self.settings)

    def _ingest(
        self,
        sources: PathOrUrl | Iterable[PathOrUrl],
        *,
        creator: str | None,
        now: datetime,
        mapping: Mapping[str, str] | None = None,
        kind: str | None = None,
    ) -> Ingested:
        """Write the posts of the sources; `failures` becomes what of them could not be read."""
        given = [sources] if isinstance(sources, str | os.PathLike) else sources
        specs = [os.fspath(source) for source in given]
        columns = self.settings.metric_columns
        opened = [
            open_source(spec, creator=creator, mapping=dict(mapping or {}), kind=kind, metric_columns=columns)
            for spec in specs
        ]
        ingest = Ingest(self._store, settings=self.settings, downloads=self._downloads, now=now)
        ingested = ingest.run(chain.from_iterable(opened))
        self.failures = tuple(ingested.failures)
        return ingested

    def _expect_store(self, verb: str) -> None:
        if not self._keeps:
            raise UsageError(f"{verb} needs a store, where people are kept: Lens(store='postlens.db')")

    def _product_processor(self) -> Processor:
        """Looks at media for products alone; made when first needed, since its threads load their own models."""
        if self._products is None:
            from postlens.pipelines.product_facts import product_stages

            stages = product_stages(self._answerer.recommender.models)
            runner = self._closing.enter_context(Runner(stages, self.settings))
            self._products = Processor(self._store, runner, encoder=self._answerer.encoder_fingerprint)
        return self._products

    def _reaction_processor(self, *, views: bool) -> Processor:
        """Looks at media for reactions alone; made when first needed, as that of products."""
        if views not in self._reactions:
            from postlens.pipelines.react_stages import reaction_stages

            stages = reaction_stages(views=views, model=self._answerer.reactor.model)
            runner = self._closing.enter_context(Runner(stages, self.settings))
            self._reactions[views] = Processor(self._store, runner, encoder=self._answerer.encoder_fingerprint)
        return self._reactions[views]

    def _steps(self, ingested: Ingested, now: datetime) -> Iterator[Sequence[str]]:
        """Look at the media step by step; the posts that are complete after each."""
        waiting = self._media(ingested)
        media, size = list(ingested.paths), FIRST_STEP
        while waiting:
            step, media = media[:size], media[size:]
            done = self._processor.run({sha256: ingested.paths[sha256] for sha256 in step}, now=now)
            self.failures += tuple(ingested.at_every_place(done.failures))
            for left in {id(left): left for left in waiting.values()}.values():
                left.difference_update(step)
            ready = [post_id for post_id, left in waiting.items() if not left or not media]
            for post_id in ready:
                del waiting[post_id]
            if self._keeps and ready:
                conclude(self._store, settings=self.settings, now=now)
            yield ready
            size = min(2 * size, LONGEST_STEP)

    def _media(self, ingested: Ingested) -> dict[str, set[str]]:
        """By post, the media that its answer waits for: its own, of a creator with counts that of all its posts."""
        with self._store.read() as conn:
            posts = {post.post_id: post for post in read_posts(conn, post_ids=ingested.post_ids)}
            counted = self._counted(conn, {post.creator_id for post in posts.values()})
        shared: dict[str, set[str]] = {creator_id: set() for creator_id in counted}
        for post in posts.values():
            if post.creator_id in shared:
                shared[post.creator_id].update(post.media)
        return {
            post_id: shared.get(posts[post_id].creator_id, set(posts[post_id].media)) for post_id in ingested.post_ids
        }

    def _counted(self, conn: Connection, creator_ids: Iterable[str]) -> set[str]:
        """Creators of whose posts anything was counted."""
        own = {one: [post.post_id for post in read_posts(conn, creator_id=one)] for one in creator_ids}
        return {creator_id for creator_id, post_ids in own.items() if read_snapshots(conn, post_ids)}

    def _answers(self, post_ids: Sequence[str], now: datetime) -> Iterator[PostAnalysis]:
        """Answers in the order of the ids."""
        wanted = frozenset(post_ids)
        failures = {failure.subject: failure for failure in self.failures}
        found: dict[str, PostAnalysis] = {}
        with self._store.read() as conn:
            seen = _by_post(appearances(conn, duplicates=True, hidden=False)) if self._keeps else {}
            creator_ids = {post.creator_id for post in read_posts(conn, post_ids=wanted)}
            for creator in read_creators(conn):
                if creator.creator_id in creator_ids:
                    only = None if self._counted(conn, [creator.creator_id]) else wanted
                    facts = self._answerer.read_facts(conn, creator, only=only)
                    _, posts = self._answerer.answer(facts, appearances=seen, failures=failures, now=now, only=wanted)
                    found |= {post.post.post_id: post for post in posts}
        for post_id in post_ids:
            yield found[post_id]


def _by_post(shown: Iterable[Appearance]) -> dict[str, list[Appearance]]:
    found: dict[str, list[Appearance]] = defaultdict(list)
    for one in shown:
        found[one.post_id].append(one)
    return found


def _error(failure: Failure) -> PostlensError:
    """The exception that a failure was made of."""
    kind = getattr(errors, failure.error, PostlensError)
    return kind(failure.message) if issubclass(kind, PostlensError) else PostlensError(failure.message)
