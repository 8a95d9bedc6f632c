"""Labels of trained models beside the shipped ones: over looks, whole images and pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import SettingsError
from postlens.pipelines.answers_products import Recommender
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.product_facts import ProductFacts
from postlens.store.posts import PostMedia
from postlens.tasks.products.items import Label
from postlens.tasks.products.model import vectors_fingerprint, write_product_card
from postlens.tasks.products.offer import Shelf
from postlens.types import WHOLE, Creator, Embeddings, Faces, MediaFile, MediaRef, Post, Product, Readings

from ..runs import write_colour_net, write_model
from .fakes import NOW, settings

ANN = Creator("x:ann", "x", "ann")
FIRST, SECOND = "a" * 64, "b" * 64
WIDTH = 4
RING, HAT = (Label(name, name, "image", 0.5, wearable=True, optional=False) for name in ("ring", "hat"))


def run(folder: Path, *labels: Label, reads: str = "image") -> Path:
    """A head whose probabilities are the sigmoid of the vector's first values, one for each label."""
    folder.mkdir()
    names = tuple(label.name for label in labels)
    weights = {"w": np.eye(WIDTH, len(names), dtype=np.float32)}
    write_model(
        folder, "head", [("MatMul", ["features", "w"], "logits"), ("Sigmoid", ["logits"], "probs")],
        inputs={"features": ["n", WIDTH]}, outputs={"probs": ["n", len(names)]}, weights=weights, task="products",
        labels=names, upstream=(vectors_fingerprint(reads),), input_size=(WIDTH,),
    )  # fmt: skip
    write_product_card(folder, reads=reads, takes="vectors", nets=["head.toml"], labels=labels)
    return folder


def facts(products: ProductFacts | None, *, vectors: dict[str, list[float]] | None = None) -> CreatorFacts:
    """One post of two photos; the first shows a face with a hat (.9)."""
    items = tuple(PostMedia("p", i, s, MediaRef(path=f"/in/{s[0]}.jpg")) for i, s in enumerate((FIRST, SECOND)))
    rows = {name: np.array([own], np.float32) for name, own in (vectors or {}).items()}
    return CreatorFacts(
        creator=ANN,
        posts=(Post("p", ANN.creator_id, "x", (FIRST, SECOND), NOW),),
        post_media={"p": items},
        media={s: MediaFile(s, "image", f"/in/{s[0]}.jpg", 640, 480, 1000) for s in (FIRST, SECOND)},
        embeddings={s: (Embeddings((f"{s}:0",), own, "e"), np.zeros(1, np.float32)) for s, own in rows.items()},
        faces={FIRST: face()},
        measures={},
        snapshots={},
        products=products,
    )


def face() -> Faces:
    one = np.ones(1, np.float32)
    return Faces(
        xyxy_px=np.array([[0, 0, 50, 50]], np.float32), score=one, landmarks_px=np.zeros((1, 6, 2), np.float32),
        quality=one, frame=np.zeros(1, np.int64), pts_s=one, attributes=np.array([[0.9, *[0.0] * 5]], np.float32),
        track_id=np.array([3]),
    )  # fmt: skip


def known(recommender: Recommender, *products: Product, **changes: object) -> ProductFacts:
    catalog = products or (Product("r", "Ring", ("ring",)), Product("h", "Hat", ("hat",)))
    return ProductFacts(Shelf.of(catalog, labels=recommender.labels), **changes)


def answer(recommender: Recommender, own: CreatorFacts):
    found = recommender.recommend("p", (FIRST, SECOND), recommender.readings(own), own)
    assert found is not None
    return found


def test_the_shipped_labels_answer_without_a_trained_model() -> None:
    recommender = Recommender(settings())
    found = answer(recommender, facts(known(recommender)))
    assert (found.label, found.n_images, found.without_face) == ("hat", 1, (SECOND,))
    assert "clearest in a.jpg at 0.90" in found.reason


def test_a_label_of_whole_images_is_read_from_their_embeddings(tmp_path: Path) -> None:
    recommender = Recommender(settings(product_models=(run(tmp_path / "rings", RING),)))
    found = answer(recommender, facts(known(recommender), vectors={FIRST: [1, 0, 0, 0], SECOND: [2, 0, 0, 0]}))
    assert (found.label, found.share, found.n_images, found.product.title) == ("hat", 1.0, 1, "Hat")
    only = answer(recommender, replace(facts(known(recommender), vectors={SECOND: [2, 0, 0, 0]}), faces={}))
    assert (only.label, only.n_images, only.product.title, only.deciding_media) == ("ring", 1, "Ring", SECOND)


