"""Rows of the store to what recommending for one creator needs beside the creator's other facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from sqlalchemy import Connection

from postlens.pipelines.profile import Tracks, profile_tracks
from postlens.pipelines.stage import Stage
from postlens.pipelines.stages import all_stages
from postlens.store.ledger import read_stages
from postlens.store.looks import Looks, read_looks
from postlens.store.posts import read_posts
from postlens.store.readings import read_readings
from postlens.tasks.products.model import ProductModel, looks_fingerprint
from postlens.tasks.products.offer import Shelf
from postlens.types import Creator, Readings

# Hashes are no part of a recommendation: by them faces that were forgotten are known again in copies of their media.
PRODUCT_STAGES = ("encode", "hash", "detect", "track", "attributes")
READ_BY = ("detect", "track", "attributes")  # without these it is not known what a media file shows
NETS = "products:"  # what the stages of models over pixels begin with, see `ProductNetStage`

AnsweringStage = tuple[str, str, str]  # name, version, fingerprint


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """The products, and what only they need of a creator's media, by sha256."""

    shelf: Shelf
    profile: Tracks = field(default_factory=dict)  # tracks of the profile's person
    looks: Mapping[str, Looks] = field(default_factory=dict)
    readings: Mapping[str, Mapping[str, Readings]] = field(default_factory=dict)  # by fingerprint of the model
    unread: Set[str] = frozenset()  # media that the models in use have not looked at


def product_stages(models: Sequence[ProductModel]) -> list[Stage]:
    """The stages whose features recommending reads."""
    every = all_stages(product_models=models)
    return [stage for stage in every if stage.name in PRODUCT_STAGES or stage.name.startswith(NETS)]


def answering_stages(models: Sequence[ProductModel]) -> frozenset[AnsweringStage]:
    """The stages whose answers labels are read from, as in use now; their models' cards are read for that (15 ms)."""
    found = (one for one in product_stages(models) if _answers(one, models))
    return frozenset((one.name, one.version, one.fingerprint) for one in found)


def read_product_facts(
    conn: Connection,
    creator: Creator,
    sha256s: Sequence[str],
    *,
    shelf: Shelf,
    models: Sequence[ProductModel],
    stages: frozenset[AnsweringStage],
) -> ProductFacts:
    """What is stored about these media of a creator for these models; the profile's person is sought in all media.

    `stages`: `answering_stages(models)`, which is the same for all creators.
    """
    every = {sha256 for post in read_posts(conn, creator_id=creator.creator_id) for sha256 in post.media}
    takes_looks = any(model.takes == "vectors" and model.reads == "face" for model in models)
    return ProductFacts(
        shelf=shelf,
        profile=profile_tracks(conn, sorted(every)),
        looks=read_looks(conn, sha256s, looks_fingerprint()) if takes_looks else {},
        readings={
            model.fingerprint: read_readings(conn, sha256s, model.fingerprint)
            for model in models
            if model.takes == "pixels"
        },
        unread=_read_unread(conn, sha256s, stages),
    )


def _read_unread(conn: Connection, sha256s: Sequence[str], wanted: frozenset[AnsweringStage]) -> frozenset[str]:
    """Media on which a stage that answers was not done by the version and model in use.

    How large it was decoded does not matter here: what was read is as good as it was then.
    """
    found = read_stages(conn, sha256s, {name for name, *_ in wanted})
    done = {
        sha256: {(key.stage, key.stage_version, key.fingerprint.partition("@")[0]) for key in keys}
        for sha256, keys in found.items()
    }
    return frozenset(sha256 for sha256 in sha256s if not wanted <= done.get(sha256, set()))


def _answers(stage: Stage, models: Sequence[ProductModel]) -> bool:
    """Whether labels are read from what the stage brings."""
    if stage.name == "encode":
        return any(model.takes == "vectors" and model.reads == "image" for model in models)
    return stage.name in READ_BY or stage.name.startswith(NETS)
