"""What answers about people, decisions and jobs look like on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from postlens.pipelines.campaign import PersonAnswer
from postlens.pipelines.forget import Forgotten
from postlens.pipelines.people import Decided
from postlens.pipelines.people_list import PersonDetail, PersonRow
from postlens.serve.schemas import Schema, rounded
from postlens.serve.schemas_posts import Shown
from postlens.store.decisions import Decision
from postlens.store.jobs import Job
from postlens.store.person_tracks import TrackPlace
from postlens.tasks.people.suggest import Proposal
from postlens.types import PersonPerformance


class Performance(Schema):
    """How the posts that show a person did, by one metric."""

    metric: str
    n_posts: int
    mean: float
    median: float
    low: float | None = Field(description="95 % interval of the mean; null below two posts.")
    high: float | None
    lift: float | None = Field(description="Mean / mean of the campaign - 1, drawn towards 0 when posts are few.")
    best_post_id: str
    worst_post_id: str
    trend_per_30_days: float | None

    @classmethod
    def of(cls, one: PersonPerformance) -> Self:
        """Figures rounded to three digits."""
        low, high = one.interval or (None, None)
        return cls(
            metric=one.metric,
            n_posts=one.n_posts,
            mean=round(one.mean, 3),
            median=round(one.median, 3),
            low=rounded(low, 3),
            high=rounded(high, 3),
            lift=rounded(one.lift, 4),
            best_post_id=one.best_post_id,
            worst_post_id=one.worst_post_id,
            trend_per_30_days=rounded(None if one.trend is None else one.trend.slope, 4),
        )


class PersonOut(Schema):
    """A person: a face identity across posts."""

    person_id: str
    name: str | None = Field(description="Given by a user, never guessed.")
    hidden: bool
    n_posts: int
    n_tracks: int
    n_enrolled: int
    screen_time_s: float
    similarity: float | None = Field(description="Of the track that fits worst.")
    performance: list[Performance]

    @classmethod
    def of(cls, row: PersonRow, answer: PersonAnswer | None) -> Self:
        """With how its posts did, where it is seen in any."""
        return cls(
            person_id=row.person_id,
            name=row.name,
            hidden=row.hidden,
            n_posts=row.n_posts,
            n_tracks=row.n_tracks,
            n_enrolled=row.n_enrolled,
            screen_time_s=round(answer.screen_time_s if answer else row.seconds, 3),
            similarity=rounded(row.similarity, 4),
            performance=[Performance.of(one) for one in answer.performance] if answer else [],
        )


class Track(Schema):
    """One face followed through a media file."""

    track_id: str
    short_id: str
    post_ids: list[str]
    start_s: float
    end_s: float
    quality: float
    similarity: float | None

    @classmethod
    def of(cls, one: TrackPlace) -> Self:
        """Where it is seen, without the file's place."""
        return cls(
            track_id=one.track_id,
            short_id=one.short_id,
            post_ids=list(one.post_ids),
            start_s=round(one.start_s, 3),
            end_s=round(one.end_s, 3),
            quality=round(one.quality, 4),
            similarity=rounded(one.similarity, 4),
        )


class PersonDetailOut(PersonOut):
    """A person with tracks and appearances."""

    tracks: list[Track]
    appearances: list[Shown]

    @classmethod
    def of_detail(cls, detail: PersonDetail, answer: PersonAnswer | None) -> Self:
        """With where the person is seen."""
        return cls(
            **dict(PersonOut.of(detail.row, answer)),
            tracks=[Track.of(one) for one in detail.tracks],
            appearances=[Shown.of(one) for one in answer.appearances] if answer else [],
        )


class DecidedOut(Schema):
    """A decision as it was made."""

    number: int = Field(description="For POST /people/undo.")
    person_id: str | None
    notes: list[str]

    @classmethod
    def of(cls, one: Decided) -> Self:
        """All of it."""
        return cls(number=one.number, person_id=one.person_id, notes=list(one.notes))


class DecisionOut(Schema):
    """A decision in the log."""

    number: int
    verb: str
    said: dict[str, Any]
    created_at: datetime
    undone_at: datetime | None

    @classmethod
    def of(cls, one: Decision) -> Self:
        """What was asked, not the rows that changed."""
        return cls(
            number=one.number,
            verb=one.verb,
            said=dict(one.payload["said"]),
            created_at=one.created_at,
            undone_at=one.undone_at,
        )


class Suggestion(Schema):
    """A merge or a split that a second look proposes; nothing is changed."""

    kind: str
    persons: list[str]
    tracks: list[str]

    @classmethod
    def of(cls, one: Proposal) -> Self:
        """What to say to accept it."""
        return cls(kind=one.kind, persons=list(one.persons), tracks=list(one.tracks))


class ForgottenOut(Schema):
    """What became of a person's data."""

    removed: dict[str, int] = Field(description="Rows by table.")
    left: dict[str, int] = Field(description="Counted again afterwards: all 0.")
    n_folders_untouched: int = Field(description="Folders of reports that are gone, or of another store.")
    n_folders_failed: int = Field(description="Folders of reports that could not be written: see the server's log.")
    bytes_pending: bool = Field(description="The rows are deleted; their bytes go when no reader is in the way.")

    @classmethod
    def of(cls, one: Forgotten) -> Self:
        """Counts alone: notes name folders of the server."""
        return cls(
            removed={name: n for name, n in one.counts.items() if n},
            left=_counts(one.after),
            n_folders_untouched=len(one.notes),
            n_folders_failed=len(one.errors),
            bytes_pending=one.late is not None,
        )


class JobOut(Schema):
    """Long work: where it stands."""

    job_id: str
    kind: str
    state: str = Field(description="queued, running, done, failed or cancelled.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    n_done: int = Field(description="Media files looked at.")
    n_total: int | None = Field(description="Null until it is known.")
    problem: dict[str, Any] | None = Field(description="Why it failed.")

    @classmethod
    def of(cls, one: Job) -> Self:
        """Without the request, which names the creator."""
        return cls(
            job_id=one.job_id,
            kind=one.kind,
            state=one.state,
            created_at=one.created_at,
            started_at=one.started_at,
            finished_at=one.finished_at,
            n_done=one.n_done,
            n_total=one.n_total,
            problem=None if one.problem is None else dict(one.problem),
        )


def _counts(values: Mapping[str, int]) -> dict[str, int]:
    """Counts by table; files of the server by their number alone."""
    return {name: n for name, n in values.items() if "/" not in name}
