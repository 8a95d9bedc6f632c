"""Media or a store to the one product for each creator and post, and why.

As `analyze`, but products alone: nothing is looked for in the media that recommending does not read. The store is the
same, so that a later `analyze` with the same folder adds what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from postlens.config import Settings
from postlens.errors import NotEnoughDataError, SourceNotFoundError, UsageError
from postlens.media.probe import display_name
from postlens.pipelines.answers_products import STAGE as PRODUCTS
from postlens.pipelines.answers_products import Recommender
from postlens.pipelines.conclude import conclude
from postlens.pipelines.facts import CreatorFacts, places_by_content, read_creator_facts
from postlens.pipelines.folder import DOWNLOADS, STORE_FILE, remember_folder
from postlens.pipelines.ingest import Ingest
from postlens.pipelines.process import Processor
from postlens.pipelines.product_facts import product_stages
from postlens.pipelines.run import Runner
from postlens.sources import open_source
from postlens.sources.single import is_url
from postlens.store import Store
from postlens.store.meta import write_folder
from postlens.store.posts import read_creators
from postlens.types import UNKNOWN, Creator, Faces, Failure, MediaFile, Post, Recommendation
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

Progress = Callable[[int, int], None]
MOST_LOOSE = 50  # images without a creator that are answered one by one; of more, a table without creators is likely
SOURCES_SHOWN = 5  # of those that are not there
# A label that at least this share of the images of this many creators show tells nobody from anybody. Higher or more:
# labels that call everything are told later; lower or fewer: so is what a campaign asked all of its creators to wear.
GREEDY_SHARE, GREEDY_CREATORS = 0.9, 3


@dataclass(frozen=True, slots=True)
class Offered:
    """A creator's or post's recommendation with the media it rests on."""

    creator: Creator
    answer: Recommendation
    media: tuple[MediaFile, ...]  # those that could be read
    read: Mapping[str, int | None]  # sha256 to the row of the face that was read in it, if any
    post: Post | None = None  # None: of the creator
    places: Mapping[str, str] = field(default_factory=dict)  # sha256 to where this subject's file was read

    @property
    def shown(self) -> str | None:
        """sha256 of the image to show: the one that decided, else the clearest, else of a post its first."""
        clearest = sorted((item for item in self.answer.items if item.media is not None), key=lambda item: -item.score)
        first = self.media[0].sha256 if self.post is not None and self.media else None
        known = (self.answer.deciding_media, *(item.media for item in clearest), first)
        return next((sha256 for sha256 in known if sha256 is not None), None)

    @property
    def kind(self) -> str:
        """`creator` or `post`."""
        return "creator" if self.post is None else "post"

    @property
    def is_loose(self) -> bool:
        """Whether it is a single image or video that no creator was named for."""
        return self.post is not None and self.creator.handle == UNKNOWN and len(self.media) == 1

    def place(self, media: MediaFile) -> str:
        """Where a file of the subject was read: equal files of two posts keep their own names."""
        return self.places.get(media.sha256, media.path)

    def file(self, sha256: str | None) -> MediaFile | None:
        """The media file of this sha256, `None` where it is none of this subject's."""
        return next((one for one in self.media if one.sha256 == sha256), None)


