"""People of the store: who there is, and the user's corrections, each a decision that can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines import decide, people_list
from postlens.pipelines import people as editing
from postlens.pipelines.campaign import Campaign, PersonAnswer
from postlens.pipelines.forget import find_subject, forget_subject
from postlens.pipelines.people import Decided
from postlens.pipelines.people_list import PersonRow
from postlens.serve.answering import CACHED, CHANGES, NOT_MODIFIED, STORE, Here, Paged, answer, problems
from postlens.serve.context import Context, State, now
from postlens.serve.errors import Problem
from postlens.serve.listing import part_of
from postlens.serve.schemas import Page
from postlens.serve.schemas_people import (
    DecidedOut,
    DecisionOut,
    ForgottenOut,
    PersonDetailOut,
    PersonOut,
    Suggestion,
)
from postlens.serve.security import AdminRoute, ReadRoute, WriteRoute
from postlens.store.people import find_person, read_persons

reading = APIRouter(route_class=ReadRoute, tags=["people"])
writing = APIRouter(route_class=WriteRoute, tags=["people"])
forgetting = APIRouter(route_class=AdminRoute, tags=["people"])
LIST = {**problems(*STORE, "bad-cursor"), **NOT_MODIFIED}
ONE = {**problems(*STORE, "not-found"), **NOT_MODIFIED}
EDIT = problems(*CHANGES)


class Body(BaseModel):
    """Base of what is asked for."""

    model_config = ConfigDict(extra="forbid")


class Merge(Body):
    """Which persons are this one."""

    others: Annotated[list[str], Field(min_length=1, max_length=100, description="Ids or names.")]
    name: Annotated[str | None, Field(max_length=200, description="The name that stays, or a new one.")] = None


class Split(Body):
    """What of a person shows somebody else."""

    tracks: Annotated[list[str], Field(min_length=1, max_length=1000, description="Tracks, posts, or POST@SECONDS.")]


class Name(Body):
    """What a person is called."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


class Undo(Body):
    """Which decision to take back."""

    number: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="Default: the last one.")] = None


# --- reading ----------------------------------------------------------------------------------------------------------


@reading.get("/people", response_model=Page[PersonOut], responses=LIST)
async def people(
    request: Request,
    context: Here,
    paging: Paged,
    q: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    named: Annotated[bool | None, Query(description="With a name, or without.")] = None,
    hidden: Annotated[bool, Query(description="With those whom a user hid.")] = False,
    min_posts: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """All persons. Sorted by `n_posts` (default, from high), `screen_time`, `name`, `id`, or the mean of a metric."""

    def fits(row: PersonRow) -> bool:
        return (
            (q is None or q.lower() in (row.name or "").lower())
            and (named is None or (row.name is not None) == named)
            and (min_posts is None or row.n_posts >= min_posts)
        )

    def make(state: State) -> Page[PersonOut]:
        answers = _answers(state.campaign)
        rows = [row for row in people_list.list_people(context.store, hidden=hidden) if fits(row)]
        sorts: dict[str, Callable[[PersonRow], Any]] = {
            "n_posts": lambda row: row.n_posts,
            "screen_time": lambda row: row.seconds,
            "name": lambda row: row.name.lower() if row.name else None,
            "id": lambda row: row.person_id,
            **{name: _mean_of(answers, name) for name in state.campaign.metrics},
        }
        part = part_of(rows, paging, key=lambda row: row.person_id, sorts=sorts, default="-n_posts")
        found = [PersonOut.of(row, answers.get(row.person_id)) for row in part.rows]
        return Page(items=found, total=part.total, next_cursor=part.next_cursor)

    return await answer(request, context, make)


def _answers(campaign: Campaign) -> dict[str, PersonAnswer]:
    return {one.person_id: one for one in campaign.people}


def _mean_of(answers: dict[str, PersonAnswer], metric: str) -> Callable[[PersonRow], float | None]:
    def mean(row: PersonRow) -> float | None:
        own = answers[row.person_id].performance if row.person_id in answers else ()
        return next((one.mean for one in own if one.metric == metric), None)

    return mean


@reading.get("/people/decisions", responses=problems(*STORE))
async def decisions(context: Here) -> list[DecisionOut]:
    """The user's decisions, the latest first."""
    return [DecisionOut.of(one) for one in await context.run(lambda: people_list.list_decisions(context.store))]


@reading.get("/people/suggestions", responses=problems(*STORE))
async def suggestions(context: Here) -> list[Suggestion]:
    """Merges and splits that a second look proposes; nothing is changed."""
    found = await context.run(lambda: people_list.suggestions(context.store, settings=context.settings))
    return [Suggestion.of(one) for one in found]


@reading.get("/people/{person_id}", response_model=PersonDetailOut, responses=ONE)
async def person(request: Request, context: Here, person_id: str) -> Response:
    """A person by id, the start of it, or name: tracks, appearances, performance."""

    def make(state: State) -> PersonDetailOut:
        detail = people_list.show_person(context.store, person_id)
        return PersonDetailOut.of_detail(detail, _answers(state.campaign).get(detail.row.person_id))

    return await answer(request, context, make)


@reading.get(
    "/people/{person_id}/face",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(*STORE, "not-found"),
    },
)
async def face(context: Here, person_id: str) -> Response:
    """The picture (JPEG) of a person's best face; none of a person who is hidden."""
    found = _answers((await context.answers()).campaign).get(person_id)
    if found is None or found.thumbnail is None:
        raise Problem("not-found", "expected the id of a person with a face; GET /people lists them")
    return Response(found.thumbnail, media_type="image/jpeg", headers={"Cache-Control": CACHED})


