"""The records: what they refuse, how columns are sliced, and what becomes JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens import errors, types
from postlens.errors import PostlensError, ShapeError
from postlens.types import (
    NICHES,
    Columns,
    Creator,
    Embeddings,
    EngagementSnapshot,
    Faces,
    FaceTracks,
    Failure,
    FrameBatch,
    FrameHashes,
    MediaRef,
    ModelSpec,
    NichePrediction,
    Post,
    PostAnalysis,
    Readings,
    SourcePost,
    as_utc,
)

RECORDS = [kind for kind in vars(types).values() if isinstance(kind, type) and is_dataclass(kind)]


def floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def faces(n: int, **changes: object) -> Faces:
    columns: dict[str, object] = {
        "xyxy_px": np.arange(4 * n, dtype=np.float32).reshape(n, 4),
        "score": floats(n),
        "landmarks_px": floats(n, 6, 2),
        "quality": floats(n),
        "frame": np.arange(n),
        "pts_s": np.arange(n, dtype=np.float32),
        "template": floats(n, 8),
        "expression": floats(n, 8),
        "attributes": floats(n, 6),
        "looks": floats(n, 5),
        "track_id": np.arange(n),
        "thumbnails": tuple(b"%d" % i for i in range(n)),
    }
    return Faces(**{**columns, **changes})


def tracks(n: int) -> FaceTracks:
    return FaceTracks(tuple(f"m:{i}" for i in range(n)), floats(n), floats(n), np.arange(n), floats(n), floats(n, 8))


def frames(n: int) -> FrameBatch:
    return FrameBatch(tuple(np.zeros((2, 2, 3), np.uint8) for _ in range(n)), floats(n), np.arange(n), scale=0.5)


def embeddings(n: int) -> Embeddings:
    return Embeddings(tuple(f"m:{i}" for i in range(n)), floats(n, 16), "fingerprint")


def hashes(n: int) -> FrameHashes:
    return FrameHashes(np.zeros((n, 32), np.uint8), np.arange(n), floats(n))


def readings(n: int) -> Readings:
    return Readings("f", np.arange(n), floats(n, 3))


BATCHES = {
    "faces": faces,
    "tracks": tracks,
    "frames": frames,
    "embeddings": embeddings,
    "hashes": hashes,
    "readings": readings,
}
every_batch = pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_record_is_frozen_and_has_slots(kind):
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__doc__


def test_a_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Creator("x:a", "x", "a").handle = "b"


@every_batch
@pytest.mark.parametrize(
    ("rows", "n_rows"),
    [
        (slice(1, 3), 2),
        (np.array([True, False, False, True]), 2),
        (np.array([2, 0]), 2),
        ([3], 1),
        (slice(0, 0), 0),
        (np.array([], np.int64), 0),
    ],
    ids=["slice", "mask", "index", "list", "empty slice", "empty index"],
)
def test_columns_are_sliced_together(make, rows, n_rows):
    batch = make(4)
    part = batch[rows]
    assert (len(batch), len(part), type(part)) == (4, n_rows, type(batch))
    index = np.arange(4)[rows]
    for f in fields(batch):
        whole, some = getattr(batch, f.name), getattr(part, f.name)
        if isinstance(whole, np.ndarray):
            assert np.array_equal(some, whole[index])
        elif isinstance(whole, tuple):
            assert some == tuple(whole[i] for i in index) or f.name == "images"
        else:
            assert some == whole


@every_batch
@given(order=st.permutations(range(5)), n=st.integers(0, 5))
def test_slicing_twice_is_slicing_once(make, order, n):
    batch, index = make(5), np.array(order)
    assert repr(batch[index][:n]) == repr(batch[index[:n]])


@every_batch
def test_an_empty_batch_has_no_rows(make):
    assert len(make(0)) == 0


@pytest.mark.parametrize(
    "column",
    ["score", "landmarks_px", "quality", "frame", "pts_s", "template", "expression", "attributes", "looks", "track_id"],
)
def test_a_column_of_another_length_is_refused(column):
    with pytest.raises(ShapeError, match=column):
        faces(3, **{column: getattr(faces(2), column)})


def test_thumbnails_of_another_number_are_refused():
    with pytest.raises(ShapeError, match="thumbnails"):
        faces(3, thumbnails=(b"one",))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Embeddings(("a",), floats(2, 3), "f"), r"vectors must have shape \(1, any\), got \(2, 3\)"),
        (lambda: FrameBatch((), floats(1), np.arange(0)), "pts_s"),
        (lambda: FrameHashes(floats(1, 31), np.arange(1), floats(1)), r"bits must have shape \(any, 32\)"),
        (lambda: replace(tracks(2), end_s=floats(3)), "end_s"),
        (lambda: replace(faces(2), xyxy_px=floats(2, 5)), "xyxy_px"),
        (MediaRef, "either a path or a url"),
        (lambda: MediaRef(path="a", url="b"), "either a path or a url"),
    ],
)
def test_a_wrong_shape_says_what_was_expected(make, said):
    with pytest.raises(ShapeError, match=said):
        make()


def test_no_faces_are_a_batch_like_any_other():
    nobody = Faces.none()
    assert len(nobody) == len(nobody[np.zeros(0, bool)]) == 0
    assert nobody.template is None


def source_post(**changes: object) -> SourcePost:
    return SourcePost(**{"handle": "ann", "media": (MediaRef(path="/in/a.jpg"),), **changes})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (source_post(), source_post(caption="new", metrics={"likes": 1.0}), True),
        (source_post(), source_post(handle="ben"), False),
        (source_post(), source_post(media=(MediaRef(path="/in/b.jpg"),)), False),
        (source_post(), source_post(platform="x"), False),
        (source_post(post_key="7", platform="x"), source_post(post_key="7", platform="x", handle="ben"), True),
        (source_post(post_key="7"), source_post(post_key="7", media=(MediaRef(path="/in/b.jpg"),)), True),
        (source_post(post_key="7"), source_post(post_key="7", handle="ben"), False),
        (
            source_post(post_key="7", handle="unknown"),
            source_post(post_key="7", handle="unknown", media=(MediaRef(path="/in/b.jpg"),)),
            False,
        ),
        (source_post(post_key="7"), source_post(post_key="8"), False),
    ],
)
def test_a_post_is_known_again_by_its_key_or_its_place(one, other, same):
    assert (one.post_id == other.post_id) == same


@pytest.mark.parametrize("change", [{"media": (MediaRef(path="/in/\udcff.jpg"),)}, {"handle": "caf\ud83d"}])
def test_a_post_with_an_odd_name_has_an_id(change):
    assert source_post(**change).post_id.startswith("p")


def test_unknown_counts_are_left_out_and_zero_is_a_count():
    snapshot = EngagementSnapshot("p", views=None, likes=0.0, score=-2.0, followers=10.0)
    assert snapshot.values == {"likes": 0.0, "score": -2.0}


@pytest.mark.parametrize(
    ("given_at", "expected"),
    [
        (datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_times_are_utc(given_at, expected):
    assert as_utc(given_at) == expected
    assert as_utc(given_at).tzinfo is UTC


def spec(**changes: object) -> ModelSpec:
    names = ("name", "version", "task", "file", "sha256", "licence", "source", "paper")
    return ModelSpec(**{**dict.fromkeys(names, "x"), "thresholds": {"a": 0.5, "b": 0.1}, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "y"},
        {"input_size": (3, 9, 9)},
        {"mean": (1.0,)},
        {"std": (2.0,)},
        {"interpolation": "bicubic"},
        {"channel_order": "bgr"},
        {"labels": ("cat",)},
        {"thresholds": {"a": 0.6, "b": 0.1}},
        {"upstream": ("z",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_answers_changes_the_fingerprint(change):
    assert spec(**change).fingerprint != spec().fingerprint


@pytest.mark.parametrize("change", [{"limits": "y"}, {"metrics": {"f1": 1}}, {"thresholds": {"b": 0.1, "a": 0.5}}])
def test_words_and_order_on_a_card_do_not_change_the_fingerprint(change):
    assert spec(**change).fingerprint == spec().fingerprint
    assert len(spec().fingerprint) == 16


def test_confidence_is_the_probability_of_the_answer():
    probs = {label: 0.9 if label == "pet" else 0.1 / 8 for label in NICHES}
    assert NichePrediction("p", "pet", probs).confidence == 0.9
    assert NichePrediction("p", "other", probs, low_confidence=True).confidence == 0.1 / 8


@pytest.mark.parametrize("error", [ValueError("broken"), KeyError("k"), RuntimeError()])
def test_a_failure_always_has_words(error):
    failure = Failure.of("a.jpg", "decode", error)
    assert (failure.error, failure.subject) == (type(error).__name__, "a.jpg")
    assert failure.message


def analysis() -> PostAnalysis:
    return PostAnalysis(
        post=Post("p", "x:a", "x", ("m",), datetime(2026, 1, 1, tzinfo=UTC), "caption"),
        creator=Creator("x:a", "x", "a"),
        media=(),
        niche=NichePrediction("p", "pet", dict.fromkeys(NICHES, 1 / 9)),
        faces=(faces(2), Faces.none()),
        recommendation=None,
        reaction=None,
        forecast=None,
        failures=(Failure("a.jpg", "decode", "DecodeError", "m"),),
    )


def test_an_analysis_becomes_json_and_back():
    found = analysis().to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["post"]["published_at"] == "2026-01-01T00:00:00+00:00"
    assert found["niche"]["label"] == "pet"


def test_identity_vectors_and_pictures_of_faces_are_not_in_it():
    found = analysis().to_dict()["faces"][0]
    assert set(found) == {f.name for f in fields(Faces)} - {"template", "looks", "thumbnails"}
    assert found["xyxy_px"][1] == [4.0, 5.0, 6.0, 7.0]


def test_every_error_is_one_of_ours_and_is_drawn_in_the_tree():
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert all(issubclass(kind, PostlensError) for kind in found)
    assert all(kind.__name__ in str(errors.__doc__) for kind in found)
    assert all(kind.__doc__ for kind in found)


def test_every_batch_of_columns_is_tested_here():
    kinds = {kind for kind in RECORDS if issubclass(kind, Columns)}
    assert kinds == {type(make(1)) for make in BATCHES.values()}
