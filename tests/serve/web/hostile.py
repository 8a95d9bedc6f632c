"""A store whose names, captions and handles try what pages can be broken by."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from postlens.store import Store
from postlens.store.posts import LocatedPost, write_posts
from postlens.types import MediaRef, SourcePost

NOW = datetime(2025, 1, 2, tzinfo=UTC)
LONG = "a" * 180
HANDLES = (
    "with/slash",
    "/leading",
    "a/../b",
    "..",
    "question?x=1",
    "hash#part",
    "100%",
    "two words",
    "line\nbreak",
    '<b>"quoted"</b>',
    "\u202eright-to-left",
    "עברית",
    LONG,
)
CAPTION = "Words that go on. " * 60


def hostile_store(folder: Path) -> Path:
    """The path of the store."""
    posts = [LocatedPost(_post(number, handle), (None,)) for number, handle in enumerate(HANDLES)]
    with Store.open(folder / "postlens.db") as store, store.write() as conn:
        write_posts(conn, posts, now=NOW)
    return folder / "postlens.db"


def _post(number: int, handle: str) -> SourcePost:
    return SourcePost(
        handle=handle,
        platform="instagram",
        post_key=f"{number}/{handle}",
        media=(MediaRef(path=f"/somewhere/{number}-{LONG}.jpg"),),
        caption=CAPTION,
        published_at=NOW,
        metrics={"likes": 10.0**number, "comments": float(number)},
    )
