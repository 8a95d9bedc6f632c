"""A store to its campaign as pages show it, computed once for each state of the store.

Answers of a large campaign take half a minute (about 3 ms a post and 20 ms a creator), so they are computed beside the
requests: a page waits a little, then shows the state of before and says so. People are read at once, since they are
what users change here, and what was forgotten is never shown.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Condition, Lock, Thread

from sqlalchemy import select

from postlens.errors import PostlensError
from postlens.pipelines.campaign import Campaign, CreatorAnswer, PersonAnswer
from postlens.pipelines.compile_people import compile_people
from postlens.pipelines.report.cards import newest_first
from postlens.serve.context import Context
from postlens.serve.metrics import log_error
from postlens.serve.web.names import file_name
from postlens.serve.web.tables import Row
from postlens.store.meta import read_revision
from postlens.store.people import read_persons
from postlens.store.posts import read_creators
from postlens.store.schema import media
from postlens.types import PostAnalysis

# How long a page waits for answers before it shows those of before. Longer: fewer pages with old figures; shorter:
# pages that come sooner while a large campaign changes.
WAIT_S = 4.0


class StillReadingError(PostlensError):
    """The campaign is read for the first time, and that is not done yet."""


class BrokenReadingError(PostlensError):
    """Reading the campaign failed in a way that nobody foresaw."""


@dataclass(frozen=True)
class Shown:
    """A campaign with what pages look up in it."""

    campaign: Campaign
    is_fresh: bool  # False: posts and creators are as they were before the last change
    pictured: frozenset[str] = frozenset()  # sha256 of media with a thumbnail
    numbers: Mapping[str, int] = field(default_factory=dict)  # person_id, also of hidden and named ones, from 1
    _kept: dict[str, tuple[Row, ...]] = field(default_factory=dict, repr=False, compare=False)

    def kept(self, name: str, make: Callable[[], tuple[Row, ...]]) -> tuple[Row, ...]:
        """Rows of a table, made once for each state of the store: those of 10,000 posts take a second."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    @cached_property
    def labels(self) -> dict[str, str]:
        """person_id of who is shown to the user's name, else to a number that stays."""
        return {one.person_id: one.name or self.numbered(one.person_id) for one in self.campaign.people}

    def numbered(self, person_id: str) -> str:
        """A person without a name; whoever is found later has a higher number, and naming or hiding changes none."""
        return f"Person {self.numbers[person_id]}" if person_id in self.numbers else person_id

    @cached_property
    def posts(self) -> dict[str, PostAnalysis]:
        """By post_id."""
        return {post.post.post_id: post for post in self.campaign.posts}

    @cached_property
    def creators(self) -> dict[str, CreatorAnswer]:
        """By creator_id."""
        return {answer.creator.creator_id: answer for answer in self.campaign.creators}

    @cached_property
    def people(self) -> dict[str, PersonAnswer]:
        """By person_id."""
        return {person.person_id: person for person in self.campaign.people}

    @cached_property
    def posts_of(self) -> Mapping[str, list[PostAnalysis]]:
        """creator_id to the creator's posts, the latest first."""
        found: dict[str, list[PostAnalysis]] = defaultdict(list)
        for post in sorted(self.campaign.posts, key=newest_first):
            found[post.post.creator_id].append(post)
        return found

    @cached_property
    def first_of(self) -> dict[str, str]:
        """post_id of a copy to that of its first publication."""
        return {one.post_id: one.first_post_id for one in self.campaign.duplicates}

    def title(self, post_id: str) -> str:
        """What a post is called: the name of its first file."""
        post = self.posts.get(post_id)
        if post is None or not post.post.media:
            return post_id
        place = self.campaign.locations.get((post_id, post.post.media[0]))
        return file_name(place) if place else post_id

    def people_in(self, post: PostAnalysis) -> dict[str, str]:
        """person_id to label of who is seen in a post; persons who are not shown are left out."""
        seen = {one.person_id for one in post.appearances} & self.labels.keys()
        return {person_id: self.labels[person_id] for person_id in sorted(seen, key=self._ranks.__getitem__)}

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """person_id to the place among all, those with the most posts first."""
        return {person_id: rank for rank, person_id in enumerate(self.labels)}


