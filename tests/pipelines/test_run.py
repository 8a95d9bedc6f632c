"""Batches through threads: what fails stays with its file, and stopping stops."""

from __future__ import annotations

import threading

import pytest

from postlens.media.hashing import sha256_file
from postlens.pipelines import run
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.run import IMAGES_PER_BATCH, Runner
from postlens.types import FrameBatch

from ..media.samples import write_video
from .fakes import FakeStage, chain, pictures, settings


def items_of(paths: dict[str, str], stages) -> list[WorkItem]:
    names = frozenset(stage.name for stage in stages)
    return [WorkItem(sha256, path, "image", names) for sha256, path in paths.items()]


def outcomes_of(items, stages, **changes):
    with Runner(stages, settings(**changes)) as runner:
        return {one.item.sha256: one for one in runner.outcomes(items, load=lambda _: {})}


@pytest.mark.parametrize("n_files", [0, 1, IMAGES_PER_BATCH, 2 * IMAGES_PER_BATCH + 3])
def test_every_item_has_one_outcome_with_all_stages_done_in_order(tmp_path, n_files):
    stages, paths = chain("a", "b"), pictures(tmp_path, n_files)
    found = outcomes_of(items_of(paths, stages), stages)
    assert found.keys() == paths.keys()
    assert all(one.done == ("a", "b") and not one.failures for one in found.values())
    assert all(count == 1 for stage in stages for count in stage.seen.values())


def test_a_stage_that_fails_for_one_file_fails_only_that_file(tmp_path):
    paths = pictures(tmp_path, 5)
    bad = list(paths)[2]
    stages = (FakeStage("a", bad=frozenset({bad})), FakeStage("b", ("a",)), FakeStage("c", ("b",)), FakeStage("d"))
    found = outcomes_of(items_of(paths, stages), stages)
    assert [(f.subject, f.stage, f.error) for f in found[bad].failures] == [(paths[bad], "a", "ValueError")]
    assert found[bad].done == ("d",)
    assert all(one.done == ("a", "b", "c", "d") for sha256, one in found.items() if sha256 != bad)


def test_a_file_that_cannot_be_decoded_runs_no_stage(tmp_path):
    paths = pictures(tmp_path, 2) | {"0" * 64: str(tmp_path / "absent.png")}
    stages = chain("a", "b")
    found = outcomes_of(items_of(paths, stages), stages)
    assert [(f.stage, f.error) for f in found["0" * 64].failures] == [("decode", "MediaNotFoundError")]
    assert (found["0" * 64].features, found["0" * 64].done) == (None, ())
    assert "0" * 64 not in stages[0].seen


def test_a_file_that_changed_since_it_was_hashed_is_not_stored_under_its_old_hash(tmp_path):
    paths = pictures(tmp_path, 1)
    (tmp_path / "0.png").write_bytes((tmp_path / "0.png").read_bytes() + b"more")
    (found,) = outcomes_of(items_of(paths, chain("a")), chain("a")).values()
    assert "changed while it was being analyzed" in found.failures[0].message


def test_only_the_wanted_stages_run(tmp_path):
    paths, stages = pictures(tmp_path, 2), chain("a", "b", "c")
    first, second = paths
    wanted = {first: frozenset({"c"}), second: frozenset({"a", "b", "c"})}
    found = outcomes_of([WorkItem(s, paths[s], "image", wanted[s]) for s in paths], stages)
    assert (found[first].done, found[second].done) == (("c",), ("a", "b", "c"))
    assert first not in stages[0].seen


def test_a_video_is_looked_at_frame_by_frame_and_alone(tmp_path):
    path = write_video(tmp_path / "v.mp4", n_frames=30)
    batches: list[tuple[int, int]] = []

    class Counting(FakeStage):
        def __call__(self, batch):
            batches.append((len(batch), len(batch[0].frames)))
            return super().__call__(batch)

    item = WorkItem(sha256_file(path), str(path), "video", frozenset({"a"}))
    stages = (Counting("a"),)
    outcomes_of([*items_of(pictures(tmp_path, 3), stages), item], stages, workers=1)
    assert sorted(batches) == [(1, 8), (3, 1)]


