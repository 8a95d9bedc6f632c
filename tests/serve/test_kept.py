"""Answers that are made once for all who wait for them, and how old they may be."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from postlens.serve.kept import REUSE, Kept

from .conftest import wait_until


@pytest.fixture
def pool():
    """One thread."""
    with ThreadPoolExecutor(1) as found:
        yield found


@pytest.fixture
def world():
    """A store of which nothing is known but its revision, and a clock."""
    return SimpleNamespace(
        revision=1, time_s=0.0, n_made=0, is_job=True, began=threading.Event(), go_on=threading.Event()
    )


def kept_of(world, pool) -> Kept[str]:
    """Things whose making takes a second."""

    def make() -> tuple[int, str]:
        revision = world.revision
        world.n_made += 1
        world.time_s += 1
        world.began.set()
        assert world.go_on.wait(5)
        return revision, f"of {revision}"

    return Kept(make, pool, may_age=lambda: world.is_job, clock=lambda: world.time_s)


def test_while_a_job_runs_the_old_is_shown_for_a_while(world, pool):
    world.go_on.set()
    kept = kept_of(world, pool)
    assert [kept.get(1).value, kept.get(1).value] == ["of 1", "of 1"]
    world.revision = 2
    assert kept.get(2).value == "of 1"
    assert kept.get(2, exact=True).value == "of 2"
    world.revision, world.time_s = 3, world.time_s + REUSE
    assert kept.get(3).value == "of 3"
    world.revision, world.is_job = 4, False
    assert kept.get(4).value == "of 4"
    assert world.n_made == 4


def test_what_was_begun_before_a_change_is_not_shown_after_it(world, pool):
    kept = kept_of(world, pool)
    with ThreadPoolExecutor(1) as asking:
        before = asking.submit(kept.get, 1)
        assert world.began.wait(5)
        world.revision = 2  # somebody is forgotten while answers with them are being made
        kept.renew()
        world.go_on.set()
        assert before.result(5).value == "of 1"
    assert kept.get(2).value == "of 2"


def test_all_who_wait_share_one_making_that_outlives_each_of_them(world, pool):
    async def ask() -> list[str]:
        kept = kept_of(world, pool)
        asked = [asyncio.ensure_future(kept.wait(1)) for _ in range(20)]
        await asyncio.to_thread(world.began.wait, 5)
        asked[0].cancel()
        await asyncio.sleep(0)
        world.go_on.set()
        return [(await one).value for one in asked[1:]]

    assert asyncio.run(ask()) == ["of 1"] * 19
    assert world.n_made == 1


def test_a_making_that_fails_fails_for_all_and_is_tried_again(world, pool):
    def breaks() -> tuple[int, str]:
        world.n_made += 1
        raise ValueError

    kept = Kept(breaks, pool)
    for _ in range(2):
        with pytest.raises(ValueError):
            kept.get(1)
    wait_until(lambda: world.n_made == 2)