class Campaigns:
    """The campaign of a store, kept until the store changes. Safe to share between threads."""

    def __init__(self, context: Context) -> None:
        self._context, self._store, self._settings = context, context.store, context.settings
        self._changed = Condition()
        self._kept: tuple[int, Campaign] | None = None
        self._error: PostlensError | None = None  # of the last reading, until it was told
        self._running = False
        self._rest_until = 0.0
        self._people: tuple[int, tuple[PersonAnswer, ...]] | None = None
        self._assembling = Lock()
        self._assembled: tuple[Campaign, bool, int, Shown] | None = None

    def latest(self, *, wait_s: float = WAIT_S) -> Shown:
        """The campaign as it is, or after `wait_s` as it was before.

        Raises `StillReadingError` where there is none yet, and what the answers raise.
        """
        revision = self._context.revision()
        with self._changed:
            if not self._is_of(revision):
                self._start()
                self._changed.wait_for(lambda: not self._running or self._is_of(revision), timeout=wait_s)
            if self._error is not None and not self._is_of(revision):
                error, self._error = self._error, None
                raise error
            if self._kept is None:
                raise StillReadingError("the campaign is being read; this takes up to a minute the first time")
            kept = self._kept
        return self._with_people(kept[1], is_fresh=kept[0] >= revision, revision=revision)

    def _with_people(self, campaign: Campaign, *, is_fresh: bool, revision: int) -> Shown:
        with self._assembling:
            last = self._assembled
            if last is not None and last[0] is campaign and last[1:3] == (is_fresh, revision):
                return last[3]
            found = replace(campaign if is_fresh else self._without_forgotten(campaign), people=self._people_now())
            shown = Shown(found, is_fresh, self._pictured(), self._numbers())
            self._assembled = campaign, is_fresh, revision, shown
            return shown

    def _numbers(self) -> dict[str, int]:
        """person_id to a number from 1, in the order in which persons were found."""
        with self._store.read() as conn:
            found = sorted(read_persons(conn), key=lambda one: (one.created_at, one.person_id))
        return {one.person_id: number for number, one in enumerate(found, start=1)}

    def _pictured(self) -> frozenset[str]:
        with self._store.read() as conn:
            return frozenset(conn.execute(select(media.c.sha256).where(media.c.thumbnail.is_not(None))).scalars())

    def _people_now(self) -> tuple[PersonAnswer, ...]:
        """Persons and how their posts did, as they are now."""
        with self._store.read() as conn:
            revision = read_revision(conn)
            if self._people is None or self._people[0] != revision:
                self._people = revision, compile_people(conn, weighting=self._settings.people_weighting)
            return self._people[1]

    def _without_forgotten(self, campaign: Campaign) -> Campaign:
        """What was forgotten since goes at once, whatever else is still of before."""
        with self._store.read() as conn:
            there = {creator.creator_id for creator in read_creators(conn)}
        posts = tuple(post for post in campaign.posts if post.post.creator_id in there)
        kept = {post.post.post_id for post in posts}
        return replace(
            campaign,
            creators=tuple(one for one in campaign.creators if one.creator.creator_id in there),
            posts=posts,
            duplicates=tuple(one for one in campaign.duplicates if {one.post_id, one.first_post_id} <= kept),
        )

    # --- computing ---------------------------------------------------------------------------------------------------

    def _is_of(self, revision: int) -> bool:
        return self._kept is not None and self._kept[0] >= revision

    def _start(self) -> None:
        """Compute beside the requests, unless that is being done, or a long computation has just ended."""
        if not self._running and time.monotonic() >= self._rest_until:
            self._running = True
            Thread(target=self._compute, name="postlens-campaign", daemon=True).start()

    def _compute(self) -> None:
        began, found, error = time.monotonic(), None, None
        try:
            found = self._read()
        except PostlensError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001  the edge of this thread: pages must not wait for what has ended
            log_error(raised, "campaign")
            error = BrokenReadingError("the answers could not be computed; the server's log tells why")
        finally:
            took_s = time.monotonic() - began
            with self._changed:
                self._kept, self._error, self._running = found or self._kept, error, False
                self._rest_until = time.monotonic() + took_s if took_s > WAIT_S else 0.0
                self._changed.notify_all()

    def _read(self) -> tuple[int, Campaign]:
        state = self._context.state()
        return state.revision, state.campaign
