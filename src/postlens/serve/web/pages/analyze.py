"""Upload and analyze: a form, a job with its progress, and what it found."""

from __future__ import annotations

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from postlens.pipelines.uploads import Plan
from postlens.serve.context import Context
from postlens.serve.errors import Problem
from postlens.serve.uploads import Form, check_upload, read_form
from postlens.serve.web.guard import CSRF_FIELD, check_token, expect_own_site, own_form
from postlens.serve.web.rendering import render
from postlens.serve.web.route import WebRoute, WriteRoute
from postlens.serve.web.shared import InCampaigns, InContext
from postlens.serve.web.views.jobs import JobView, job_view
from postlens.serve.web.views.posts import preview
from postlens.sources.protocol import clean_handle
from postlens.store.jobs import FINISHED
from postlens.types import UNKNOWN

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
    job_id, folder = await run_sync(context.jobs.new_folder)
    try:
        sent = await read_form(request, folder, context.serving)
        check_token(request, _field(sent, CSRF_FIELD))
        plan = await run_sync(_plan, sent, context)
        key_id = request.state.caller.key_id
        await run_sync(lambda: context.jobs.add(job_id, "analyze", plan.as_dict(), key_id=key_id))
    except BaseException:
        with CancelScope(shield=True):
            await run_sync(context.jobs.discard, job_id)
        raise
    return RedirectResponse(f"/web/jobs/{job_id}", 303)


def _field(sent: Form, name: str) -> str:
    return (sent.fields.get(name) or [""])[0].strip()


def _plan(sent: Form, context: Context) -> Plan:
    """What to do with the files. Raises `Problem` for a form without any, `MediaError` for what is none."""
    files = [
        one for one in sent.files if one.n_bytes or one.name != "upload"
    ]  # a field left empty sends a nameless one
    if not files:
        raise Problem("invalid", "expected photos, videos or a table, got no file; choose some first")
    kinds = {one.name: check_upload(one, context.serving, tables=True) for one in files}
    return Plan(
        folder=files[0].path.parent,
        media=tuple(name for name, kind in kinds.items() if kind != "table"),
        tables=tuple(name for name, kind in kinds.items() if kind == "table"),
        creator=clean_handle(_field(sent, "creator")) or None,
        platform=_field(sent, "platform") or UNKNOWN,
    )


@router.get("/web/jobs/{job_id}")
def job(request: Request, context: InContext, campaigns: InCampaigns, job_id: str) -> Response:
    """How far a job is, and what it found."""
    found = context.jobs.get(job_id)
    view = job_view(found)
    previews = _previews(view, campaigns) if found.state == "done" else []
    return render(request, "job", section="analyze", view=view, previews=previews, is_open=found.state not in FINISHED)


def _previews(view: JobView, campaigns: InCampaigns) -> list[object]:
    shown = campaigns.latest()
    known = [shown.posts[post_id] for post_id in view.post_ids if post_id in shown.posts]
    return [(preview(post, shown), post) for post in known[:RESULTS_SHOWN]]


@writing.post("/web/jobs/{job_id}/cancel", dependencies=[Depends(own_form)])
def cancel(context: InContext, job_id: str) -> Response:
    """Let a job end as soon as it can."""
    context.jobs.cancel(job_id)
    return RedirectResponse(f"/web/jobs/{job_id}", 303)
