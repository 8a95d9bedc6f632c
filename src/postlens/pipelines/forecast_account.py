"""New photos and an account of the store, by name, to facts in which the photos are its latest posts."""

from __future__ import annotations

import difflib
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines.facts import CreatorFacts
from postlens.store.posts import read_creators
from postlens.types import Creator

N_NEAR = 3  # names suggested for an unknown one


def find_account(conn: Connection, name: str) -> Creator:
    """The account of the id or handle. Raises `UnknownNameError` with near names, `UsageError` for several."""
    creators = list(read_creators(conn))
    bare = name.removeprefix("@")
    found = [one for one in creators if bare in (one.creator_id, one.handle)]
    if len(found) > 1:
        raise UsageError(
            f"expected one account, got {name!r} of {', '.join(one.creator_id for one in found)}; name one"
        )
    if found:
        return found[0]
    handles = {one.handle.lower(): one.handle for one in creators}
    near = [handles[one] for one in difflib.get_close_matches(bare.lower(), handles, n=N_NEAR)]
    hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(sorted(handles.values())[:N_NEAR])}"
    raise UnknownNameError(f"expected an account of the store, got {name!r}; {hint if handles else 'it has none'}")


def draft_facts(drafts: CreatorFacts, account: CreatorFacts, *, now: datetime) -> CreatorFacts:
    """One creator's facts with the new photos first, as if posted now, and the account's posts after.

    Without a time where the account's counted posts have none: all of them are earlier then. A photo that the account
    posted already takes that post's place.
    """
    counted = [post for post in account.posts if post.post_id in account.snapshots]
    timed = sum(post.published_at is not None for post in counted) * 2 >= len(counted)
    creator_id, new_ids = account.creator.creator_id, {post.post_id for post in drafts.posts}
    posts = tuple(
        replace(post, creator_id=creator_id, published_at=(post.published_at or now) if timed else None)
        for post in drafts.posts
    )
    return replace(
        account,
        posts=(*posts, *(post for post in account.posts if post.post_id not in new_ids)),
        post_media={**account.post_media, **drafts.post_media},
        media={**account.media, **drafts.media},
        embeddings={**account.embeddings, **drafts.embeddings},
        faces={**account.faces, **drafts.faces},
        measures={**account.measures, **drafts.measures},
        snapshots={key: one for key, one in account.snapshots.items() if key not in new_ids},
        searched={*account.searched, *drafts.searched},
    )
