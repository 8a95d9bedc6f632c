"""The model of many accounts: from drawn posts to a run folder that forecasts, and its scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import ModelError, NotEnoughDataError, SettingsError, UsageError
from postlens.tasks.engagement import predict_account
from postlens.tasks.engagement.explain import Explainer
from postlens.tasks.engagement.features import FEATURES, GROUPS
from postlens.tasks.engagement.model import load_engagement_model
from postlens.train.engagement import Material, new_run
from postlens.train.engagement_accounts import train_accounts
from postlens.train.engagement_fit import Boosting, account_folds, fit
from postlens.train.engagement_margins import (
    MIN_BAND,
    N_BANDS,
    N_EARLIER,
    SPREAD,
    least_half,
    least_tree,
    margin_band,
    margin_tree,
    margins,
    widened,
)
from postlens.train.engagement_report import Told, write_report
from postlens.train.engagement_rows import build_table, build_views, masked
from postlens.train.engagement_trees import run_trees

from .drawn_engagement import drawn_accounts, drawn_picture

QUICK = Boosting(rounds={"lower": 2, "median": 3, "upper": 2}, workers=1)


@pytest.fixture(scope="module")
def accounts():
    return drawn_accounts(n_accounts=30, n_posts=6)


@pytest.fixture(scope="module")
def views(accounts):
    return build_views(accounts)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, accounts):
    """A finished run; read only."""
    out = tmp_path_factory.mktemp("run")
    result = train_accounts(accounts, out=out, data="drawn posts", boosting=QUICK)
    write_report(out, result.scores, Told("A training", "accounts held out", ("a note",)), outcomes=result.outcomes)
    return result, out


def test_run_answers_forecasts(trained, accounts):
    model = load_engagement_model(trained[1]).open()
    found = predict_account(accounts["instagram:a3"], metric="likes", model=model)
    assert all(one.lower <= one.median <= one.upper for one in found)


def test_exported_file_computes_what_lightgbm_does(trained):
    assert trained[0].parity < 1e-4


def test_exported_file_holds_the_trees_that_explain(trained):
    session = load_engagement_model(trained[1]).open()
    assert Explainer.read(session.metadata, n_features=len(FEATURES)) is not None


def test_baselines_stand_beside_the_model(trained):
    names = set(trained[0].scores["baselines"])
    assert {"account median of earlier posts", "followers line", "constant"} <= names


def test_first_posts_have_no_account_median(trained):
    result, _ = trained
    assert result.scores["baselines"]["account median of earlier posts"]["n"] == 150
    assert result.scores["n"] == 180


def test_report_holds_scores_and_plots(trained):
    _, out = trained
    assert json.loads((out / "scores.json").read_text())["n"] == 180
    page = (out / "report.html").read_text()
    assert page.count("data:image/png") == 3 + (out / "error_by_size.png").exists()
    assert "a note" in page


def test_few_accounts_are_told_to_train_one(tmp_path):
    with pytest.raises(NotEnoughDataError, match="--model account"):
        train_accounts(drawn_accounts(n_accounts=3, n_posts=50), out=tmp_path, data="x", boosting=QUICK)


def test_posts_without_likes_train_nothing(tmp_path, accounts):
    hidden = {name: tuple(replace(post, counts={}) for post in posts) for name, posts in accounts.items()}
    with pytest.raises(NotEnoughDataError, match="got 0"):
        train_accounts(hidden, out=tmp_path, data="x", boosting=QUICK)


def test_second_run_in_a_folder_is_refused(trained):
    with pytest.raises(UsageError, match="earlier run"):
        new_run(trained[1], "")


def test_boosters_are_the_same_for_any_number_of_workers(views):
    table = views.whole
    one, two = fit(table, QUICK), fit(table, replace(QUICK, workers=3))
    assert one["median"].model_to_string() == two["median"].model_to_string()


# --- the reference network beside ------------------------------------------------------------------------------------


def test_reference_network_is_scored_on_the_same_held_out_posts(trained, accounts, tmp_path):
    from postlens.train.engagement_beside import CNN_ROW, Network
    from postlens.train.engagement_cnn_recipe import CnnSettings
    from postlens.train.fit import Machine

    settings = CnnSettings(n_filters=1, dense=2, epochs=1)
    network = Network.read(Material(accounts, "drawn", drawn_picture), settings, Machine(1, "cpu", progress=False))
    scores, history = network.beside(trained[0], out=tmp_path)
    row = scores["baselines"][CNN_ROW]
    assert (row["n"], len(history)) == (36, 1)  # a fifth of 30 accounts with 6 posts each
    held = np.flatnonzero(account_folds(30)[trained[0].outcomes.account.astype(int)] == 0)
    shown = trained[0].outcomes.take(held)
    assert row["mae_log_of_model"] == pytest.approx(np.abs(shown.median - shown.actual).mean(), abs=1e-4)
    parts = [set(network.photos.account[rows].tolist()) for rows in network.split.parts.values()]
    assert not parts[2] & (parts[0] | parts[1])


def test_reference_network_without_pictures_is_told(accounts):
    from postlens.train.engagement_beside import Network
    from postlens.train.engagement_cnn_recipe import CnnSettings

    with pytest.raises(NotEnoughDataError, match="picture that can be read"):
        Network.read(Material(accounts, "drawn"), CnnSettings())


# --- rows -----------------------------------------------------------------------------------------------------------


def test_counts_hidden_hide_the_history(views):
    assert (views.cold.x[:, FEATURES.index("n_earlier")] == 0).all()
    assert (views.whole.n_earlier.reshape(30, 6) == np.arange(6)).all()


def test_training_rows_are_of_the_asked_accounts(views):
    wanted = np.arange(30) < 7
    assert views.training(wanted, rng=np.random.default_rng(0)).account.max() == 6


def test_copies_hide_whole_groups(views):
    table = views.training(np.ones(30, bool), rng=np.random.default_rng(0))
    caption = table.x[:, [FEATURES.index(name) for name in GROUPS["caption"]]]
    assert (np.isnan(caption).any(axis=1) == np.isnan(caption).all(axis=1)).all()
    assert not np.isnan(table.x[:, 0]).any()


@pytest.mark.parametrize("view", ["plain", "masked"])
def test_what_is_hidden_is_hidden_of_the_comparison_too(views, view):
    table = views.plain if view == "plain" else masked(views.whole, rng=np.random.default_rng(0))
    own, more = (table.x[:, FEATURES.index(name)] for name in ("n_tagged", "more_n_tagged"))
    assert np.isnan(more[np.isnan(own)]).all()


def test_the_plain_view_knows_what_a_table_of_posts_holds(accounts, views):
    def as_in_a_table(post):
        unknown = ("followees", "n_posts_of_account", "observed_at", "n_tagged", "has_location", "is_carousel")
        return replace(post, **dict.fromkeys(unknown), alt_text=None)

    assert np.array_equal(build_table(accounts, change=as_in_a_table).x, views.plain.x, equal_nan=True)


# --- margins --------------------------------------------------------------------------------------------------------


def test_margins_cover_nine_of_ten(views):
    rng = np.random.default_rng(0)
    y, band = rng.normal(size=5000), np.zeros(5000, int)
    bounds = np.tile([-0.1, 0.0, 0.1], (5000, 1))
    found = widened(bounds + 10, margins(bounds, y, band)[band], np.zeros(5000))
    assert np.mean((y + 10 >= found[:, 0]) & (y + 10 <= found[:, 2])) == pytest.approx(0.9, abs=0.002)


def test_small_bands_take_the_margin_of_all():
    y = np.concatenate([np.zeros(500), np.full(MIN_BAND - 1, 5.0)])
    band = (y > 0).astype(int)
    found = margins(np.zeros((len(y), 3)), y, band)
    assert found[0] == 0.0
    assert len(set(found[1:])) == 1


def test_margin_tree_gives_each_row_the_margin_of_its_band(views):
    values = np.arange(1.0, N_BANDS + 1)
    assert run_trees([margin_tree(values)], views.whole.x).tolist() == values[margin_band(views.whole.x)].tolist()


def test_the_least_width_is_the_same_in_the_exported_tree():
    rng, x = np.random.default_rng(0), np.full((400, len(FEATURES)), np.nan, np.float32)
    x[:, N_EARLIER], x[:, SPREAD] = np.log1p(rng.integers(0, 50, 400)), rng.exponential(0.5, 400)
    x[:30, SPREAD] = 0.05 * np.arange(30)
    assert run_trees([least_tree()], x).tolist() == least_half(x).tolist()


@pytest.mark.parametrize("spread", [0.2, 0.57, 0.9])
@pytest.mark.parametrize("n", [5, 9, 40])
def test_the_least_width_covers_accounts_that_scatter_alike(spread, n):
    y = np.random.default_rng(0).normal(6, spread, (20_000, n + 1))
    x = np.full((len(y), len(FEATURES)), np.nan, np.float32)
    x[:, N_EARLIER], x[:, SPREAD] = np.log1p(n), y[:, :n].std(axis=1, ddof=1)
    inside = np.abs(y[:, n] - y[:, :n].mean(axis=1)) <= least_half(x)
    assert inside.mean() == pytest.approx(0.9, abs=0.012)


# --- loading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "words"), [("", "a folder without it"), ("nowhere", "nothing there")])
def test_folder_without_a_model_is_told(tmp_path, place, words):
    with pytest.raises(SettingsError, match=words):
        load_engagement_model(tmp_path / place)


@pytest.mark.parametrize(("old", "new"), [("spread_prior", "other"), ('outputs = ["lower"', 'outputs = ["low"')])
def test_changed_cards_are_refused(trained, tmp_path, old, new):
    for path in Path(trained[1]).glob("engagement.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = tmp_path / "engagement.toml"
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(ModelError):
        load_engagement_model(tmp_path)
