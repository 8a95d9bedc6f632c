"""Uploaded images to answers, through the queue that all clients share."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import Request

from postlens import errors
from postlens.errors import PostlensError
from postlens.media.fetch import fetch
from postlens.media.hashing import sha256_file
from postlens.pipelines.answers import Answerer
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.run import Outcome
from postlens.serve.batching import Look
from postlens.serve.context import Context
from postlens.serve.errors import Problem, problem_of
from postlens.serve.settings import MIB
from postlens.serve.uploads import Form, Upload, expect_image, read_form
from postlens.types import Failure, MediaFeatures

T = TypeVar("T")
FORECAST_STAGES = ("encode", "measure", "detect", "expression")
REACTION_STAGES = ("encode", "detect", "expression", "reactions:")  # the last with any net's fingerprint after it
MOST_AT_ONCE = 16  # images in one request that is answered at once; more are a job


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that is ready to be looked at."""

    upload: Upload
    item: WorkItem


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request brought."""

    pictures: list[Picture]
    fields: dict[str, list[str]]


@asynccontextmanager
async def uploaded(request: Request, context: Context, *, most: int = MOST_AT_ONCE) -> AsyncIterator[Sent]:
    """The images of a request, gone afterwards. Raises `Problem` for none, too many, or what is no image."""
    if not context.is_ready:
        raise Problem("not-ready", "expected models to be loaded, they are being loaded; try again in a second")
    folder = Path(await run_sync(partial(mkdtemp, prefix="request-", dir=context.folder)))
    try:
        limit = int(context.serving.max_image_mib * MIB)
        form = await read_form(request, folder, context.serving, max_file_bytes=limit)
        if not 1 <= (n_images := len(form.files) + len(form.urls)) <= most:
            wanted = "one image" if most == 1 else f"1 to {most} images"
            raise Problem("invalid", f"expected {wanted} in the field file, got {n_images}")
        uploads = [*form.files, *await fetched(form, folder, context)]
        wanted_stages = {stage.name for stage in context.workers.stages}
        pictures = [await context.run(partial(_picture, upload, context, wanted_stages)) for upload in uploads]
        yield Sent(pictures, form.fields)
    finally:
        await finally_in_thread(partial(shutil.rmtree, folder, ignore_errors=True))


async def finally_in_thread(do: Callable[[], None]) -> None:
    """Clean up in a thread, to its end even where the request was cancelled."""
    with CancelScope(shield=True):
        await run_sync(do)


def _picture(upload: Upload, context: Context, stages: set[str]) -> Picture:
    try:
        expect_image(upload, context.serving)
        return Picture(upload, WorkItem(sha256_file(upload.path), str(upload.path), "image", frozenset(stages)))
    except PostlensError as error:
        raise problem_of(error, names={str(upload.path): upload.name}) from error


async def fetched(form: Form, folder: Path, context: Context) -> list[Upload]:
    """The files that a body names by URL. Raises `Problem`: switched off, no public address, not to be had."""
    settings = context.settings

    def get(url: str) -> Upload:
        path = fetch(
            url,
            folder / ".downloads",
            allow=settings.allow_download,
            max_bytes=int(min(settings.download_max_mib, context.serving.max_upload_mib) * MIB),
            timeout_s=min(settings.download_timeout_s, context.serving.request_timeout_s),
        )
        return Upload(path, path.name, path.stat().st_size)

    return [await context.run(partial(get, url)) for url in form.urls]


def stages_of(context: Context, names: tuple[str, ...]) -> frozenset[str]:
    """Names of the stages that begin with these words."""
    return frozenset(one.name for one in context.workers.stages if one.name.startswith(names))


async def look(
    context: Context,
    picture: Picture,
    answer: Callable[[MediaFeatures, Answerer], T],
    *,
    stages: frozenset[str] | None = None,
) -> T:
    """What a worker makes of an image. Raises `Problem` where it cannot be read, or too many wait.

    A request that is cancelled takes its image out of the queue.
    """
    item = picture.item
    wanted = WorkItem(item.sha256, item.path, item.kind, item.stages if stages is None else stages)

    def answered(outcome: Outcome, answerer: Answerer) -> T:
        if outcome.failures or outcome.features is None:
            raise _problem(outcome.failures, picture.upload)
        return answer(outcome.features, answerer)

    return await asyncio.wrap_future(context.workers.submit(Look(wanted, answered)))


async def look_at_all(
    context: Context,
    pictures: Sequence[Picture],
    answer: Callable[[MediaFeatures, Answerer], T],
    *,
    stages: frozenset[str] | None = None,
) -> list[T]:
    """`look` at several images; where one fails the others are not waited for."""
    tasks = [asyncio.ensure_future(look(context, picture, answer, stages=stages)) for picture in pictures]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def _problem(failures: Sequence[Failure], upload: Upload) -> Problem:
    """The problem that a worker's failures amount to."""
    if not failures:
        return Problem("busy", "expected the image to be looked at, the server is stopping; try again")
    kind = getattr(errors, failures[0].error, None)
    if isinstance(kind, type) and issubclass(kind, PostlensError) and kind is not errors.MissingExtraError:
        return problem_of(kind(failures[0].message), names={str(upload.path): upload.name})
    return Problem(
        "media-damaged", f"{upload.name}: expected an image that can be read, got one that breaks the reader"
    )
