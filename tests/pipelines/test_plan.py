"""Which stages are stale: what the ledger lacks, and all that builds on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.pipelines.plan import stale_stages, with_dependents

from .fakes import FakeStage, chain

BRANCHES = (
    FakeStage("detect"),
    FakeStage("track", needs=("detect",)),
    FakeStage("encode"),
    FakeStage("niche", needs=("encode",)),
    FakeStage("both", needs=("track", "niche")),
)


@pytest.mark.parametrize(
    ("stale", "wanted"),
    [
        (set(), set()),
        ({"both"}, {"both"}),
        ({"track"}, {"track", "both"}),
        ({"detect"}, {"detect", "track", "both"}),
        ({"encode", "detect"}, {"detect", "track", "encode", "niche", "both"}),
    ],
)
def test_staleness_spreads_to_what_builds_on_it(stale, wanted):
    assert with_dependents(stale, BRANCHES) == wanted


def test_media_that_lack_nothing_are_left_out():
    assert stale_stages({"a": set(), "b": {"track"}}, BRANCHES) == {"b": frozenset({"track", "both"})}


@given(st.sets(st.sampled_from([stage.name for stage in BRANCHES])))
def test_the_plan_is_closed_and_holds_what_was_stale(stale):
    found = with_dependents(stale, BRANCHES)
    assert stale <= found
    assert with_dependents(found, BRANCHES) == found
    assert all(stage.name in found for stage in BRANCHES if found.intersection(stage.needs))


@given(st.integers(0, 5))
def test_in_a_chain_all_later_stages_are_stale(first):
    stages = chain("a", "b", "c", "d", "e", "f")
    assert with_dependents({stages[first].name}, stages) == {stage.name for stage in stages[first:]}
