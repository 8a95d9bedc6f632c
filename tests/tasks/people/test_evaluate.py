"""Scores of people: what each rewards and what it counts against."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.tasks.people.evaluate import fnmr_at_fmr, score_clips, score_copies, score_pairs


def pair_scores(distance, same, *, sources=None):
    n = len(distance)
    return score_pairs(
        np.array(distance, float), np.array(same, bool), threshold=0.5, sources=sources or ["s"] * n,
        people=[str(i) for i in range(n)], rng=np.random.default_rng(0),
    )  # fmt: skip


def clip_scores(predicted, labelled):
    shoots = [str(i) for i in range(len(predicted))]
    return score_clips(predicted, labelled, shoots=shoots, rng=np.random.default_rng(0))


def test_pairs_without_a_face_are_answered_different():
    table = pair_scores([0.1, np.nan, np.nan, 0.9], [True, True, False, False])
    assert (table["n"], table["n_compared"], table["accuracy"], table["auc"]) == (4, 2, 0.75, 1.0)


def test_each_source_has_its_own_scores():
    table = pair_scores([0.1, 0.9, 0.9, 0.1], [True, False, True, False], sources=["good", "good", "bad", "bad"])
    assert table["by_source"]["good"]["accuracy"] == 1.0 and table["by_source"]["bad"]["accuracy"] == 0.0
    assert table["accuracy_ci"] == [0.0, 1.0]


def test_the_false_non_match_rate_is_taken_where_few_others_pass():
    distance, same = np.array([0.1, 0.3, 0.5, 0.2, 0.4, 0.6]), np.array([True, True, True, False, False, False])
    assert fnmr_at_fmr(distance, same, fmr=0.0) == pytest.approx(2 / 3)
    assert fnmr_at_fmr(distance, same, fmr=0.34) == pytest.approx(1 / 3)
    assert np.isnan(fnmr_at_fmr(distance[:3], same[:3], fmr=0.1))


def test_the_right_people_score_one():
    table = clip_scores([{"p"}, {"p"}, {"q"}, set()], [{"ann"}, {"ann"}, {"bob"}, {"cid"}])
    assert [table[k] for k in ("pairwise_precision", "pairwise_recall", "pairwise_f", "bcubed_f")] == [1.0] * 4


def test_a_wrong_merge_costs_precision_and_a_split_costs_recall():
    merged = clip_scores([{"p"}] * 4, [{"ann"}, {"ann"}, {"bob"}, {"bob"}])
    assert (merged["pairwise_precision"], merged["pairwise_recall"], merged["n_wrong_pairs"]) == (0.3333, 1.0, 4)
    split = clip_scores([{"p"}, {"q"}, {"r"}, {"r"}], [{"ann"}, {"ann"}, {"bob"}, {"bob"}])
    assert (split["pairwise_precision"], split["pairwise_recall"]) == (1.0, 0.5)


def test_clips_of_several_people_share_any_of_them():
    table = clip_scores([{"p", "q"}, {"q"}, {"p"}], [{"ann", "bob"}, {"bob"}, {"ann"}])
    assert (table["pairwise_f"], table["bcubed_f"], table["n_persons"]) == (1.0, 1.0, 2)


def test_nobody_found_has_no_precision():
    table = clip_scores([set(), set()], [{"ann"}, {"ann"}])
    assert (table["pairwise_precision"], table["pairwise_recall"]) == (None, 0.0)


EDITS = {"edit_of": {"b": "a", "c": "a", "y": "x"}, "edits": {"b": "crop", "c": "logo", "y": "crop"}}


def test_copies_count_by_link_and_by_edit():
    table = score_copies([("b", "a"), ("z", "x")], **EDITS, rng=np.random.default_rng(0))
    assert (table["precision"], table["recall"], table["n_wrong"]) == (0.5, 0.3333, 1)
    assert table["by_edit"]["crop"]["recall"] == 0.5 and table["by_edit"]["logo"]["recall"] == 0.0


def test_an_edit_linked_to_another_edit_of_the_same_clip_is_a_right_link():
    table = score_copies([("c", "b")], **EDITS, rng=np.random.default_rng(0))
    assert (table["precision"], table["recall"]) == (1.0, 0.0)


def test_no_copies_found_have_no_precision():
    assert score_copies([], **EDITS, rng=np.random.default_rng(0))["precision"] is None
