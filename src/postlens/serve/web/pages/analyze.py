"""Upload and analyze: a form, a job with its progress, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from postlens.errors import MediaError
from postlens.pipelines.loose import PLATFORM
from postlens.pipelines.uploads import Plan
from postlens.serve.context import Context
from postlens.serve.errors import Problem, problem_of, renamed
from postlens.serve.looking import finally_in_thread
from postlens.serve.uploads import FileKind, Form, Upload, check_upload, read_form
from postlens.serve.web.campaigns import Campaigns, StillReadingError
from postlens.serve.web.guard import CSRF_FIELD, check_token, expect_own_site, own_form
from postlens.serve.web.rendering import render
from postlens.serve.web.route import WebRoute, WriteRoute
from postlens.serve.web.shared import InCampaigns, InContext
from postlens.serve.web.views.jobs import JobView, job_view
from postlens.serve.web.views.posts import Preview, preview
from postlens.sources.protocol import clean_handle
from postlens.types import Failure, PostAnalysis

JOBS_SHOWN = 10  # the latest
RESULTS_SHOWN = 24  # posts of a finished job with their previews
PLATFORMS = ("instagram", "tiktok", "youtube")

router = APIRouter(route_class=WebRoute)
writing = APIRouter(route_class=WriteRoute)


@router.get("/web/analyze")
def form(request: Request, context: InContext) -> Response:
    """The form, and the latest jobs."""
    return render(
        request,
        "analyze",
        section="analyze",
        jobs=[job_view(job) for job in context.jobs.list()[:JOBS_SHOWN]],
        platforms=PLATFORMS,
        serving=context.serving,
    )


@writing.post("/web/analyze")
async def send(request: Request, context: InContext) -> Response:
    """Queue what was uploaded, and lead to its progress."""
    expect_own_site(request)
    job_id, folder = await context.run(context.jobs.new_folder)
    queued = False
    try:
        sent = await read_form(request, folder, context.serving)
        check_token(request, _field(sent, CSRF_FIELD))
        plan = await context.run(lambda: _plan(sent, folder, context))
        key_id = request.state.caller.key_id
        await context.change(lambda: context.jobs.add(job_id, "analyze", plan.as_dict(), key_id=key_id))
        queued = True
    finally:
        if not queued:
            await finally_in_thread(lambda: context.jobs.discard(job_id))
    return RedirectResponse(f"/web/jobs/{job_id}", 303)


def _field(sent: Form, name: str) -> str:
    return (sent.fields.get(name) or [""])[0].strip()


def _plan(sent: Form, folder: Path, context: Context) -> Plan:
    """What to do with the files. Raises `Problem` for a form without any, and for a single file that is no media."""
    files = [one for one in sent.files if one.n_bytes or len(sent.files) > 1]  # a field left empty sends an empty file
    if not files:
        raise Problem("invalid", "expected photos, videos or a table, got no file; choose some first")
    kinds = {one.name: _kind(one, context, is_alone=len(files) == 1) for one in files}
    return Plan(
        folder,
        refused=tuple(kind for kind in kinds.values() if isinstance(kind, Failure)),
        media=tuple(name for name, kind in kinds.items() if kind in ("image", "video")),
        tables=tuple(name for name, kind in kinds.items() if kind == "table"),
        creator=clean_handle(_field(sent, "creator")) or None,
        platform=next((name for name in PLATFORMS if name == _field(sent, "platform")), PLATFORM),
    )


def _kind(upload: Upload, context: Context, *, is_alone: bool) -> FileKind | Failure:
    """What a file is; one of several that is no media is told as a failure of the job, and becomes no post."""
    try:
        return check_upload(upload, context.serving, tables=True)
    except MediaError as error:
        if is_alone:
            raise problem_of(error, names={str(upload.path): upload.name}) from error
        why = renamed(str(error), {str(upload.path): upload.name})
        return Failure(upload.name, "read", type(error).__name__, why)


@router.get("/web/jobs/{job_id}")
def job(request: Request, context: InContext, campaigns: InCampaigns, job_id: str) -> Response:
    """How far a job is, and what it found."""
    view = job_view(context.jobs.get(job_id))
    found = _found(view, campaigns)
    return render(
        request,
        "job",
        section="analyze",
        view=view,
        previews=found.previews,
        is_open=view.is_open or not found.is_final,
    )


@dataclass(frozen=True, slots=True)
class Results:
    """What a finished job found."""

    previews: tuple[tuple[Preview, PostAnalysis], ...] = ()
    is_final: bool = True  # False: answers are still being computed


def _found(view: JobView, campaigns: Campaigns) -> Results:
    """What is known of a job's posts: shown when all of them are there, and final when answered after its end.

    The campaign need not be fresh for that: while other jobs run, it seldom is.
    """
    if view.state != "done":
        return Results()
    try:
        shown = campaigns.latest()
    except StillReadingError:
        return Results(is_final=False)
    known = [shown.posts[post_id] for post_id in view.post_ids if post_id in shown.posts]
    is_after = view.finished_at is not None and shown.campaign.created_at >= view.finished_at
    if len(known) < len(view.post_ids) and not shown.is_fresh:
        return Results(is_final=False)
    previews = tuple((preview(post, shown), post) for post in known[:RESULTS_SHOWN])
    return Results(previews, is_final=shown.is_fresh or is_after)


@writing.post("/web/jobs/{job_id}/cancel", dependencies=[Depends(own_form)])
def cancel(context: InContext, job_id: str) -> Response:
    """Let a job end as soon as it can."""
    context.jobs.cancel(job_id)
    return RedirectResponse(f"/web/jobs/{job_id}", 303)
