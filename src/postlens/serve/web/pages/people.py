"""People: the gallery, a page for each, and the user's words about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from postlens.errors import UnknownNameError
from postlens.pipelines.decide import undo
from postlens.pipelines.people import Decided, hide_person, merge_people, name_person, split_person
from postlens.pipelines.people_list import list_decisions, list_people, list_waiting, show_person
from postlens.serve.errors import Problem
from postlens.serve.web.forgetting import forget, forgettable
from postlens.serve.web.guard import own_form
from postlens.serve.web.rendering import render
from postlens.serve.web.route import AdminRoute, WebRoute, WriteRoute
from postlens.serve.web.shared import InContext, InNow, InShown, PageNumber, Text, export_asked, in_turn
from postlens.serve.web.tables import Order, paged
from postlens.serve.web.views.creators import chosen_metric, shown_metrics
from postlens.serve.web.views.parts import any_face, face, person_href
from postlens.serve.web.views.people import (
    Change,
    appearances_table,
    cards,
    changes,
    hidden_people,
    people_table,
    performance_table,
    track_cards,
)

FACES = 60  # on one page of the gallery
TRACKS = 60  # on one page of a person
CHANGES_SHOWN = 10  # the latest decisions; the command line lists all
Words = Annotated[list[str], Form(max_length=2000)]
Word = Annotated[str, Form(max_length=500)]
CHANGE = [Depends(own_form), Depends(in_turn)]  # in this order: a form of another page waits for nothing

router = APIRouter(route_class=WebRoute)
writing = APIRouter(route_class=WriteRoute)
forgetting = APIRouter(route_class=AdminRoute)


@router.get("/web/people")
def people(
    request: Request,
    *,
    context: InContext,
    shown: InShown,
    metric: Text = "",
    sort: Text = "",
    turn: Text = "",
    page: PageNumber = 1,
    rows: PageNumber = 1,
    done: Text = "",
) -> Response:
    """Faces to select and join, and how their posts did."""
    chosen = chosen_metric(shown, metric, usual=context.settings.metric)
    table = people_table(shown, metric=chosen).ordered(sort, turn, default=Order("posts", down=True))
    asked = export_asked(request, table)
    if asked is not None:
        return asked
    everybody = list_people(context.store)
    made = changes(list_decisions(context.store), everybody, shown)
    return render(
        request,
        "people",
        section="people",
        shown=shown,
        cards=paged(cards(shown, metric=chosen), page, size=FACES),
        table=table,
        table_page=paged(table.rows, rows),
        hidden=hidden_people(everybody, shown),
        changes=made[:CHANGES_SHOWN],
        n_waiting=len(list_waiting(context.store)),
        metric=chosen,
        metrics=shown_metrics(shown),
        done=_done(done, made),
    )


@router.get("/web/people/{person_id}")
def person(
    request: Request, *, context: InContext, shown: InShown, person_id: str, page: PageNumber = 1, done: Text = ""
) -> Response:
    """One person."""
    detail = show_person(context.store, person_id)
    answer = shown.people.get(detail.row.person_id)
    tables = [performance_table(answer, shown)] if answer else []
    tables.append(appearances_table(detail, shown))
    asked = export_asked(request, *tables)
    return asked or render(
        request,
        "person",
        section="people",
        shown=shown,
        row=detail.row,
        answer=answer,
        face=any_face(detail.row, shown),
        tracks=paged(track_cards(detail, shown), page, size=TRACKS),
        tables={table.name: table for table in tables},
        done=_done(done, changes(list_decisions(context.store), list_people(context.store), shown)) if done else None,
        counted=answer.n_posts if answer else detail.row.n_posts,
    )


def _done(asked: str, made: Sequence[Change]) -> Change | None:
    """The decision that a page tells of; `None` where there is none of this number."""
    return next((one for one in made if str(one.number) == asked), None)


# --- words -----------------------------------------------------------------------------------------------------------


@writing.post("/web/people/merge", dependencies=CHANGE)
def merge(context: InContext, now: InNow, person: Words, name: Word = "") -> Response:
    """Say that the selected persons are one."""
    with as_shown():
        decided = merge_people(context.store, person, name=name.strip() or None, settings=context.settings, now=now)
    return _back("/web/people", decided)


@writing.post("/web/people/undo", dependencies=CHANGE)
def take_back(context: InContext, now: InNow, number: Annotated[int, Form()]) -> Response:
    """Take a decision back."""
    undo(context.store, number, settings=context.settings, now=now)
    return RedirectResponse(f"/web/people?done={number}", 303)


@writing.post("/web/people/{person_id}/name", dependencies=CHANGE)
def name(context: InContext, now: InNow, person_id: str, name: Word) -> Response:
    """Give a person a name."""
    with as_shown():
        decided = name_person(context.store, person_id, name, settings=context.settings, now=now)
    return _back(person_href(person_id), decided)


@writing.post("/web/people/{person_id}/hide", dependencies=CHANGE)
def hide(context: InContext, now: InNow, person_id: str) -> Response:
    """Leave a person out of all answers."""
    with as_shown():
        decided = hide_person(context.store, person_id, settings=context.settings, now=now)
    return _back("/web/people", decided)


@writing.post("/web/people/{person_id}/unhide", dependencies=CHANGE)
def unhide(context: InContext, now: InNow, person_id: str) -> Response:
    """Show a hidden person again."""
    with as_shown():
        decided = hide_person(context.store, person_id, hidden=False, settings=context.settings, now=now)
    return _back("/web/people", decided)


@writing.post("/web/people/{person_id}/split", dependencies=CHANGE)
def split(context: InContext, now: InNow, person_id: str, track: Words) -> Response:
    """Say that the selected faces are of somebody else."""
    with as_shown():
        decided = split_person(context.store, person_id, track, settings=context.settings, now=now)
    return _back(person_href(person_id), decided)


@contextmanager
def as_shown() -> Iterator[None]:
    """Raise `Problem` with 409 where the people of a form are not there any more: another change came first."""
    try:
        yield
    except UnknownNameError as error:
        raise Problem(
            "conflict", "another change came first: these people are not as they were shown; look again"
        ) from error


def _back(place: str, decided: Decided) -> Response:
    """To a page that tells of the decision and offers to take it back."""
    return RedirectResponse(f"{place}?done={decided.number}", 303)


# --- forgetting ------------------------------------------------------------------------------------------------------


@router.get("/web/people/{person_id}/forget")
def ask_to_forget(request: Request, context: InContext, shown: InShown, person_id: str) -> Response:
    """What forgetting deletes, to be confirmed."""
    subject = forgettable(context, person_id)
    one = replace(face(person_id, shown), label=shown.labels.get(person_id, subject.title))
    return render(request, "forget", section="people", face=one)


@forgetting.post("/web/people/{person_id}/forget", dependencies=CHANGE)
def forget_person(request: Request, context: InContext, now: InNow, person_id: str, sure: Word = "") -> Response:
    """Delete a person for good."""
    if sure != "yes":
        raise Problem("invalid", "expected the box to be ticked that says that this cannot be taken back")
    done = forget(context, person_id, now=now)
    return render(request, "forgotten", section="people", done=done)
