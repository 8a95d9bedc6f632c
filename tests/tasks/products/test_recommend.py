"""The one product to show: shares, deciding image, ties, policies."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import UsageError
from postlens.tasks.products.items import ITEMS, Label, join_labels, shipped_labels
from postlens.tasks.products.offer import Shelf
from postlens.tasks.products.readings import MIN_QUALITY, ImageReading, read_image
from postlens.tasks.products.recommend import MOST_PRODUCTS, recommend
from postlens.types import ATTRIBUTES, Faces, Product, Recommendation

LABELS = shipped_labels(dict.fromkeys(ATTRIBUTES, 0.5))
NECKLACE = Label("necklace", "jewellery", "image", 0.5, wearable=True, optional=False)
CAP, OIL = Product("cap", "Cap", ("hat",)), Product("oil", "Oil", ("beard",))
SHADES, FRAME = Product("shades", "Shades", ("sunglasses",)), Product("frame", "Frame", ("eyeglasses",))
CATALOG = (CAP, OIL, SHADES, FRAME)


def faces(*rows: Mapping[str, float], side_px: tuple[float, ...] = (50,), quality: float = 0.9) -> Faces:
    """One face per row of probabilities; absent ones are 0.1."""
    n = len(rows)
    sides = np.resize(np.array(side_px, np.float32), n)
    return Faces(
        xyxy_px=np.stack([np.zeros(n), np.zeros(n), sides, sides], axis=1).astype(np.float32),
        score=np.ones(n, np.float32),
        landmarks_px=np.zeros((n, 6, 2), np.float32),
        quality=np.full(n, quality, np.float32),
        frame=np.zeros(n, np.int64),
        pts_s=np.zeros(n, np.float32),
        attributes=np.array([[row.get(a, 0.1) for a in ATTRIBUTES] for row in rows], np.float32).reshape(n, 6),
    )


def ask(images: Mapping[str, Faces], **changes: Any) -> Recommendation:
    return told({name: read_image(own, name=f"{name}.jpg") for name, own in images.items()}, **changes)


def told(readings: Mapping[str, ImageReading], **changes: Any) -> Recommendation:
    asked = {name: changes.pop(name) for name in ("policy", "order") if name in changes}
    made = {"catalog": CATALOG, "labels": LABELS} | changes
    return recommend("someone", readings, shelf=Shelf.of(made.pop("catalog"), **made), **asked)


def image(face: float | None = None, **scores: float) -> ImageReading:
    """An image with a face of which nothing else is known, unless `face` is None; `scores` by label."""
    return ImageReading(scores, has_face=face is not None, face=None if face is None else 0)


@pytest.mark.parametrize(
    ("probs", "label", "product"),
    [
        ({"hat": 0.9}, "hat", CAP),
        ({"beard": 0.9, "hat": 0.6}, "beard", OIL),
        ({"sunglasses": 0.9}, "eyewear", SHADES),
        ({"eyeglasses": 0.8, "sunglasses": 0.6}, "eyewear", FRAME),
        ({"hat": 0.5}, "hat", CAP),
    ],
)
def test_one_image_gives_the_product_of_its_best_label(probs: dict[str, float], label: str, product: Product) -> None:
    answer = ask({"a": faces(probs)})
    assert (answer.label, answer.product, answer.share, answer.deciding_media) == (label, product, 1.0, "a")


def test_below_every_threshold_no_items_are_detected() -> None:
    answer = ask({"a": faces({"hat": 0.49})})
    assert (answer.product, answer.label, answer.reason) == (None, None, "no items detected")
    assert answer.n_images == 1


def test_the_largest_share_wins_over_the_highest_score() -> None:
    images = {"a": faces({"hat": 0.6}), "b": faces({"hat": 0.7}), "c": faces({"beard": 0.99})}
    answer = ask(images)
    assert (answer.label, answer.deciding_media) == ("hat", "b")
    assert answer.share == pytest.approx(2 / 3)
    assert answer.reason == "hat in 2 of 3 images with a face (67%), clearest in b.jpg at 0.70 (threshold 0.50)"


def test_both_kinds_of_glasses_count_as_eyewear() -> None:
    images = {"a": faces({"sunglasses": 0.9}), "b": faces({"eyeglasses": 0.7}), "c": faces({"hat": 0.99})}
    answer = ask(images)
    assert (answer.label, answer.product) == ("eyewear", SHADES)


def test_images_without_a_good_face_count_for_nothing() -> None:
    images = {"a": faces({"hat": 0.9}), "b": Faces.none(), "c": faces({"beard": 1.0}, quality=MIN_QUALITY / 2)}
    answer = ask(images)
    assert (answer.n_images, answer.share, answer.shares["beard"]) == (1, 1.0, 0.0)


@pytest.mark.parametrize("images", [{}, {"a": Faces.none()}])
def test_without_any_face_the_reason_says_so(images: dict[str, Faces]) -> None:
    answer = ask(images)
    assert answer.product is None
    assert answer.reason.startswith("no items detected: no face that can be read in ")


def test_the_largest_face_speaks_for_an_image() -> None:
    image = faces({"hat": 0.9}, {"beard": 0.8}, side_px=(40, 60))
    assert ask({"a": image}).label == "beard"


@pytest.mark.parametrize(("labels", "label"), [(("beard",), None), (("beard", "stubble"), "beard")])
def test_stubble_counts_only_where_the_catalog_names_it(labels: tuple[str, ...], label: str | None) -> None:
    assert ask({"a": faces({"stubble": 0.9})}, catalog=(Product("oil", "Oil", labels),)).label == label


def test_a_winning_label_without_a_product_says_so() -> None:
    answer = ask({"a": faces({"hat": 0.9})}, catalog=(OIL, Product("old", "Old", ("hat",), active=False)))
    assert (answer.product, answer.label) == (None, "hat")
    assert "no active product for hat" in answer.reason


def test_a_product_for_eyewear_fits_both_kinds_of_glasses() -> None:
    both = Product("both", "Both", ("eyewear",))
    for kind in ITEMS["eyewear"]:
        assert ask({"a": faces({kind: 0.9})}, catalog=(both,)).product == both


def test_equal_images_are_decided_by_the_smallest_hash() -> None:
    images = {name: faces({"hat": 0.9, "beard": 0.9}) for name in ("b", "a", "c")}
    assert (ask(images).label, ask(images).deciding_media) == ("hat", "a")


@pytest.mark.parametrize(
    ("probs", "label", "product"),
    [({"hat": 0.9}, "eyewear", SHADES), ({"sunglasses": 0.9}, "hat", CAP), ({"beard": 0.9, "hat": 0.05}, "hat", CAP)],
)
def test_missing_recommends_the_wearable_item_not_worn(probs: dict[str, float], label: str, product: Product) -> None:
    answer = ask({"a": faces(probs)}, policy="missing")
    assert (answer.label, answer.product) == (label, product)
    assert answer.score == pytest.approx(max(probs.get(a, 0.1) for a in ITEMS[label]))


@pytest.mark.parametrize("probs", [{"hat": 0.9}, {"sunglasses": 0.9}])
def test_the_score_of_what_is_missing_is_below_the_threshold_beside_it(probs: dict[str, float]) -> None:
    answer = ask({"a": faces(probs)}, policy="missing")
    assert answer.threshold is not None
    assert answer.score < answer.threshold
    assert f"at {answer.score:.2f} (threshold {answer.threshold:.2f})" in answer.reason


@pytest.mark.parametrize(("plain", "optional"), [(0.1, 0.2), (0.2, 0.1)])
def test_a_product_for_a_missing_item_fits_whichever_label_is_clearest_absent(plain: float, optional: float) -> None:
    made = Label("necklace", "jewellery", "image", 0.5, wearable=True, optional=False)
    labels = (made, replace(made, name="chain", optional=True))
    catalog = (Product("box", "Box", ("jewellery",)), Product("chain", "Chain", ("chain",)))
    answer = told({"a": image(necklace=plain, chain=optional)}, labels=labels, catalog=catalog, policy="missing")
    assert [one.product.product_id for one in answer.products] == ["box", "chain"]


def test_of_very_many_products_the_first_are_kept_and_all_are_counted() -> None:
    caps = tuple(Product(f"{n:03}", "Cap", ("hat",)) for n in range(3 * MOST_PRODUCTS))
    answer = ask({"a": faces({"hat": 0.9})}, catalog=caps)
    assert [one.product for one in answer.products] == [*caps[:MOST_PRODUCTS]]
    assert answer.n_fitting == len(caps)


def test_the_share_that_decided_is_known() -> None:
    answer = ask({"a": faces({"hat": 0.9})})
    assert answer.decided == next(item for item in answer.items if item.item == "hat")
    assert ask({"a": faces({})}).decided is None


def test_nothing_is_missing_where_all_is_worn() -> None:
    answer = ask({"a": faces({"hat": 0.9, "sunglasses": 0.9})}, policy="missing")
    assert (answer.product, answer.reason) == (None, "no item is missing")


@pytest.mark.parametrize(
    ("name", "expected"), [("policy", "matching or missing"), ("order", "similar, rotate, listed")]
)
def test_an_unknown_policy_or_order_is_wrong_usage(name: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        ask({}, **{name: "all"})


def test_a_label_of_a_whole_image_counts_over_all_images() -> None:
    readings = {"a": image(0, hat=0.9), "b": image(0, hat=0.1), "c": image(), "d": image()}
    readings = {name: replace(one, scores={**one.scores, "necklace": 0.6}) for name, one in readings.items()}
    chain = Product("chain", "Chain", ("necklace",))
    answer = told(readings, labels=join_labels(LABELS, (NECKLACE,)), catalog=(chain, CAP))
    assert (answer.label, answer.product, answer.share, answer.n_images) == ("jewellery", chain, 1.0, 4)
    assert {item.item: item.n_images for item in answer.items} == {"hat": 2, "beard": 0, "eyewear": 0, "jewellery": 4}
    assert answer.reason.startswith("jewellery (necklace) in 4 of 4 images (100%)")


def test_a_whole_image_answers_where_there_is_no_face() -> None:
    answer = told({"a": image(necklace=0.8)}, labels=(NECKLACE,), catalog=(Product("n", "N", ("jewellery",)),))
    assert (answer.product is not None, answer.without_face) == (True, ("a",))


def test_images_without_a_face_are_listed() -> None:
    answer = ask({"b": Faces.none(), "a": Faces.none(), "c": faces({"hat": 0.9})})
    assert answer.without_face == ("a", "b")


def test_every_item_says_where_it_is_clearest() -> None:
    answer = ask({"a": faces({"hat": 0.6}), "b": faces({"hat": 0.8, "sunglasses": 0.4})})
    assert [(item.item, item.share, item.label, item.media) for item in answer.items] == [
        ("hat", 1.0, "hat", "b"),
        ("beard", 0.0, "beard", "a"),
        ("eyewear", 0.0, "sunglasses", "b"),
    ]
    assert (answer.attribute, answer.threshold, answer.policy) == ("hat", 0.5, "matching")


@pytest.mark.parametrize(
    ("audience", "product"),
    [((), "kids"), (("adults",), "all"), (("KIDS",), "kids"), (("adults", "kids"), "kids")],
)
def test_an_audience_leaves_its_products_and_those_for_everybody(audience: tuple[str, ...], product: str) -> None:
    catalog = (Product("kids", "Kids' cap", ("hat",), audience=("kids",)), Product("all", "Cap", ("hat",)))
    answer = ask({"a": faces({"hat": 0.9})}, catalog=catalog, audience=audience)
    assert answer.product is not None
    assert answer.product.product_id == product


@pytest.mark.parametrize("catalog", [(), (Product("kids", "Kids' cap", ("hat",), audience=("kids",)),)])
def test_an_audience_or_catalog_that_leaves_nothing_says_so(catalog: tuple[Product, ...]) -> None:
    answer = ask({"a": faces({"hat": 0.9})}, catalog=catalog, audience=("adults",))
    assert (answer.product, answer.label, answer.products) == (None, "hat", ())
    assert answer.reason.endswith("; the catalog has no active product for hat and the audience adults")


def test_optional_labels_count_only_for_products_of_the_audience() -> None:
    wax = Product("wax", "Wax", ("moustache",), audience=("adults",))
    image_with = {"a": faces({"moustache": 0.9})}
    assert ask(image_with, catalog=(wax,), audience=("adults",)).product == wax
    assert ask(image_with, catalog=(wax,), audience=("kids",)).reason == "no items detected"


def test_similar_compares_with_the_images_that_show_the_item() -> None:
    vectors = {"cap": np.array([1, 0], np.float32), "sun": np.array([0, 1], np.float32)}
    caps = (CAP, Product("sun", "Sun hat", ("hat",)))
    looks = {"a": image(0, hat=0.9), "b": image(0, hat=0.1)}
    looks["a"] = replace(looks["a"], vector=np.array([0, 2], np.float32))
    looks["b"] = replace(looks["b"], vector=np.array([5, 0], np.float32))
    answer = told(looks, catalog=caps, order="similar", vectors=vectors)
    assert [(one.product.product_id, one.similarity) for one in answer.products] == [("sun", 1.0), ("cap", 0.0)]
    assert told(looks, catalog=caps, vectors=vectors).product == CAP


def test_a_missing_item_without_a_product_says_so() -> None:
    answer = ask({"a": faces({"sunglasses": 0.9})}, policy="missing", catalog=(OIL,))
    assert answer.product is None
    assert answer.reason.startswith("hat in 0 of 1 image with a face (0%), clearest absence in a.jpg at 0.10")
    assert answer.reason.endswith("no active product for hat")


PROBS = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), min_size=6, max_size=6)
IMAGES = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.lists(PROBS, max_size=3), max_size=6)


def batches(images: Mapping[str, list[list[float]]]) -> dict[str, Faces]:
    return {
        media: faces(*(dict(zip(ATTRIBUTES, row, strict=True)) for row in rows)) if rows else Faces.none()
        for media, rows in images.items()
    }


@given(IMAGES, st.sampled_from(["matching", "missing"]), st.randoms(use_true_random=False))
def test_order_never_matters(images: dict[str, list[list[float]]], policy: str, rng: random.Random) -> None:
    given_order = batches(images)
    shuffled = list(given_order.items())
    rng.shuffle(shuffled)
    assert ask(dict(shuffled), policy=policy) == ask(given_order, policy=policy)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), PROBS, min_size=1, max_size=4))
def test_repeats_change_no_share_and_no_winner(images: dict[str, list[float]]) -> None:
    once = batches({media: [row] for media, row in images.items()})
    twice = once | {f"{media}z": face for media, face in once.items()}
    a, b = ask(once), ask(twice)
    assert (a.label, a.product, a.score, a.shares) == (b.label, b.product, b.score, b.shares)


@given(IMAGES)
def test_the_winner_has_the_largest_share(images: dict[str, list[list[float]]]) -> None:
    answer = ask(batches(images))
    assert answer.share == max(answer.shares.values(), default=0)
    assert (answer.label is None) == (answer.share == 0)
    assert all(0 <= share <= 1 for share in answer.shares.values())


SCORES = st.dictionaries(
    st.sampled_from([*ATTRIBUTES, "necklace"]), st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]), max_size=7
)
READINGS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), SCORES, max_size=6)
EVERY = join_labels(LABELS, (NECKLACE,))


@given(READINGS, st.sampled_from(["matching", "missing"]))
def test_shares_are_of_the_images_in_which_the_item_could_be_read(
    scores: dict[str, dict[str, float]], policy: str
) -> None:
    answer = told({name: image(0, **own) for name, own in scores.items()}, labels=EVERY, policy=policy)
    for item in answer.items:
        names = [one.name for one in EVERY if one.item == item.item and not one.optional]
        readable = [own for own in scores.values() if set(names) & own.keys()]
        assert item.n_images == len(readable)
        assert item.n_shown == sum(any(own.get(name, 0) >= 0.5 for name in names) for own in readable)


@given(READINGS, SCORES)
def test_an_image_more_changes_shares_only_of_what_it_tells(
    scores: dict[str, dict[str, float]], more: dict[str, float]
) -> None:
    known = {name: image(0, **own) for name, own in scores.items()}
    before, after = told(known, labels=EVERY), told({**known, "zzzz": image(0, **more)}, labels=EVERY)
    told_of = {one.item for one in EVERY if one.name in more}
    assert all(after.shares[item] == before.shares[item] for item in before.shares if item not in told_of)


@given(READINGS, st.sampled_from(["matching", "missing"]), st.sampled_from([(), ("adults",), ("kids",)]))
def test_an_answer_never_contradicts_itself(
    scores: dict[str, dict[str, float]], policy: str, audience: tuple[str, ...]
) -> None:
    catalog = (replace(CAP, audience=("kids",)), OIL, replace(SHADES, active=False), FRAME)
    readings = {name: image(0, **own) for name, own in scores.items()}
    answer = told(readings, labels=EVERY, policy=policy, audience=audience, catalog=catalog)
    assert answer.product == (answer.products[0].product if answer.products else None)
    assert (answer.label is None) == (answer.deciding_media is None)
    assert answer.product is None or (answer.product.active and answer.label in {"hat", "beard", "eyewear"})
    assert not (audience == ("adults",) and answer.product is not None and answer.product.product_id == "cap")
