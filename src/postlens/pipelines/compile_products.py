"""Offers of a campaign to the pictures that explain them: products, and the faces that decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import Connection

from postlens.config import Settings
from postlens.pipelines.campaign import CreatorAnswer, OfferPictures
from postlens.pipelines.catalog import load_thumbnails
from postlens.store.faces import read_faces
from postlens.types import Faces, ItemShare

PICTURED = 200  # creators whose offers have pictures in the outputs, about 15 kB each; the others have figures alone


def compile_offer_pictures(conn: Connection, creators: Sequence[CreatorAnswer], settings: Settings) -> OfferPictures:
    """Pictures of the first PICTURED creators for whom an item decided.

    Raises `SettingsError` for a catalog that cannot be used.
    """
    shown = [one.recommendation for one in creators if one.recommendation and one.recommendation.label][:PICTURED]
    decided = [share for choice in shown if (share := choice.decided) is not None]
    products = {choice.product.product_id for choice in shown if choice.product and choice.product.image}
    return OfferPictures(
        products=load_thumbnails(conn, settings, products) if products else {}, heads=_heads(conn, decided)
    )


def _heads(conn: Connection, shares: Iterable[ItemShare]) -> dict[tuple[str, int], bytes]:
    """Small pictures of the faces that show the items best, as far as any was kept."""
    places = [(share.media, share.face) for share in shares if share.media is not None and share.face is not None]
    faces = read_faces(conn, {sha256 for sha256, _ in places}, thumbnails=True)
    found = {(sha256, face): _head(faces[sha256], face) for sha256, face in places if sha256 in faces}
    return {place: jpeg for place, jpeg in found.items() if jpeg}


def _head(faces: Faces, row: int) -> bytes:
    """The face's picture, else that of another face of its track: a video keeps one of each track. Empty: none."""
    if faces.thumbnails is None or not 0 <= row < len(faces):
        return b""
    same = [] if faces.track_id is None else np.flatnonzero(faces.track_id == faces.track_id[row]).tolist()
    return next((jpeg for one in (row, *same) if (jpeg := faces.thumbnails[one])), b"")