# --- corrections ------------------------------------------------------------------------------------------------------


async def decided(context: Context, who: list[str], do: Callable[[], Decided]) -> DecidedOut:
    """Make a decision about these persons. Raises `Problem` with 409 where another change got in between."""

    def change() -> DecidedOut:
        before = _known(context, who)
        try:
            return DecidedOut.of(do())
        except (UnknownNameError, UsageError) as error:
            if before and _known(context, who) != before:
                raise Problem(
                    "conflict", "expected the persons as they were, another change came first; look again"
                ) from error
            raise

    return await context.change(change)


def _known(context: Context, who: list[str]) -> list[Any]:
    """The persons as they are now; empty where one is not known."""
    with context.store.read() as conn:
        every = {one.person_id: one for one in read_persons(conn)}
        try:
            return [every[find_person(conn, one).person_id] for one in who]
        except (UnknownNameError, UsageError):
            return []


@writing.post("/people/undo", responses=EDIT)
async def undo(context: Here, body: Undo) -> DecisionOut:
    """Take a decision back; later ones about the same persons or tracks go first."""
    return DecisionOut.of(
        await context.change(lambda: decide.undo(context.store, body.number, settings=context.settings, now=now()))
    )


@writing.post("/people/{person_id}/merge", responses=EDIT)
async def merge(context: Here, person_id: str, body: Merge) -> DecidedOut:
    """Say that other persons are this one. The one with a name stays, else the one with the most tracks."""
    who = [person_id, *body.others]
    return await decided(
        context,
        who,
        lambda: editing.merge_people(context.store, who, name=body.name, settings=context.settings, now=now()),
    )


@writing.post("/people/{person_id}/split", responses=EDIT)
async def split(context: Here, person_id: str, body: Split) -> DecidedOut:
    """Say that tracks of a person show somebody else."""
    return await decided(
        context,
        [person_id],
        lambda: editing.split_person(context.store, person_id, body.tracks, settings=context.settings, now=now()),
    )


@writing.post("/people/{person_id}/name", responses=EDIT)
async def name(context: Here, person_id: str, body: Name) -> DecidedOut:
    """Give a person a name."""
    return await decided(
        context,
        [person_id],
        lambda: editing.name_person(context.store, person_id, body.name, settings=context.settings, now=now()),
    )


@writing.post("/people/{person_id}/hide", responses=EDIT)
async def hide(context: Here, person_id: str) -> DecidedOut:
    """Leave a person out of all answers; nothing is deleted."""
    return await _hide(context, person_id, hidden=True)


@writing.post("/people/{person_id}/unhide", responses=EDIT)
async def unhide(context: Here, person_id: str) -> DecidedOut:
    """Show a hidden person again."""
    return await _hide(context, person_id, hidden=False)


async def _hide(context: Context, person_id: str, *, hidden: bool) -> DecidedOut:
    return await decided(
        context,
        [person_id],
        lambda: editing.hide_person(context.store, person_id, hidden=hidden, settings=context.settings, now=now()),
    )


@forgetting.post("/people/{person_id}/forget", responses=EDIT)
async def forget(context: Here, person_id: str) -> ForgottenOut:
    """Delete a person for good, with faces, vectors and tracks, and from the reports of the store. Needs `admin`."""

    def change() -> ForgottenOut:
        subject = find_subject(person_id, store=context.store)
        if subject.kind != "person":
            raise Problem("not-found", "expected the id of a person; GET /people lists them")
        return ForgottenOut.of(
            forget_subject(subject, store=context.store, out=context.folder, settings=context.settings, now=now())
        )

    return await context.change(change)
