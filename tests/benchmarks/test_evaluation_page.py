"""Stored scores to the page about them, and result tables to held-out scores."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that renders."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("evaluation_page")


@pytest.fixture
def held_out(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that reads cards and tables."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("evaluation_held_out")


def entry(*, in_sample: bool = True) -> dict[str, Any]:
    """Scores of the niche task as the results file has them."""
    pet = {"n": 3, "f1": 0.9, "f1_ci": [0.8, 1.0]}
    other = {"n": 2, "f1": 0.25, "f1_ci": None}
    return {
        "scores": {
            "n": 1234,
            "accuracy": 0.75,
            "accuracy_ci": [0.7, 0.8],
            "failed": 2,
            "failures": {"DecodeError": 2},
            "in_sample": in_sample,
            "per_class": {"pet": pet, "other": other},
        },
        "held_out": {"n": 1234, "accuracy": 0.5, "accuracy_ci": [0.4, 0.6], "per_class": {"pet": pet, "other": other}},
        "models": {"niche_post": {"fingerprint": "0123456789abcdef", "limits": "Weak on hats."}},
        "run": {"seconds": 12.0, "at": "2026-01-02", "commit": "abc1234", "machine": "2 cores", "versions": "x 1"},
    }


def test_both_figures_stand_side_by_side_with_their_intervals(page: ModuleType) -> None:
    assert "| `accuracy` | 0.500 (0.400 to 0.600) | 0.750 (0.700 to 0.800) |" in page.render({"niche": entry()})


def test_in_sample_scores_are_marked(page: ModuleType) -> None:
    assert "shipped model, **in-sample** |" in page.render({"niche": entry()})


def test_scores_of_a_folder_not_trained_on_are_not_marked(page: ModuleType) -> None:
    text = page.render({"niche": entry(in_sample=False)})
    assert "shipped model, folder not trained on |" in text
    assert "shipped model, **in-sample** |" not in text


def test_sizes_failures_and_circumstances_are_told(page: ModuleType) -> None:
    text = page.render({"niche": entry()})
    assert "n = 1,234; failed: 2 (DecodeError 2)." in text
    assert "Run 2026-01-02 at commit abc1234, 12 s, 2 cores, x 1; niche_post `0123456789abcdef`." in text


def test_the_weakest_class_comes_first_and_the_limits_of_the_card_follow(page: ModuleType) -> None:
    text = page.render({"niche": entry()})
    assert "Lowest f1, held out: other 0.250, pet 0.900 (0.800 to 1.000)." in text
    assert "Card `niche_post`: Weak on hats." in text


def test_a_task_without_held_out_scores_says_why(page: ModuleType) -> None:
    scores = {"n": 10, "people": {"bcubed_f": 0.9, "bcubed_f_ci": None}, "duplicates": None, "in_sample": True}
    text = page.render({"video": {**entry(), "scores": scores, "held_out": {}}})
    assert "Held out: None." in text
    assert "| `people.bcubed_f` | – | 0.900 |" in text


def test_tasks_without_results_are_left_out(page: ModuleType) -> None:
    assert "postlens evaluate attributes" not in page.render({"niche": entry()})


def test_rows_of_another_benchmark_are_quoted(
    page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.csv").write_text('case,n,mae,mae_ci,rank\nnet,1975,1.5,"[1.25, 1.75]",\n', encoding="utf-8")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    about = {"title": "A net", "words": "Told.", "file": "x.csv", "name": "case", "scores": ["n", "mae", "rank"]}
    assert "| net | 1,975 | 1.500 (1.250 to 1.750) | – |" in page.quoted(about)


def test_columns_of_a_table_become_scores_with_intervals(held_out: ModuleType) -> None:
    row = {"label": "hat", "n": "12", "auc": "0.9", "auc_low": "0.8", "auc_high": "1.0"}
    assert held_out.wide(row) == {"n": 12, "auc": 0.9, "auc_ci": [0.8, 1.0]}


@pytest.mark.parametrize("text", ["", "nan"])
def test_a_blank_cell_is_no_number(held_out: ModuleType, text: str) -> None:
    assert held_out.number(text) is None
    assert held_out.interval_of("0.1", text) is None


@pytest.mark.parametrize("task", ["niche", "expression", "scene_emotion", "attributes", "instagram_posts"])
def test_held_out_scores_exist_for_every_headline_score_with_an_interval(
    page: ModuleType, held_out: ModuleType, task: str
) -> None:
    found = held_out.held_out_scores(task)
    names = [name for name in page.read_tasks()[task]["scores"] if page.at(found, name) is not None]
    assert len(names) >= 3
    assert all(page.at(found, f"{name}_ci") for name in names)


def test_clips_whose_thresholds_come_from_them_have_no_held_out_scores(held_out: ModuleType) -> None:
    assert held_out.held_out_scores("video") == {}


def test_each_source_of_faces_is_scored_by_the_threshold_of_the_others(held_out: ModuleType) -> None:
    found = held_out.held_out_scores("faces_identity")
    assert found["accuracy_ci"][0] < found["accuracy"] < found["accuracy_ci"][1]
    assert sum(one["n"] for one in found["by_source"].values()) == found["n"]


def test_the_account_median_stands_beside_the_model(held_out: ModuleType) -> None:
    known = held_out.held_out_scores("instagram_posts")["by_known"]
    warm = known["Instagram posts, with earlier ones"]
    assert warm["account_median_ci"][1] > warm["account_median"] > warm["mae_log"]
    assert not any(name.endswith("account median") for name in known)
