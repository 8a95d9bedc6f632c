"""Vectors to niches of posts, posts to the niche of a creator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import ModelError, NotEnoughDataError, ShapeError
from postlens.tasks.niche import FACE_MODEL, POST_MODEL, CreatorModel, predict_creator, predict_posts
from postlens.tasks.niche.creators import pool_posts
from postlens.types import NICHES, Embeddings, NichePrediction
from postlens.vision.zoo import open_model


def post(label: str, *, sure: float = 0.9, post_id: str = "p") -> NichePrediction:
    rest = (1 - sure) / (len(NICHES) - 1)
    return NichePrediction(post_id, label, {niche: sure if niche == label else rest for niche in NICHES})


def posts(counts: dict[str, int], *, sure: float = 0.9) -> list[NichePrediction]:
    return [post(label, sure=sure, post_id=f"{label}{i}") for label, n in counts.items() for i in range(n)]


def embeddings(n: int = 3, *, scale: float = 0.5) -> Embeddings:
    head = open_model(POST_MODEL)
    vectors = np.random.default_rng(0).gamma(0.5, scale, size=(n, head.spec.input_size[0])).astype(np.float32)
    return Embeddings(tuple(f"p{i}" for i in range(n)), vectors, head.spec.upstream[0])


def test_shipped_head_answers_for_every_post():
    answers = predict_posts(embeddings(), open_model(POST_MODEL))
    assert [a.subject_id for a in answers] == ["p0", "p1", "p2"]
    for answer in answers:
        assert tuple(answer.probs) == NICHES
        assert sum(answer.probs.values()) == pytest.approx(1)


def test_unsure_posts_become_other_and_keep_their_probabilities():
    head = open_model(POST_MODEL)
    free, strict = (predict_posts(embeddings(20), head, threshold=t) for t in (0.0, 1.0))
    assert not any(a.low_confidence for a in free)
    assert all(a.label == "other" for a in strict)
    assert any(a.low_confidence for a in strict)
    assert [a.probs for a in free] == [a.probs for a in strict]


def test_no_vectors_give_no_predictions():
    assert predict_posts(embeddings(0), open_model(POST_MODEL)) == ()


def test_vectors_of_another_encoder_are_refused():
    with pytest.raises(ModelError, match="encode the media again"):
        predict_posts(replace(embeddings(), fingerprint="another"), open_model(POST_MODEL))


def face_rows(n: int = 3) -> np.ndarray:
    width = open_model(FACE_MODEL).spec.input_size[0]
    return np.random.default_rng(1).random((n, width)).astype(np.float32)


def test_faces_multiply_the_answer_of_the_vector():
    head, face_head = open_model(POST_MODEL), open_model(FACE_MODEL)
    base = head.run({"features": embeddings().vectors})["probs"] * face_head.run({"features": face_rows()})["probs"]
    answers = predict_posts(embeddings(), head, faces=face_rows(), face_model=face_head)
    for answer, row in zip(answers, base, strict=True):
        assert list(answer.probs.values()) == pytest.approx((row / row.sum()).tolist(), abs=1e-6)


@pytest.mark.parametrize("known", [(), (1,), (0, 2)])
def test_posts_without_face_information_keep_the_answer_of_the_vector(known):
    head, face_head = open_model(POST_MODEL), open_model(FACE_MODEL)
    rows = np.full_like(face_rows(), np.nan)
    rows[list(known)] = face_rows()[list(known)]
    alone = predict_posts(embeddings(), head)
    both = predict_posts(embeddings(), head, faces=rows, face_model=face_head)
    assert [a == b for a, b in zip(alone, both, strict=True)] == [i not in known for i in range(3)]


def test_faces_without_a_face_model_are_not_looked_at():
    head = open_model(POST_MODEL)
    assert predict_posts(embeddings(), head, faces=face_rows()) == predict_posts(embeddings(), head)


@pytest.mark.parametrize("shape", [(2, 146), (3, 145)])
def test_faces_of_another_shape_are_refused(shape):
    with pytest.raises(ShapeError, match="faces must have shape"):
        predict_posts(
            embeddings(), open_model(POST_MODEL), faces=np.zeros(shape, np.float32), face_model=open_model(FACE_MODEL)
        )


class Respecified:
    """A head under another card."""

    def __init__(self, **changes):
        self.spec, self.run = replace(open_model(FACE_MODEL).spec, **changes), open_model(FACE_MODEL).run


def test_a_face_model_of_another_head_is_refused():
    with pytest.raises(ModelError, match="another head than niche_post"):
        predict_posts(
            embeddings(), open_model(POST_MODEL), faces=face_rows(), face_model=Respecified(upstream=("other",))
        )


@pytest.mark.parametrize("niche", [n for n in NICHES if n != "other"])
def test_a_fifth_of_the_posts_decides_among_unrelated_ones(niche):
    counts = dict.fromkeys(NICHES, 4) | {"other": 40, niche: 20}
    answer = predict_creator("c", posts(counts))
    assert answer.label == niche
    assert {post_id.rstrip("0123456789") for post_id, _ in answer.attention[:20]} == {niche}


def test_an_account_of_nothing_in_particular_is_other():
    assert predict_creator("c", posts({"other": 30, "pet": 2, "food": 2})).label == "other"


def test_a_single_post_speaks_for_its_creator():
    answer = predict_creator("c", [post("food")])
    assert (answer.label, answer.n_posts, answer.attention) == ("food", 1, (("p", 1.0),))


def test_sure_posts_outweigh_unsure_ones():
    answer = predict_creator("c", [*posts({"travel": 3}, sure=0.3), *posts({"pet": 3}, sure=0.95)])
    assert answer.label == "pet"
    assert answer.attention[0][0].startswith("pet")


def test_low_confidence_creator_is_other():
    answer = predict_creator("c", [post("food", sure=0.2)], threshold=0.9)
    assert (answer.label, answer.low_confidence) == ("other", True)


def test_creator_without_posts_is_refused():
    with pytest.raises(NotEnoughDataError, match="at least one post"):
        predict_creator("c", [])


def test_ten_thousand_posts_are_weighed():
    answer = predict_creator("c", posts({"other": 5000, "pet": 3000, "food": 2000}))
    assert answer.n_posts == len(answer.attention) == 10_000
    assert np.isfinite(list(answer.probs.values())).all()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_creator_does_not_depend_on_the_order_of_posts(data):
    rows = data.draw(st.lists(st.tuples(st.sampled_from(NICHES), st.floats(0.12, 1.0)), min_size=1, max_size=30))
    bag = [post(label, sure=sure, post_id=f"p{i % 7}") for i, (label, sure) in enumerate(rows)]
    assert predict_creator("c", data.draw(st.permutations(bag))) == predict_creator("c", bag)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NICHES), st.floats(0.0, 1.0)), min_size=1, max_size=40))
def test_probabilities_and_weights_sum_to_one_heaviest_first(rows):
    answer = predict_creator("c", [post(label, sure=sure, post_id=f"p{i}") for i, (label, sure) in enumerate(rows)])
    weights = [weight for _, weight in answer.attention]
    assert sum(answer.probs.values()) == pytest.approx(1)
    assert sum(weights) == pytest.approx(1)
    assert weights == sorted(weights, reverse=True)
    assert min(weights) >= 0


@pytest.mark.parametrize("shape", [(0, 9), (3, 8), (9,)])
def test_other_arrays_are_refused(shape):
    with pytest.raises(ShapeError, match="N >= 1"):
        pool_posts(np.zeros(shape), CreatorModel())


@pytest.mark.parametrize("wrong", [{"shares": ()}, {"shares": (1.0,)}, {"other_shares": (0.0,)}, {"n_independent": 0}])
def test_impossible_assumptions_are_refused(wrong):
    with pytest.raises(ShapeError):
        CreatorModel(**wrong)
