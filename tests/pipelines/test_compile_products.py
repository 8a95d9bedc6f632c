"""Offers of a store to the pictures that explain them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from postlens.pipelines.answers import Answerer
from postlens.pipelines.campaign import CreatorAnswer
from postlens.pipelines.compile import compile_campaign
from postlens.pipelines.compile_products import PICTURED, compile_offer_pictures
from postlens.store import Store
from postlens.store.catalog import ProductImage, write_products
from postlens.store.features import write_features
from postlens.store.posts import write_posts
from postlens.types import Creator, Faces, ItemShare

from ..store.facts import NOW, boxes, features, located, sha
from .campaigns import FRAMES, answer, explained_offer, share
from .fakes import settings

IMAGE = ProductImage("f" * 64, b"picture of f-1", np.ones(4, np.float32), "encoder-1")


def fill(store: Store, faces: Faces | None = None) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        write_features(conn, replace(features(1, faces), embeddings=None, pts_s=None))
        write_products(conn, [FRAMES], images={"f-1": IMAGE})


def deciding(face: int | None) -> ItemShare:
    return share("eyewear", 3, media=sha(1), face=face)


def creators(n: int = 1, *, face: int | None = 1) -> list[CreatorAnswer]:
    offer = explained_offer("x", items=(deciding(face),))
    return [answer(Creator(f"x:{i}", "x", str(i)), (), recommendation=offer) for i in range(n)]


def pictures(store: Store, answers: list[CreatorAnswer]):
    with store.read() as conn:
        return compile_offer_pictures(conn, answers, settings())


def test_products_and_deciding_faces_have_their_stored_pictures(store):
    fill(store)
    found = pictures(store, creators())
    assert found.products == {"f-1": b"picture of f-1"}
    assert found.head(deciding(1)) == b"face at 100"


def test_a_face_without_a_picture_takes_another_of_its_track(store):
    faces = replace(boxes(0, 100), track_id=np.array([0, 0]), thumbnails=(b"best of the track", b""))
    fill(store, faces)
    assert pictures(store, creators(face=1)).head(deciding(1)) == b"best of the track"


@pytest.mark.parametrize("face", [None, 7])
def test_a_label_of_the_whole_image_or_a_face_that_is_gone_has_no_head(store, face):
    fill(store)
    assert pictures(store, creators(face=face)).heads == {}


def test_nothing_decided_needs_no_picture(store):
    fill(store)
    offer = explained_offer("x", label=None, product=None)
    assert pictures(store, [answer(Creator("x:a", "x", "a"), (), recommendation=offer)]).products == {}
    assert pictures(store, [answer(Creator("x:a", "x", "a"), (), recommendation=None)]).heads == {}


def test_only_the_first_creators_are_pictured(store):
    fill(store)
    (last,) = creators(face=0)
    assert set(pictures(store, [*creators(PICTURED), last]).heads) == {(sha(1), 1)}


def test_rules_and_broken_rows_of_the_catalog_are_in_the_campaign(store, tmp_path: Path):
    catalog = tmp_path / "catalog.csv"
    catalog.write_text("product_id,title,labels,audience\na,Cap,hat,men\nb,,hat,\n", encoding="utf-8")
    chosen = settings(catalog=catalog, product_policy="missing", audience=("men",), product_order="rotate")
    fill(store)
    with store.read() as conn:
        found = compile_campaign(conn, Answerer(chosen), now=NOW)
    assert (found.policy, found.audience, found.product_order) == ("missing", ("men",), "rotate")
    failure, unread = found.failures
    assert (unread.stage, "media to have been looked at" in unread.message) == ("products", True)
    assert (failure.stage, "row 3" in failure.subject, "column title" in failure.message) == ("catalog", True, True)