def test_no_more_batches_are_in_flight_than_memory_allows(tmp_path):
    """The stored features of an item are asked for just before it is handed to a worker."""
    asked: list[int] = []
    paths = pictures(tmp_path, 9 * IMAGES_PER_BATCH)
    with Runner(chain("a"), settings(workers=1)) as runner:
        found = runner.outcomes(items_of(paths, chain("a")), load=lambda batch: asked.append(len(batch)) or {})
        next(found)
        assert sum(asked) <= 3 * IMAGES_PER_BATCH


def test_closing_stops_batches_that_have_begun_at_their_next_stage(tmp_path):
    entered, let_go = threading.Event(), threading.Event()

    class Slow(FakeStage):
        def __call__(self, batch):
            entered.set()
            let_go.wait(timeout=30)
            return super().__call__(batch)

    stages = (Slow("a"), FakeStage("b"))
    runner = Runner(stages, settings(workers=1))
    pull = threading.Thread(target=lambda: list(runner.outcomes(work, load=lambda _: {})), daemon=True)
    work = items_of(pictures(tmp_path, 1), stages)
    pull.start()
    assert entered.wait(timeout=30)
    closing = threading.Thread(target=runner.close)
    closing.start()
    assert runner._stop.wait(timeout=30)
    let_go.set()
    closing.join(timeout=30)
    pull.join(timeout=30)
    assert not closing.is_alive()
    assert sum(stages[1].seen.values()) == 0


def test_a_closed_runner_takes_no_more_work(tmp_path):
    runner = Runner(chain("a"), settings())
    runner.close()
    with pytest.raises(RuntimeError):
        list(runner.outcomes(items_of(pictures(tmp_path, 1), chain("a")), load=lambda _: {}))


def test_seconds_are_counted_for_each_part(tmp_path):
    stages = chain("a", "b")
    with Runner(stages, settings()) as runner:
        list(runner.outcomes(items_of(pictures(tmp_path, 3), stages), load=lambda _: {}))
        assert set(runner.clock.seconds) == {"decode", "a", "b"}
        assert all(seconds >= 0 for seconds in runner.clock.seconds.values())


def test_an_outcome_carries_a_thumbnail(tmp_path):
    stages = chain("a")
    (found,) = outcomes_of(items_of(pictures(tmp_path, 1), stages), stages).values()
    assert isinstance(found.features.thumbnail, bytes)
    assert found.features.thumbnail.startswith(b"\xff\xd8")


def test_a_thumbnail_that_cannot_be_made_fails_only_its_file(tmp_path, monkeypatch):
    stages, paths = chain("a"), pictures(tmp_path, 3)
    bad, made = next(iter(paths)), run.thumbnail_of

    def breaks(work):
        if work.sha256 == bad:
            raise ValueError("no thumbnail")
        return made(work)

    monkeypatch.setattr(run, "thumbnail_of", breaks)
    found = outcomes_of(items_of(paths, stages), stages)
    assert [sha256 for sha256, one in found.items() if one.failures] == [bad]
    assert (found[bad].features, found[bad].done, found[bad].failures[0].stage) == (None, (), "thumbnail")


@pytest.mark.parametrize("wrong", [lambda batch: (), lambda batch: batch * 2, lambda batch: batch[:1]])
def test_a_stage_that_returns_other_media_fails_for_them_and_stops_nothing(tmp_path, wrong):
    class Wrong(FakeStage):
        def __call__(self, batch):
            return wrong(super().__call__(batch)) if len(batch) > 1 else ()

    stages = (Wrong("a"), FakeStage("b"))
    found = outcomes_of(items_of(pictures(tmp_path, 3), stages), stages)
    assert all([f.error for f in one.failures] == ["ShapeError"] for one in found.values())
    assert all(one.done == ("b",) for one in found.values())


def test_stages_see_decoded_frames(tmp_path):
    frames: list[FrameBatch] = []

    class Looking(FakeStage):
        def __call__(self, batch):
            frames.extend(work.frames for work in batch)
            return super().__call__(batch)

    stages = (Looking("a"),)
    outcomes_of(items_of(pictures(tmp_path, 1), stages), stages)
    assert frames[0].images[0].shape == (16, 24, 3)
