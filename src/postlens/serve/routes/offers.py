"""Images to posts that look like them, and to products."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from postlens.pipelines.answers import Answerer
from postlens.pipelines.loose import recommend_loose
from postlens.serve.answering import STORE, UPLOADS, Here, problems
from postlens.serve.context import Context
from postlens.serve.errors import Problem
from postlens.serve.looking import MOST_AT_ONCE, look, look_at_all, uploaded
from postlens.serve.routes.creators import find_creator
from postlens.serve.schemas import Schema
from postlens.serve.schemas_answers import Offer
from postlens.serve.security import ReadRoute
from postlens.types import FloatArray, MediaFeatures

router = APIRouter(route_class=ReadRoute)
N_SIMILAR = 20


class Match(Schema):
    """A post that looks like the image."""

    post_id: str
    similarity: float = Field(description="Cosine of the nearest frame: 1 is the same picture.")
    media: str = Field(description="sha256; /media/{sha256}/thumbnail shows it.")
    pts_s: float


class Offers(Schema):
    """What to show for the images together, and for each."""

    together: Offer | None = Field(description="As of one creator; null where no image could be read.")
    each: list[Offer]


@router.post("/search", tags=["search"], responses=problems(*UPLOADS))
async def search(
    request: Request, context: Here, n: Annotated[int, Query(ge=1, le=200, description="Most posts.")] = N_SIMILAR
) -> list[Match]:
    """The posts of the store that look most like one image (the field `file`)."""

    def vectors(found: MediaFeatures, _answerer: Answerer) -> FloatArray | None:
        return None if found.embeddings is None else found.embeddings.vectors

    async with uploaded(request, context, most=1) as sent:
        picture = sent.pictures[0]
        own = await look(context, picture, vectors, stages=frozenset({"encode"}))
    if own is None:
        raise Problem("media-damaged", f"{picture.upload.name}: expected an image that can be read, got none of it")
    index = await context.index()
    found = await context.run(lambda: index.nearest(own, n=n))
    return [
        Match(
            post_id=one.post_id,
            similarity=round(one.similarity, 4),
            media=one.media,
            pts_s=round(one.pts_s, 3),
        )
        for one in found
    ]


@router.get("/search", tags=["search"], response_model=list[Match], responses=problems(*STORE, "no-text-encoder"))
async def search_text(q: Annotated[str, Query(min_length=1, max_length=500)]) -> list[Match]:
    """Posts by words: not with the encoder that ships, which has no text tower (501)."""
    raise Problem(
        "no-text-encoder", "expected an image, got words; the encoder reads images alone: POST one to /search"
    )


@router.post("/recommend", tags=["recommend"], responses=problems(*UPLOADS))
async def recommend(request: Request, context: Here) -> Offers:
    """One product for images (the field `file`, up to 16), together as of one creator, and for each."""
    async with uploaded(request, context, most=MOST_AT_ONCE) as sent:
        names = {one.item.sha256: one.upload.name for one in sent.pictures}
        *first, last = {one.item.sha256: one for one in sent.pictures}.values()
        read = await look_at_all(context, first, lambda found, _answerer: found)

        def offers(found: MediaFeatures, answerer: Answerer) -> Offers:
            return _offers([*read, found], answerer, context, names)

        return await look(context, last, offers)


def _offers(found: list[MediaFeatures], answerer: Answerer, context: Context, names: dict[str, str]) -> Offers:
    with context.store.read() as conn:
        together, each = recommend_loose(found, answerer, conn, names=names)
    return Offers(
        together=Offer.of(together[0].answer) if together else None, each=[Offer.of(one.answer) for one in each]
    )


@router.get("/recommend", tags=["recommend"], responses=problems(*STORE, "not-found", "not-enough-data"))
async def recommend_stored(
    context: Here, creator: Annotated[str, Query(min_length=1, max_length=500, description="Id or handle.")]
) -> Offer:
    """The product for a creator of the store."""
    found = find_creator((await context.answers()).campaign, creator).recommendation
    if found is None:
        raise Problem("not-enough-data", "expected images of the creator that could be read, got none")
    return Offer.of(found)
