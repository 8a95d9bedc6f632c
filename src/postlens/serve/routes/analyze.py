"""Media to all five answers: one image at once, everything else as a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from postlens.errors import MediaError
from postlens.media.hashing import sha256_file
from postlens.pipelines.answers import Answerer
from postlens.pipelines.loose import PLATFORM, analyze_loose
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.uploads import Plan
from postlens.serve.answering import CHANGES, STORE, UPLOADS, Here, Paged, problems
from postlens.serve.context import Context
from postlens.serve.errors import Problem, problem_of, renamed
from postlens.serve.listing import part_of
from postlens.serve.looking import Picture, finally_in_thread, look
from postlens.serve.routes.creators import post_out
from postlens.serve.schemas import FailureOut, Page, Schema
from postlens.serve.schemas_people import JobOut
from postlens.serve.schemas_posts import PostOut
from postlens.serve.security import Caller, ReadRoute, WriteRoute, authorize
from postlens.serve.uploads import FileKind, Form, Upload, check_upload, is_table, read_form
from postlens.store.jobs import Job
from postlens.types import Failure, MediaFeatures, PostAnalysis

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
    job_id, folder = await run_sync(context.jobs.new_folder)
    queued = False
    try:
        form = await read_form(request, folder, context.serving)
        plan, kinds = await context.run(lambda: _plan(form, folder, context, creator=creator, platform=platform))
        if not keep and creator is None and kinds == ["image"] and not form.urls:
            return await _at_once(form, context)
        job = await context.change(lambda: _queued(context, job_id, plan, caller))
        queued = True
    finally:
        if not queued:
            await finally_in_thread(lambda: context.jobs.discard(job_id))
    return _accepted(job)


def _queued(context: Context, job_id: str, plan: Plan, caller: Caller) -> Job:
    return context.jobs.add(job_id, "analyze", plan.as_dict(), key_id=caller.key_id)


def _accepted(job: Job) -> Response:
    body = JobOut.of(job).model_dump(mode="json")
    return JSONResponse(body, 202, {"Location": f"/jobs/{job.job_id}"})


def _plan(
    form: Form, folder: Path, context: Context, *, creator: str | None, platform: str
) -> tuple[Plan, list[FileKind | Failure]]:
    """What a job has to do, and what each file is; one of several that cannot be used is told as a failure of the job.

    Raises `Problem` for nothing, for a single file that cannot be used, a table that is too large, and URLs where those
    are off.
    """
    if not form.files and not form.urls:
        raise Problem("invalid", "expected at least one file in the field file, got none")
    if form.urls and not context.settings.allow_download:
        raise Problem("urls-off", "expected files, got URLs, and those are switched off; upload the files")
    kinds = {upload.name: _kind(upload, context, is_alone=len(form.files) == 1) for upload in form.files}
    plan = Plan(
        folder,
        media=tuple(name for name, kind in kinds.items() if kind in ("image", "video")),
        tables=tuple(name for name, kind in kinds.items() if kind == "table"),
        refused=tuple(kind for kind in kinds.values() if isinstance(kind, Failure)),
        urls=form.urls,
        creator=creator,
        platform=platform,
    )
    return plan, list(kinds.values())


def _kind(upload: Upload, context: Context, *, is_alone: bool) -> FileKind | Failure:
    names = {str(upload.path): upload.name}
    try:
        return check_upload(upload, context.serving, tables=True)
    except MediaError as error:
        if is_alone or is_table(upload):
            raise problem_of(error, names=names) from error
        return Failure(upload.name, "read", type(error).__name__, renamed(str(error), names))


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
    found = await context.run(lambda: context.jobs.get(job_id))
    if found.state != "done" or found.result is None:
        raise Problem("conflict", f"expected a job that is done, this one is {found.state}", state=found.state)
    campaign, wanted = (await context.answers(exact=True)).campaign, set(found.result["post_ids"])
    return JobResult(
        job_id=job_id,
        n_media=found.result["n_media"],
        posts=[post_out(one, campaign) for one in campaign.posts if one.post.post_id in wanted],
        failures=[FailureOut(**one) for one in found.result["failures"]],
    )


@writing.delete("/jobs/{job_id}", responses=problems(*CHANGES))
async def cancel(context: Here, job_id: str) -> JobOut:
    """Cancel a job that waits or runs; what it found until then stays in the store."""
    return JobOut.of(await context.change(lambda: context.jobs.cancel(job_id)))