def test_a_label_of_faces_is_read_from_their_looks(tmp_path: Path) -> None:
    label = replace(RING, reads="face")
    recommender = Recommender(settings(product_models=(run(tmp_path / "rings", label, reads="face"),)))
    looks = {FIRST: (np.array([0]), np.array([[9, 0, 0, 0]], np.float32))}
    found = answer(recommender, facts(known(recommender, looks=looks)))
    assert (found.label, found.attribute, found.items[-1].face) == ("ring", "ring", 0)


def test_a_trained_label_replaces_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    recommender = Recommender(settings(product_models=(run(tmp_path / "hats", HAT),)))
    found = answer(recommender, facts(known(recommender), vectors={FIRST: [-4, 0, 0, 0], SECOND: [-4, 0, 0, 0]}))
    assert (found.label, found.shares["hat"], found.reason) == (None, 0.0, "no items detected")
    unread = answer(recommender, facts(known(recommender)))
    assert next(item.n_images for item in unread.items if item.item == "hat") == 0


def test_nets_over_pixels_answer_from_what_is_stored(tmp_path: Path) -> None:
    names = ("ring", "shoe", "bag")
    write_colour_net(tmp_path, "net", labels=names)
    labels = [replace(RING, name=name, item=name) for name in names]
    write_product_card(tmp_path, reads="image", takes="pixels", nets=["net.toml"], labels=labels)
    recommender = Recommender(settings(product_models=(tmp_path,)))
    print_ = recommender.models[0].fingerprint
    stored = {SECOND: Readings(print_, np.array([WHOLE]), np.array([[0.1, 0.7, 0.2]], np.float32))}
    shoe = Product("s", "Shoe", ("shoe",))
    found = answer(recommender, replace(facts(known(recommender, shoe, readings={print_: stored})), faces={}))
    assert (found.label, found.product, found.deciding_media) == ("shoe", shoe, SECOND)


def test_the_face_of_the_profiles_person_speaks(tmp_path: Path) -> None:
    two = Faces(**{
        name: None if (value := getattr(face(), name)) is None else np.concatenate([value, value])
        for name in Faces.__slots__
    })  # fmt: skip
    two = replace(two, track_id=np.array([1, 2]), attributes=np.array([[0.9, *[0] * 5], [0] * 6], np.float32))
    two = replace(two, xyxy_px=np.array([[0, 0, 50, 50], [0, 0, 40, 40]], np.float32))
    recommender = Recommender(settings())
    for tracks, label in (({}, "hat"), ({FIRST: frozenset({2})}, None)):
        assert (
            answer(recommender, replace(facts(known(recommender, profile=tracks)), faces={FIRST: two})).label == label
        )


def test_a_model_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="product_models"):
        Recommender(settings(product_models=(tmp_path / "nothing",)))


@pytest.mark.parametrize("last", ["image", "face"])
def test_of_two_models_with_one_label_only_the_last_is_read(tmp_path: Path, last: str) -> None:
    ring = Label("ring", "ring", "face", 0.5, wearable=True, optional=False)
    runs = {reads: run(tmp_path / reads, replace(ring, reads=reads), reads=reads) for reads in ("image", "face")}
    order = sorted(runs, key=lambda reads: reads == last)
    recommender = Recommender(settings(product_models=tuple(runs[reads] for reads in order)))
    looks = {FIRST: (np.array([0]), np.array([[-9, 0, 0, 0]], np.float32))}
    own = facts(known(recommender, looks=looks), vectors={FIRST: [-9, 0, 0, 0], SECOND: [9, 0, 0, 0]})
    item = next(item for item in answer(recommender, own).items if item.item == "ring")
    assert (item.n_shown, item.n_images) == ((1, 2) if last == "image" else (0, 1))


def test_the_last_model_with_a_label_overrides_an_earlier_one_of_faces(tmp_path: Path) -> None:
    folders = run(tmp_path / "a", replace(RING, reads="face"), reads="face"), run(tmp_path / "b", RING)
    recommender = Recommender(settings(product_models=folders))
    looks = {FIRST: (np.array([0]), np.array([[9, 0, 0, 0]], np.float32))}
    own = facts(known(recommender, looks=looks), vectors={FIRST: [-9, 0, 0, 0]})
    assert answer(recommender, own).label == "hat"


def test_media_that_was_not_looked_at_counts_for_nothing() -> None:
    recommender = Recommender(settings())
    own = facts(known(recommender, unread={FIRST}))
    assert list(recommender.readings(own)) == [SECOND]
    assert recommender.recommend("p", (FIRST,), recommender.readings(own), own) is None
