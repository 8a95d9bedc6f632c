"""Media to all five answers: one image at once, everything else as a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from postlens.errors import PostlensError
from postlens.media.hashing import sha256_file
from postlens.pipelines.answers import Answerer
from postlens.pipelines.loose import PLATFORM, analyze_loose
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.uploads import Plan
from postlens.serve.answering import CHANGES, STORE, UPLOADS, Here, Paged, problems
from postlens.serve.context import Context
from postlens.serve.errors import Problem, problem_of
from postlens.serve.listing import part_of
from postlens.serve.looking import Picture, look
from postlens.serve.routes.creators import post_out
from postlens.serve.schemas import FailureOut, Page, Schema
from postlens.serve.schemas_people import JobOut
from postlens.serve.schemas_posts import PostOut
from postlens.serve.security import Caller, ReadRoute, WriteRoute, authorize
from postlens.serve.uploads import Form, check_upload, read_form
from postlens.store.jobs import Job
from postlens.types import MediaFeatures, PostAnalysis

router = APIRouter(route_class=WriteRoute, tags=["analyze"])
reading = APIRouter(route_class=ReadRoute, tags=["jobs"])
writing = APIRouter(route_class=WriteRoute, tags=["jobs"])


class JobResult(Schema):
    """What a job found."""

    job_id: str
    n_media: int
    posts: list[PostOut]
    failures: list[FailureOut]


@router.post(
    "/analyze",
    response_model=PostOut,
    responses={
        202: {"model": JobOut, "description": "A job; Location says where it is."},
        **problems(*UPLOADS),
    },
)
async def analyze(
    request: Request,
    context: Here,
    keep: Annotated[
        bool, Query(description="Keep one image in the store, as a job; else it is answered at once and forgotten.")
    ] = False,
    creator: Annotated[str | None, Query(max_length=200, description="Handle of whose posts these are.")] = None,
    platform: Annotated[str, Query(max_length=60, pattern=r"^[\w.-]+$")] = PLATFORM,
) -> Response:
    """All five answers about images, videos, or a table with its files (the field `file`, as often as needed).

    One image is answered at once. Videos, several files, tables, and what is kept in the store are a job: 202.
    """
    caller = authorize(request, "write")
    if not context.is_ready:
        raise Problem("not-ready", "expected models to be loaded, they are being loaded; try again in a second")
    job_id, folder = context.jobs.new_folder()
    queued = False
    try:
        form = await read_form(request, folder, context.serving)
        plan = await context.run(lambda: _plan(form, folder, context, creator=creator, platform=platform))
        alone = len(plan.media) == 1 and not plan.urls and not plan.tables and creator is None and not keep
        if alone and check_upload(form.files[0], context.serving) == "image":
            return await _at_once(form, context)
        job = await context.change(lambda: _queued(context, job_id, plan, caller))
        queued = True
    finally:
        if not queued:
            context.jobs.discard(job_id)
    return _accepted(job)


def _queued(context: Context, job_id: str, plan: Plan, caller: Caller) -> Job:
    return context.jobs.add(job_id, "analyze", plan.as_dict(), key_id=caller.key_id)


def _accepted(job: Job) -> Response:
    body = JobOut.of(job).model_dump(mode="json")
    return JSONResponse(body, 202, {"Location": f"/jobs/{job.job_id}"})


def _plan(form: Form, folder: Path, context: Context, *, creator: str | None, platform: str) -> Plan:
    """What a job has to do. Raises `Problem` for nothing, for a file that cannot be used, and for URLs that are off."""
    if not form.files and not form.urls:
        raise Problem("invalid", "expected at least one file in the field file, got none")
    if form.urls and not context.settings.allow_download:
        raise Problem("urls-off", "expected files, got URLs, and those are switched off; upload the files")
    kinds: dict[str, str] = {}
    for upload in form.files:
        try:
            kinds[upload.name] = check_upload(upload, context.serving, tables=True)
        except PostlensError as error:
            if len(form.files) == 1:
                raise problem_of(error, names=form.names) from error
            kinds[upload.name] = "image"  # told as a failure of the job, beside the answers about the others
    return Plan(
        folder,
        media=tuple(name for name, kind in kinds.items() if kind != "table"),
        tables=tuple(name for name, kind in kinds.items() if kind == "table"),
        urls=form.urls,
        creator=creator,
        platform=platform,
    )


async def _at_once(form: Form, context: Context) -> Response:
    upload = form.files[0]
    stages = frozenset(stage.name for stage in context.workers.stages)
    sha256 = await context.run(lambda: sha256_file(upload.path))
    picture = Picture(upload, WorkItem(sha256, str(upload.path), "image", stages))

    def made(features: MediaFeatures, answerer: Answerer) -> PostAnalysis:
        with context.store.read() as conn:
            return analyze_loose(features, answerer, conn, name=upload.name)

    found = PostOut.of(await look(context, picture, made))
    return Response(found.model_dump_json().encode("utf-8", "replace"), media_type="application/json")


# --- jobs -------------------------------------------------------------------------------------------------------------


@reading.get("/jobs", response_model=Page[JobOut], responses=problems(*STORE, "bad-cursor"))
async def jobs(
    context: Here,
    paging: Paged,
    state: Annotated[str | None, Query(pattern="^(queued|running|done|failed|cancelled)$")] = None,
) -> Page[JobOut]:
    """All jobs that are kept. Sorted by `created_at` (default, from the latest)."""
    rows = [one for one in await context.run(context.jobs.list) if state in (None, one.state)]
    sorts: dict[str, Any] = {"created_at": lambda one: one.created_at.timestamp()}
    part = part_of(rows, paging, key=lambda one: one.job_id, sorts=sorts, default="-created_at")
    return Page(items=[JobOut.of(one) for one in part.rows], total=part.total, next_cursor=part.next_cursor)


@reading.get("/jobs/{job_id}", responses=problems(*STORE, "not-found"))
async def job(context: Here, job_id: str) -> JobOut:
    """Where a job stands."""
    return JobOut.of(await context.run(lambda: context.jobs.get(job_id)))


@reading.get("/jobs/{job_id}/result", responses=problems(*STORE, "not-found", "conflict"))
async def result(context: Here, job_id: str) -> JobResult:
    """What a job found, as the store answers now: later corrections are in it. 409 until the job is done."""

    def read() -> JobResult:
        found = context.jobs.get(job_id)
        if found.state != "done" or found.result is None:
            raise Problem("conflict", f"expected a job that is done, this one is {found.state}", state=found.state)
        campaign, wanted = context.state(exact=True).campaign, set(found.result["post_ids"])
        return JobResult(
            job_id=job_id,
            n_media=found.result["n_media"],
            posts=[post_out(one, campaign) for one in campaign.posts if one.post.post_id in wanted],
            failures=[FailureOut(**one) for one in found.result["failures"]],
        )

    return await context.run(read)


@writing.delete("/jobs/{job_id}", responses=problems(*CHANGES))
async def cancel(context: Here, job_id: str) -> JobOut:
    """Cancel a job that waits or runs; what it found until then stays in the store."""
    return JobOut.of(await context.change(lambda: context.jobs.cancel(job_id)))
