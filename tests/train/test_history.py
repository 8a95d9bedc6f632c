"""The history: when a phase is over, and which epoch was the best."""

from __future__ import annotations

import pytest

from postlens.train.history import best_at, is_best, is_over, write_history
from postlens.train.recipe import Phase

PHASE = Phase(name="top", epochs=4, unfrozen_layers=1)


def rows(*scores: float, phase: str = "top") -> list[dict]:
    return [{"phase": phase, "val_macro_f1": score} for score in scores]


OVER = [
    ((), None, False),
    ((0.1, 0.2, 0.3), None, False),
    ((0.1, 0.2, 0.3, 0.4), None, True),
    ((0.5, 0.4, 0.5), 2, True),  # equal is not better
    ((0.5, 0.4), 2, False),
    ((0.5, 0.4, 0.6), 2, False),
    ((0.5, 0.4, 0.3), 3, False),
]


@pytest.mark.parametrize(("scores", "patience", "over"), OVER)
def test_a_phase_is_over_after_its_epochs_or_its_patience(scores, patience, over):
    assert is_over(rows(*scores), PHASE, patience=patience) is over


def test_other_phases_do_not_count():
    assert not is_over(rows(*[0.1] * 9, phase="head"), PHASE, patience=1)


@pytest.mark.parametrize(("scores", "best"), [((0.1,), 1), ((0.1, 0.3, 0.3, 0.2), 2)])
def test_the_first_of_equals_is_the_best(scores, best):
    assert best_at(rows(*scores)) == best
    assert is_best(rows(*scores)) is (best == len(scores))


def test_the_table_has_a_line_for_each_epoch(tmp_path):
    write_history(rows(0.1, 0.25), tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text() == "phase,val_macro_f1\ntop,0.1\ntop,0.25\n"
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]