@dataclass(frozen=True, slots=True)
class Recommended:
    """The recommendations of a store."""

    creators: tuple[Offered, ...]
    posts: tuple[Offered, ...]
    faces: dict[str, Faces]  # by sha256, of the images that are shown: without vectors and small pictures
    models: dict[str, str]  # name to version and fingerprint
    notes: tuple[Failure, ...] = ()  # what of the catalog could not be used
    failures: tuple[Failure, ...] = ()  # of the media of this run
    asked: tuple[str, ...] | None = None  # post_ids of this run's sources; None: a store was asked, not sources
    store: str = ""  # where it is
    drawn: tuple[Offered, ...] = ()  # those that pictures are made of

    @property
    def offered(self) -> tuple[Offered, ...]:
        """Creators first, then posts."""
        return (*self.creators, *self.posts)

    @property
    def single(self) -> Offered | None:
        """The answer about the one image or video that was asked about; `None` for several."""
        found = self.answered
        return found[0] if len(self.asked or ()) == 1 and found and len(found[0].media) == 1 else None

    @property
    def photos(self) -> tuple[Offered, ...]:
        """The answers about the images that were asked about one by one; () for creators."""
        if self.single is not None:
            return (self.single,)
        found = self.answered if self.asked is not None else ()
        return found if len(found) <= MOST_LOOSE and all(one.is_loose for one in found) else ()

    @property
    def unsold(self) -> tuple[str, ...]:
        """Labels (of an absence: items) that decided for a creator, and that no product of the catalog is for."""
        won = [one.answer for one in self.creators if one.answer.label and one.answer.product is None]
        names = [own.attribute if own.policy == "matching" else own.label for own in won]
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def answered(self) -> tuple[Offered, ...]:
        """The answers about what was asked: posts of this run's sources, or all of a store."""
        if self.asked is None:
            return self.offered
        return tuple(one for one in self.posts if one.post is not None and one.post.post_id in self.asked)


