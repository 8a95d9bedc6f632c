"""The ranker of own photos: it finds an effect of the picture, and says when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from postlens.config import Settings
from postlens.errors import ModelError, NotEnoughDataError, SettingsError, UsageError
from postlens.pipelines.answers_engagement import Forecaster
from postlens.tasks.engagement.model import load_ranker
from postlens.tasks.engagement.ranking import RANK_MODEL, pair_probability, rank_images
from postlens.train.engagement import Material, find_account, run_account, run_images
from postlens.train.engagement_pairs import make_pairs, train_pairs
from postlens.train.engagement_split import split_posts
from postlens.types import EngagementForecast
from postlens.vision.zoo import load_spec, open_card

from .drawn_engagement import N_VECTOR, drawn_accounts


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs") / "run"
    material = Material(drawn_accounts(n_accounts=40, n_posts=6, effect=0.8), "drawn posts")
    return run_images(material, out=out), out


def test_pictures_that_matter_order_pairs(trained):
    assert trained[0].scores["pair_accuracy"] > 0.8


def test_exported_ranker_orders_photos(trained):
    model = open_card(trained[1] / "engagement_rank.toml")
    vectors = np.zeros((2, N_VECTOR), np.float32)
    vectors[:, 0] = 2.0, -2.0
    good, bad = rank_images(vectors, [None, None], model).tolist()
    assert pair_probability(good, bad, model) > 0.8


def test_setting_makes_forecasts_order_by_the_run(trained):
    forecaster = Forecaster(Settings(engagement_ranker=trained[1]))
    posts = [
        replace(post, vector=np.zeros(N_VECTOR, np.float32))
        for post in drawn_accounts(n_accounts=1, n_posts=2)["instagram:a0"]
    ]
    posts[0].vector[0], posts[1].vector[0] = -2.0, 2.0
    unknown = EngagementForecast("new", "likes", None, None, None, 0.9, None, 0)
    assert forecaster.order(posts, [unknown, unknown]).places == (2, 1)
    assert set(forecaster.specs) == {"engagement_ranker/engagement_rank"}


def test_without_the_setting_the_shipped_ranker_orders():
    assert load_ranker(None).spec == load_spec(RANK_MODEL)


@pytest.mark.parametrize(("place", "words"), [("", "a folder without it"), ("nowhere", "nothing there")])
def test_folder_without_a_ranker_is_told(tmp_path, place, words):
    with pytest.raises(SettingsError, match=f"engagement_ranker: .*--model images.* {words}"):
        load_ranker(tmp_path / place)


def test_card_of_another_model_is_no_ranker(trained, tmp_path):
    for path in trained[1].glob("engagement_rank.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = tmp_path / "engagement_rank.toml"
    card.write_text(card.read_text().replace("pair_slope", "other"))
    with pytest.raises(ModelError, match="pair_slope"):
        load_ranker(tmp_path)


def test_pictures_that_do_not_matter_order_nothing(tmp_path):
    result = train_pairs(drawn_accounts(n_accounts=40, n_posts=6), out=tmp_path, data="drawn posts")
    low, high = result.scores["pair_accuracy_ci"]
    assert low < 0.55 < high + 0.1


def test_few_photos_are_told(tmp_path):
    with pytest.raises(NotEnoughDataError, match="pairs of one account"):
        train_pairs(drawn_accounts(n_accounts=4, n_posts=3), out=tmp_path, data="x")


def test_pairs_are_of_one_account_without_ties():
    likes, account = np.array([1.0, 2.0, 2.0, 5.0]), np.array([0, 0, 0, 1])
    found = make_pairs(likes, account, np.arange(4), rng=np.random.default_rng(0))
    assert sorted(zip(found.a.tolist(), found.b.tolist(), strict=True)) == [(0, 1), (0, 2)]


# --- one account ----------------------------------------------------------------------------------------------------


def test_one_account_says_whether_it_beats_its_median(tmp_path):
    material = Material(drawn_accounts(n_accounts=2, n_posts=60, effect=1.0), "drawn posts")
    found = run_account(material, out=tmp_path / "run", account="@a1")
    assert found.scores["better_than_median"]
    assert "better than your median" in (tmp_path / "run" / "report.html").read_text()


def test_account_of_few_posts_is_told(tmp_path):
    material = Material(drawn_accounts(n_accounts=1, n_posts=20), "drawn posts")
    with pytest.raises(NotEnoughDataError, match="expected 30 posts"):
        run_account(material, out=tmp_path / "run")


@pytest.mark.parametrize("name", [None, "nobody"])
def test_account_must_be_named(name):
    with pytest.raises(UsageError, match="instagram:a0, instagram:a1"):
        find_account(drawn_accounts(n_accounts=2, n_posts=1), name)


# --- split ----------------------------------------------------------------------------------------------------------


def test_many_accounts_are_held_out_whole():
    account = np.repeat(np.arange(50), 4)
    split, words = split_posts(account, rng=np.random.default_rng(0))
    parts = [set(account[rows].tolist()) for rows in split.parts.values()]
    assert "whole accounts" in words
    assert [len(part) for part in parts] == [36, 4, 10]
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_test_is_a_fifth_of_the_photos_however_many_each_account_has():
    account = np.repeat(np.arange(40), np.random.default_rng(0).integers(1, 9, 40))
    split, _ = split_posts(account, rng=np.random.default_rng(0))
    assert len(split.test) == pytest.approx(0.2 * len(account), abs=4)
    assert len(split.val) == pytest.approx(0.08 * len(account), abs=4)


@pytest.mark.parametrize("n_posts", [2, 5, 7, 50])
def test_split_of_few_accounts_is_eighty_to_twenty_to_one_post(n_posts):
    split, _ = split_posts(np.repeat(np.arange(9), n_posts), rng=np.random.default_rng(0))
    n = 9 * n_posts
    assert abs(len(split.test) - 0.2 * n) < 1
    assert abs(len(split.val) - 0.08 * n) < 1
    assert len(split.train) + len(split.val) + len(split.test) == n


def test_where_one_account_has_most_photos_the_latest_posts_are_held_out():
    split, words = split_posts(np.repeat(np.arange(12), [400, *[2] * 11]), rng=np.random.default_rng(0))
    assert "latest" in words
    assert abs(len(split.test) - 0.2 * 422) < 1


def test_of_few_accounts_the_latest_posts_are_held_out():
    split, words = split_posts(np.zeros(100, int), rng=np.random.default_rng(0))
    assert "latest" in words
    assert split.train.max() < split.val.min() <= split.val.max() < split.test.min()
    assert len(split.test) == 20


def test_too_few_posts_cannot_be_split():
    with pytest.raises(NotEnoughDataError):
        split_posts(np.zeros(9, int), rng=np.random.default_rng(0))
