"""One account's own model: what it finds, what it admits not to find, and what it does with poor input."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import ShapeError
from postlens.tasks.engagement.account import (
    MAX_POSTS,
    MIN_POSTS,
    AccountModel,
    AccountRows,
    fit_account,
    forecast_account,
    read_rows,
)
from postlens.tasks.engagement.account_rows import EXTRAS
from postlens.tasks.engagement.content import content_numbers
from postlens.tasks.engagement.records import PostFacts
from postlens.types import MediaFile

DIM = 24
few_examples = settings(max_examples=15, deadline=None)  # each fits two models


def draw_rows(n: int, *, seed: int = 0) -> AccountRows:
    rng = np.random.default_rng(seed)
    return AccountRows(rng.normal(size=(n, DIM)).astype(np.float32), rng.normal(size=(n, len(EXTRAS))))


def draw_counts(rows: AccountRows, *, effect: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(rows))
    return np.expm1(6 + effect * rows.extras[:, 0] + 0.5 * noise)


def fitted(rows: AccountRows, counts: np.ndarray) -> AccountModel:
    model = fit_account(rows, counts, times_s=np.arange(len(rows), dtype=np.float64))
    assert model is not None
    return model


def facts(post_id: str, vector: np.ndarray | None) -> PostFacts:
    measures = {"brightness": 0.5, "symmetry": -0.1}
    return PostFacts(post_id, None, {}, None, "a #b #c", None, measures, vector=vector)


def test_effect_of_a_measure_is_found_and_forecast() -> None:
    rows = draw_rows(200)
    model = fitted(rows, draw_counts(rows, effect=1.0))
    later = draw_rows(100, seed=2)
    assert model.better_than_median and "better than your median" in model.note
    assert np.corrcoef(forecast_account(model, later)[:, 1], later.extras[:, 0])[0, 1] > 0.9


def test_effect_of_a_direction_of_the_embedding_is_found() -> None:
    rng = np.random.default_rng(3)
    spread = np.linspace(3, 0.3, DIM)  # as in embeddings, few directions hold most of the variance
    rows = AccountRows((rng.normal(size=(200, DIM)) * spread).astype(np.float32), np.zeros((200, 1)))
    counts = np.expm1(6 + 0.4 * rows.vectors[:, 0] + 0.3 * rng.normal(size=200))
    assert fitted(rows, counts).better_than_median


@pytest.mark.parametrize(("n", "has_times"), [(34, True), (50, True), (34, False)])
def test_noise_is_seldom_called_better_than_the_median(n: int, has_times: bool) -> None:
    times = np.arange(n, dtype=np.float64) if has_times else None
    drawn = [
        fit_account(rows, draw_counts(rows, effect=0.0, seed=99 + i), times_s=times)
        for i in range(40)
        if (rows := draw_rows(n, seed=i))
    ]
    assert sum(model is not None and model.better_than_median for model in drawn) <= 2  # of 40: 5 %
    assert any(model is not None and "no better than your median" in model.note for model in drawn)


def test_interval_holds_about_nine_of_ten_later_posts() -> None:
    rows, later = draw_rows(300), draw_rows(400, seed=5)
    bounds = forecast_account(fitted(rows, draw_counts(rows, effect=0.5)), later)
    actual = np.log1p(draw_counts(later, effect=0.5, seed=6))
    assert 0.84 < ((actual >= bounds[:, 0]) & (actual <= bounds[:, 2])).mean() < 0.96


def test_growth_of_the_account_is_followed() -> None:
    rows = draw_rows(200)
    counts = np.expm1(np.log1p(draw_counts(rows, effect=0.0)) + np.linspace(0, 3, 200))
    assert fitted(rows, counts).level > 8


@pytest.mark.parametrize("n", [0, 1, MIN_POSTS - 1])
def test_too_few_posts_give_no_model(n: int) -> None:
    assert fit_account(draw_rows(n), np.full(n, 10.0), times_s=np.arange(n, dtype=np.float64)) is None


@pytest.mark.parametrize("hidden", [np.nan, -1.0, np.inf])
def test_hidden_counts_are_left_out(hidden: float) -> None:
    rows = draw_rows(40)
    counts = draw_counts(rows, effect=0.5)
    counts[:5] = hidden
    assert fitted(rows, counts).n_posts == 35
    counts[:15] = hidden
    assert fit_account(rows, counts) is None


def test_equal_counts_give_that_count_and_no_claim() -> None:
    rows = draw_rows(40)
    model = fitted(rows, np.full(40, 70.0))
    assert np.expm1(forecast_account(model, rows)) == pytest.approx(70.0)
    assert not model.better_than_median and model.penalty == math.inf


def test_constant_and_unknown_columns_say_nothing() -> None:
    rows = draw_rows(60)
    counts = draw_counts(rows, effect=1.0)
    extras = np.hstack([rows.extras, np.full((60, 1), 3.0), np.full((60, 1), np.nan)])
    wider = AccountRows(rows.vectors, extras)
    want, got = forecast_account(fitted(rows, counts), rows), forecast_account(fitted(wider, counts), wider)
    assert got == pytest.approx(want)


def test_photos_without_picture_or_measures_get_the_level() -> None:
    rows = draw_rows(60)
    model = fitted(rows, draw_counts(rows, effect=1.0))
    blank = AccountRows(np.full((1, DIM), np.nan, np.float32), np.full((1, len(EXTRAS)), np.nan))
    assert forecast_account(model, blank)[0, 1] == pytest.approx(model.level)


def test_account_without_any_embedding_is_fitted_on_measures() -> None:
    rows = draw_rows(100)
    counts = draw_counts(rows, effect=1.0)
    assert fitted(AccountRows(rows.vectors[:, :0], rows.extras), counts).better_than_median
    blind = AccountRows(np.full_like(rows.vectors, np.nan), rows.extras)
    assert fitted(blind, counts).better_than_median


def test_more_columns_than_rows_are_no_matter() -> None:
    rng = np.random.default_rng(0)
    rows = AccountRows(rng.normal(size=(MIN_POSTS, 1280)).astype(np.float32), rng.normal(size=(MIN_POSTS, 60)))
    assert np.isfinite(forecast_account(fitted(rows, np.arange(30.0)), rows)).all()


def test_only_the_latest_posts_are_used() -> None:
    rows = draw_rows(MAX_POSTS + 20)
    counts = draw_counts(rows, effect=0.5)
    changed = np.where(np.arange(len(rows)) < 20, 1e6, counts)
    assert forecast_account(fitted(rows, changed), rows) == pytest.approx(forecast_account(fitted(rows, counts), rows))
    assert fitted(rows, counts).n_posts == MAX_POSTS


def test_missing_times_are_said() -> None:
    rows = draw_rows(60)
    counts, times = draw_counts(rows, effect=0.0), np.arange(60.0)
    times[:40] = np.nan
    for model in (fit_account(rows, counts), fit_account(rows, counts, times_s=times)):
        assert model is not None and not model.timed and "drawn by lot stand for later ones" in model.note
    times[:20] = np.arange(20.0)
    dated = fit_account(rows, counts, times_s=times)
    assert dated is not None and dated.timed and dated.n_posts == 40


def test_places_stand_for_time_where_all_are_known() -> None:
    rows, places = draw_rows(60), np.arange(60.0)
    counts = draw_counts(rows, effect=1.0)
    by_place, dated = fit_account(rows, counts, places=places), fit_account(rows, counts, times_s=places)
    assert by_place is not None and dated is not None
    assert by_place.earlier == "places" and "the order in which they were read stands for time" in by_place.note
    assert by_place.held_out.n == dated.held_out.n
    places[3] = np.nan
    by_lot = fit_account(rows, counts, places=places)
    assert by_lot is not None and by_lot.earlier == "lot" and by_lot.held_out.n == 60


@few_examples
@given(order=st.permutations(range(40)))
def test_order_of_rows_without_times_does_not_matter(order: list[int]) -> None:
    rows, shuffled = draw_rows(40), np.array(order)
    counts = draw_counts(rows, effect=0.8)
    once, again = fit_account(rows, counts), fit_account(rows.take(shuffled), counts[shuffled])
    assert once is not None and again is not None
    assert once.earlier == "lot"
    assert np.array_equal(forecast_account(once, rows), forecast_account(again, rows))


@few_examples
@given(order=st.permutations(range(45)))
def test_order_of_rows_with_times_does_not_matter(order: list[int]) -> None:
    rows, shuffled = draw_rows(45), np.array(order)
    counts, times = draw_counts(rows, effect=0.8), np.repeat(np.arange(23.0), 2)[:45]
    again = fit_account(rows.take(shuffled), counts[shuffled], times_s=times[shuffled])
    once = fit_account(rows, counts, times_s=times)
    assert once is not None and again is not None
    assert np.array_equal(forecast_account(once, rows), forecast_account(again, rows))


@few_examples
@given(shift=st.floats(0.0, 5.0))
def test_constant_on_log_counts_shifts_the_forecast(shift: float) -> None:
    rows = draw_rows(40)
    counts = draw_counts(rows, effect=0.8)
    more = np.expm1(np.log1p(counts) + shift)
    want = forecast_account(fitted(rows, counts), rows) + shift
    assert forecast_account(fitted(rows, more), rows) == pytest.approx(want, abs=1e-6)


@few_examples
@given(seed=st.integers(0, 2**31), scale=st.floats(0.0, 20.0))
def test_intervals_are_never_out_of_order(seed: int, scale: float) -> None:
    rng, rows = np.random.default_rng(seed), draw_rows(32, seed=seed)
    bounds = forecast_account(fitted(rows, np.expm1(rng.random(32) * scale)), rows)
    assert (np.diff(bounds, axis=1) >= 0).all() and (bounds >= 0).all()


def test_posts_become_rows_with_nan_for_what_is_not_known() -> None:
    rows = read_rows([facts("a", np.ones(4, np.float32)), facts("b", None)])
    assert rows.vectors.shape == (2, 4) and np.isnan(rows.vectors[1]).all()
    known = dict(zip(EXTRAS, rows.extras[0].tolist(), strict=True))
    assert known["brightness"] == 0.5 and known["n_hashtags"] == 2 and np.isnan(known["aspect"])
    assert read_rows([]).vectors.shape == (0, 0)


def test_rows_hold_what_the_features_of_posts_are() -> None:
    post = replace(facts("a", np.ones(4, np.float32)), media=MediaFile("0" * 64, "image", "a.jpg", 100, 50, 9))
    numbers = content_numbers(post)
    assert read_rows([post]).extras[0] == pytest.approx([numbers.get(name, math.nan) for name in EXTRAS], nan_ok=True)


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="one encoder"):
        read_rows([facts("a", np.ones(4, np.float32)), facts("b", np.ones(5, np.float32))])
    with pytest.raises(ShapeError, match="must have shapes"):
        AccountRows(np.zeros((2, 3), np.float32), np.zeros((3, 1)))
    with pytest.raises(ShapeError, match="counts, times_s and places"):
        fit_account(draw_rows(40), np.ones(39))
    rows = draw_rows(40)
    with pytest.raises(ShapeError, match="columns of embedding"):
        forecast_account(fitted(rows, np.arange(40.0)), AccountRows(rows.vectors[:, :5], rows.extras))