def recommend_media(
    sources: Sequence[str],
    out: Path,
    *,
    settings: Settings,
    store: str | None = None,
    creator: str | None = None,
    mapping: Mapping[str, str] | None = None,
    kind: str | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Recommended:
    """Look at the media that the store has no features of; the recommendations for all its creators, and failures.

    Args:
        sources: as `analyze` reads them.
        out: output folder; holds the store unless `store` names another.
        settings: `product_policy`, `product_order`, `product_models`, `audience` and `catalog` among them.
        store: a file or a URL.
        creator: whose posts all are; default: as the sources say.
        mapping, kind: as `open_source` takes them.
        progress: called with (done, total) media files.
        now: default: the time of the call.

    Raises:
        UsageError: an unknown kind of source, a folder that cannot be written, a catalog or model that cannot be used.
        SourceNotFoundError: none of the sources is there; nothing is written then.
        StoreError: the store cannot be used.
    """
    _expect_any(sources)
    at, named = now or datetime.now(UTC), dict(mapping or {})
    found = chain.from_iterable([open_source(source, creator=creator, mapping=named, kind=kind) for source in sources])
    recommender = Recommender(settings)
    make_folder(out)
    with (
        Store.open(store or str(out / STORE_FILE)) as opened,
        Runner(product_stages(recommender.models), settings) as runner,
    ):
        remember_folder(opened, out)
        ingested = Ingest(opened, settings=settings, downloads=out / DOWNLOADS, now=at).run(found)
        processor = Processor(opened, runner, encoder=load_spec(ENCODER).fingerprint)
        processed = processor.run(ingested.paths, now=at, progress=progress)
        conclude(opened, settings=settings, now=at)
        failures = (*ingested.failures, *ingested.at_every_place(processed.failures))
        return recommend_all(opened, recommender, failures=failures, asked=tuple(dict.fromkeys(ingested.post_ids)))


def recommend_store(location: str, *, settings: Settings, out: Path | None = None) -> Recommended:
    """The recommendations for the creators in a store, from what is stored of their media.

    `out` is where pictures of them will be written: the store remembers it, so that `forget` finds them there.

    Raises:
        UsageError: a catalog or model that cannot be used, or a folder that cannot be written.
        StoreError: the store cannot be used.
    """
    recommender = Recommender(settings)
    if out is not None:
        make_folder(out)
    with Store.open(location, read_only=out is None) as store:
        if out is not None:
            with store.write() as conn:
                write_folder(conn, str(out.resolve()))
        return recommend_all(store, recommender)


def recommend_all(
    store: Store, recommender: Recommender, *, failures: tuple[Failure, ...] = (), asked: tuple[str, ...] | None = None
) -> Recommended:
    """The recommendations for everybody in a store whose media was looked at."""
    creators: list[Offered] = []
    posts: list[Offered] = []
    drawn: list[Offered] = []
    faces: dict[str, Faces] = {}
    with store.read() as conn:
        for creator in read_creators(conn):
            facts = read_creator_facts(conn, creator, fingerprint=load_spec(ENCODER).fingerprint)
            own, theirs = recommend_creator(recommender.with_facts(conn, facts), recommender)
            creators += own
            posts += theirs
            pictured = _drawn(own, theirs, asked)
            drawn += pictured
            faces |= _drawn_faces(facts, pictured)
    return Recommended(
        creators=tuple(creators),
        posts=tuple(posts),
        faces=faces,
        models={name: f"{spec.version} {spec.fingerprint}" for name, spec in recommender.specs.items()},
        notes=(*recommender.notes, *_greedy(creators, recommender)),
        failures=failures,
        asked=asked,
        store=store.name,
        drawn=tuple(drawn),
    )


def _drawn(own: Sequence[Offered], posts: Sequence[Offered], asked: Sequence[str] | None) -> list[Offered]:
    """Of one creator those that pictures are made of; images without a creator are no profile, but each its own."""
    if posts and len(posts) <= MOST_LOOSE and all(one.is_loose for one in posts):
        return list(posts)
    return [*own, *(one for one in posts if asked == (one.answer.subject_id,) and len(one.media) == 1)]


def _greedy(creators: Sequence[Offered], recommender: Recommender) -> list[Failure]:
    """A note for each item of a trained label that nearly all images show, of whomever they are."""
    trained = dict.fromkeys(label.item for label in recommender.labels if label.name in recommender.trained)
    notes = []
    for item in trained:
        own = [one for found in creators for one in found.answer.items if one.item == item and one.n_images]
        n_shown, n_images = sum(one.n_shown for one in own), sum(one.n_images for one in own)
        if len(own) >= GREEDY_CREATORS and n_shown >= GREEDY_SHARE * n_images:
            error = NotEnoughDataError(
                f"expected what some images show, got it called in {n_shown} of {n_images} images of {len(own)}"
                " creators; unless they all show it, train again with images of this kind in the folder `none`"
            )
            notes.append(Failure.of(f"item {item!r}", PRODUCTS, error))
    return notes


def _drawn_faces(facts: CreatorFacts, offered: Sequence[Offered]) -> dict[str, Faces]:
    """What drawing needs of the faces in the images that are shown, so that memory holds no creator's vectors."""
    wanted = {one.shown for one in offered}
    return {
        sha256: replace(faces, template=None, looks=None, thumbnails=None)
        for sha256, faces in facts.faces.items()
        if sha256 in wanted
    }


def recommend_creator(facts: CreatorFacts, recommender: Recommender) -> tuple[list[Offered], list[Offered]]:
    """For one creator and for its posts; those without media that could be read are left out."""
    readings = recommender.readings(facts)
    subjects: list[tuple[str, tuple[str, ...], Post | None]] = [
        (facts.creator.creator_id, tuple(dict.fromkeys(sha for post in facts.posts for sha in post.media)), None),
        *((post.post_id, post.media, post) for post in facts.posts),
    ]
    found = []
    for subject_id, sha256s, post in subjects:
        answer = recommender.recommend(subject_id, sha256s, readings, facts)
        if answer is not None:
            media = tuple(facts.media[sha256] for sha256 in dict.fromkeys(sha256s) if sha256 in facts.media)
            read = {one.sha256: readings[one.sha256].face for one in media if one.sha256 in readings}
            places = places_by_content(facts.locations if post is None else facts.locations_of(post.post_id))
            found.append(Offered(facts.creator, answer, media, read, post, places))
    return [one for one in found if one.post is None], [one for one in found if one.post is not None]


def _expect_any(sources: Sequence[str]) -> None:
    if not sources:
        raise UsageError("expected at least one source: an image, a video, a folder or a table")
    if not any(is_url(source) or os.path.lexists(source) for source in sources):
        names = ", ".join(display_name(source) for source in sources[:SOURCES_SHOWN])
        raise SourceNotFoundError(f"expected a file, folder or table, got nothing at {names}; check the path")


def make_folder(out: Path) -> None:
    """Create the output folder; raises `UsageError` where it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"expected an output folder that can be written at {out}, got: {error.strerror}") from error
