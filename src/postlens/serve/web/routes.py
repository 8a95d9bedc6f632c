"""All routes of the web page, for `app.include_router`; `/` and everything under `/web`."""

from __future__ import annotations

from fastapi import APIRouter

from postlens.serve.web.pages import (
    analyze,
    creators,
    duplicates,
    failures,
    files,
    overview,
    people,
    posts,
    session,
)

router = APIRouter(include_in_schema=False)
for part in (
    session.router,
    files.open_router,
    files.router,
    overview.router,
    creators.router,
    people.writing,
    people.forgetting,
    people.router,
    posts.router,
    duplicates.router,
    failures.router,
    analyze.router,
    analyze.writing,
):
    router.include_router(part)
