"""A creator's vectors through an attention model, and the measures beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import ModelError, NotEnoughDataError, ShapeError
from postlens.tasks.niche.attention import MEASURES, attend_posts, post_measures
from postlens.tasks.niche.influencer import as_category, predict_influencer_category
from postlens.tasks.niche.predict import POST_MODEL
from postlens.types import NICHES, Embeddings
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec, open_card, open_model

from ...runs import write_creator, write_encoder

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def model(tmp_path):
    """Attention by the first number of each post; the answer is always "food"."""
    write_creator(tmp_path, write_encoder(tmp_path), says="food")
    return open_card(tmp_path / "creator.toml")


def bag(model, n: int = 3) -> Embeddings:
    vectors = np.arange(3 * n, dtype=np.float32).reshape(n, 3) / 10
    return Embeddings(tuple(f"p{i}" for i in range(n)), vectors, model.spec.upstream[0])


def test_the_answer_names_the_deciding_posts_heaviest_first(model):
    answer = attend_posts("ada", bag(model), model)
    assert (answer.subject_id, answer.label, answer.n_posts) == ("ada", "food", 3)
    assert [post_id for post_id, _ in answer.attention] == ["p2", "p1", "p0"]
    assert sum(weight for _, weight in answer.attention) == pytest.approx(1)
    assert answer.confidence == pytest.approx(0.9, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_posts_does_not_matter(order, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_creator(folder, write_encoder(folder))
    opened = open_card(folder / "creator.toml")
    assert attend_posts("ada", bag(opened, 5)[list(order)], opened) == attend_posts("ada", bag(opened, 5), opened)


def test_a_creator_without_posts_is_refused(model):
    with pytest.raises(NotEnoughDataError, match="ada: expected at least one post"):
        attend_posts("ada", bag(model)[[]], model)


def test_vectors_of_another_encoder_are_refused(model):
    with pytest.raises(ModelError, match="extract the features again"):
        attend_posts("ada", Embeddings(("p",), np.zeros((1, 3), np.float32), "another"), model)


def test_measures_are_asked_for_only_where_the_model_reads_them(model):
    given_none = attend_posts("ada", bag(model), model)
    assert attend_posts("ada", bag(model), model, measures=np.zeros((3, 3), np.float32)) == given_none


class Measured(SimpleNamespace):
    """A model over three vectors' numbers and two measures, which keeps what it was given."""

    def run(self, inputs):
        self.seen = inputs["measures"]
        n = self.seen.shape[1]
        return {"probs": np.full((1, len(NICHES)), 1 / len(NICHES)), "attention": np.full((1, n), 1 / n)}


def measured(model) -> Measured:
    return Measured(spec=model.spec, inputs={"features": (1, "n", 3), "measures": (1, "n", 2)})


def test_measures_follow_their_posts_and_are_unknown_where_not_given(model):
    opened = measured(model)
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    attend_posts("ada", bag(model)[[2, 0, 1]], opened, measures=values)
    assert opened.seen[0].tolist() == values[[1, 2, 0]].tolist()
    attend_posts("ada", bag(model), opened)
    assert np.isnan(opened.seen).all()
    assert opened.seen.shape == (1, 3, 2)


def test_measures_of_another_number_of_posts_are_refused(model):
    with pytest.raises(ShapeError, match="measures"):
        attend_posts("ada", bag(model), measured(model), measures=np.zeros((2, 2), np.float32))


# --- measures -------------------------------------------------------------------------------------------------------


def test_likes_are_compared_with_the_accounts_own():
    small, large = ([10, 20, 40], [10_000, 20_000, 40_000])
    columns = [
        post_measures(likes=likes, published_at=[None] * 3, caption_length=[None] * 3) for likes in (small, large)
    ]
    assert columns[0][1, 0] == columns[1][1, 0] == 0
    np.testing.assert_allclose(columns[0][:, 0], columns[1][:, 0], atol=0.1)


def test_age_counts_from_the_latest_post():
    times = [NOW, NOW - timedelta(days=365.25), None]
    found = post_measures(likes=[None] * 3, published_at=times, caption_length=[0, 147, None])
    np.testing.assert_allclose(found[:, MEASURES.index("age")], [0, np.log(2), np.nan], rtol=1e-5)
    np.testing.assert_allclose(found[:, 2], [0, np.log(148) / 5, np.nan], rtol=1e-5)


def test_what_nothing_is_known_of_is_not_known():
    found = post_measures(likes=[None, None], published_at=[None, None], caption_length=[None, None])
    assert found.shape == (2, len(MEASURES))
    assert np.isnan(found).all()


# --- plain answers --------------------------------------------------------------------------------------------------


def shipped_vectors(n: int) -> np.ndarray:
    return np.random.default_rng(0).gamma(0.5, 0.5, size=(n, load_spec(POST_MODEL).input_size[0])).astype(np.float32)


@pytest.mark.parametrize("shape", [(), (7,)])
def test_a_vector_or_a_bag_is_answered_by_what_ships(shape):
    vectors = shipped_vectors(7)
    answer = predict_influencer_category(vectors if shape else vectors[0], fingerprint=load_spec(ENCODER).fingerprint)
    assert answer.keys() == {"predicted_category", "confidence", "top_predictions"}
    assert answer["predicted_category"] in NICHES
    values = [one["confidence"] for one in answer["top_predictions"]]
    assert values == sorted(values, reverse=True)
    assert len(values) == 3


def test_a_bag_is_answered_by_the_attention_model_where_given(model):
    answer = predict_influencer_category(bag(model).vectors, creator_model=model, n_top=2)
    assert answer["predicted_category"] == "food"
    assert len(answer["top_predictions"]) == 2


@pytest.mark.parametrize("shape", [(2, 2, 2), (3,), (2, 3)])
def test_other_arrays_are_refused(shape):
    with pytest.raises(ShapeError):
        predict_influencer_category(np.zeros(shape))


def test_a_bag_without_posts_is_refused():
    with pytest.raises(NotEnoughDataError):
        predict_influencer_category(np.zeros((0, load_spec(POST_MODEL).input_size[0])))


def test_vectors_said_to_be_of_another_encoder_are_refused():
    with pytest.raises(ModelError):
        predict_influencer_category(shipped_vectors(2), fingerprint="another", head=open_model(POST_MODEL))


def test_a_category_names_the_answer_not_the_likeliest(model):
    found = attend_posts("ada", bag(model), model)
    assert as_category(found)["confidence"] == round(found.confidence, 4)
