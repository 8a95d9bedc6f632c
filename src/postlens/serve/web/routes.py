"""All routes of the web page, for `app.include_router`; `/` and everything under `/web`."""

from __future__ import annotations

from fastapi import APIRouter

from postlens.serve.web.pages import analyze, creators, duplicates, failures, files, overview, people, posts

router = APIRouter(include_in_schema=False)
for part in (files, overview, creators, people, posts, duplicates, failures, analyze):
    router.include_router(part.router)
router.include_router(files.open_router)
