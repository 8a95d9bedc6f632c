"""Rows of the store to what recommending for one creator needs beside the creator's other facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from postlens.pipelines.profile import Tracks, profile_tracks
from postlens.store.looks import Looks, read_looks
from postlens.store.posts import read_posts
from postlens.store.readings import read_readings
from postlens.tasks.products.model import ProductModel, looks_fingerprint
from postlens.types import Creator, FloatArray, Product, Readings


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """The products, and what only they need of a creator's media, by sha256."""

    products: tuple[Product, ...]
    vectors: Mapping[str, FloatArray] = field(default_factory=dict)  # by product_id, of their images
    profile: Tracks = field(default_factory=dict)  # tracks of the profile's person
    looks: Mapping[str, Looks] = field(default_factory=dict)
    readings: Mapping[str, Mapping[str, Readings]] = field(default_factory=dict)  # by fingerprint of the model


def read_product_facts(
    conn: Connection,
    creator: Creator,
    sha256s: Sequence[str],
    *,
    products: tuple[Product, ...],
    vectors: Mapping[str, FloatArray],
    models: Sequence[ProductModel],
) -> ProductFacts:
    """What is stored about these media of a creator for these models; the profile's person is sought in all media."""
    every = {sha256 for post in read_posts(conn, creator_id=creator.creator_id) for sha256 in post.media}
    takes_looks = any(model.takes == "vectors" and model.reads == "face" for model in models)
    return ProductFacts(
        products=products,
        vectors=vectors,
        profile=profile_tracks(conn, sorted(every)),
        looks=read_looks(conn, sha256s, looks_fingerprint()) if takes_looks else {},
        readings={
            model.fingerprint: read_readings(conn, sha256s, model.fingerprint)
            for model in models
            if model.takes == "pixels"
        },
    )
