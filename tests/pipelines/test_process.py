"""Bringing a store up to date: only what is stale is done, and only whole transactions are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from postlens.media.hashing import sha256_file
from postlens.pipelines.process import Processor
from postlens.pipelines.run import Runner
from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.ledger import stale
from postlens.store.meta import read_revision
from postlens.store.vectors import read_measures

from ..media.samples import photo, write_video
from .fakes import ENCODER, NOW, FakeStage, chain, pictures, process, settings


def keys(stages) -> list[tuple[str, str, str]]:
    return [(stage.name, stage.version, f"{stage.fingerprint}@640px") for stage in stages]


def contents(store: Store) -> dict[str, list[object]]:
    with store.read() as conn:
        return dump(conn)


def test_a_re_run_does_nothing(store, tmp_path):
    paths = pictures(tmp_path / "in", 5)
    first = process(store, chain("a", "b"), paths)
    before = contents(store)
    again = chain("a", "b")
    second = process(store, again, paths)
    assert (first.n_done, first.n_skipped, second.n_done, second.n_skipped) == (5, 0, 0, 5)
    assert not any(stage.seen for stage in again)
    assert contents(store) == before


def test_only_a_changed_file_is_done_again(store, tmp_path):
    paths = pictures(tmp_path / "in", 4)
    process(store, chain("a", "b"), paths)
    kept = dict(list(paths.items())[:3])
    changed = kept | pictures(tmp_path / "in", 1, first=9)
    stages = chain("a", "b")
    result = process(store, stages, changed)
    assert (result.n_done, result.n_skipped) == (1, 3)
    assert set(stages[0].seen) == changed.keys() - paths.keys()


@pytest.mark.parametrize("change", [{"version": "2"}, {"fingerprint": "model-2"}])
def test_a_new_version_or_model_redoes_that_stage_and_what_needs_it(store, tmp_path, change):
    paths = pictures(tmp_path / "in", 3)
    process(store, (FakeStage("a"), FakeStage("b", ("a",)), FakeStage("c", ("b",)), FakeStage("d")), paths)
    stages = (FakeStage("a"), FakeStage("b", ("a",), **change), FakeStage("c", ("b",)), FakeStage("d"))
    result = process(store, stages, paths)
    assert result.n_done == 3
    assert [len(stage.seen) for stage in stages] == [0, 3, 3, 0]


def test_another_decoding_size_redoes_everything(store, tmp_path):
    paths = pictures(tmp_path / "in", 2)
    process(store, chain("a", "b"), paths)
    stages = chain("a", "b")
    result = process(store, stages, paths, image_max_side_px=320)
    assert (result.n_done, [len(stage.seen) for stage in stages]) == (2, [2, 2])
    assert process(store, chain("a", "b"), paths, image_max_side_px=320, video_rate_hz=2.0).n_skipped == 2


def test_a_new_version_keeps_what_other_stages_brought(store, tmp_path):
    paths = pictures(tmp_path / "in", 2)
    process(store, chain("a", "b"), paths)
    with store.read() as conn:
        before = read_measures(conn, paths)
    newer = (FakeStage("a"), FakeStage("b", ("a",), version="5"))
    process(store, newer, paths)
    with store.read() as conn:
        after = read_measures(conn, paths)
    for sha256, measures in after.items():
        assert measures["a"] == pytest.approx(before[sha256]["a"])
        assert measures["b"] == pytest.approx(before[sha256]["b"] + 4)


def test_a_failed_stage_is_tried_again_and_the_others_are_not(store, tmp_path):
    paths = pictures(tmp_path / "in", 3)
    bad = next(iter(paths))
    stages = (FakeStage("a"), FakeStage("b", ("a",), bad=frozenset({bad})), FakeStage("c", ("b",)), FakeStage("d"))
    result = process(store, stages, paths)
    assert (result.n_done, [f.subject for f in result.failures]) == (2, [paths[bad]])
    mended = tuple(replace(stage, bad=frozenset(), seen=type(stage.seen)()) for stage in stages)
    again = process(store, mended, paths)
    assert (again.n_done, again.n_skipped, again.failures) == (1, 2, [])
    assert [set(stage.seen) for stage in mended] == [set(), {bad}, {bad}, set()]


def test_a_file_that_never_decodes_fails_in_every_run(store, tmp_path):
    paths = pictures(tmp_path / "in", 1) | {"0" * 64: str(tmp_path / "absent.png")}
    for _ in range(2):
        result = process(store, chain("a"), paths)
        assert [(f.stage, f.error) for f in result.failures] == [("decode", "MediaNotFoundError")]


@pytest.mark.parametrize(("commit_every", "commits"), [(1, 5), (2, 3), (4096, 1)])
def test_one_transaction_holds_commit_every_files(store, tmp_path, commit_every, commits):
    paths, reported = pictures(tmp_path / "in", 5), []
    with Runner(chain("a"), settings(commit_every=commit_every)) as runner:
        Processor(store, runner, encoder=ENCODER).run(
            paths, now=NOW, progress=lambda done, total: reported.append((done, total))
        )
    assert len(reported) == commits
    assert reported[-1] == (5, 5)
    with store.read() as conn:
        assert read_revision(conn) == commits


def test_progress_only_rises(store, tmp_path):
    reported: list[int] = []
    with Runner(chain("a"), settings(commit_every=1)) as runner:
        Processor(store, runner, encoder=ENCODER).run(
            pictures(tmp_path / "in", 20), now=NOW, progress=lambda done, _: reported.append(done)
        )
    assert reported == sorted(reported)


def test_ctrl_c_keeps_whole_transactions_and_the_next_run_goes_on(store, tmp_path):
    paths, stages = pictures(tmp_path / "in", 20), chain("a", "b")

    def stop_after_two(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Runner(stages, settings(commit_every=2)) as runner:
        Processor(store, runner, encoder=ENCODER).run(paths, now=NOW, progress=stop_after_two)
    with store.read() as conn:
        left, measured = stale(conn, paths, keys(stages)), read_measures(conn, paths)
    assert len(measured) == 4
    assert left.keys() == paths.keys() - measured.keys()
    rest = process(store, chain("a", "b"), paths)
    assert (rest.n_done, rest.n_skipped) == (16, 4)


def test_ctrl_c_in_a_worker_stops_the_run(store, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        process(store, (FakeStage("a", stops=True),), pictures(tmp_path / "in", 3))


def test_an_error_while_committing_stops_the_run_and_keeps_earlier_commits(store, tmp_path, monkeypatch):
    paths = pictures(tmp_path / "in", 6)

    def stop(done: int, _: int) -> None:
        if done == 2:
            store.read_only = True

    with pytest.raises(Exception, match="read-only"), Runner(chain("a"), settings(commit_every=2)) as runner:
        Processor(store, runner, encoder=ENCODER).run(paths, now=NOW, progress=stop)
    store.read_only = False
    assert process(store, chain("a"), paths).n_skipped == 2


@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(workers=st.integers(1, 4), commit_every=st.integers(1, 9), order=st.randoms(use_true_random=False))
def test_threads_commits_and_order_do_not_change_what_is_stored(tmp_path_factory, workers, commit_every, order):
    folder = tmp_path_factory.mktemp("same")
    paths = pictures(folder, 9)
    shuffled = list(paths.items())
    order.shuffle(shuffled)
    found = []
    for name, given_paths, options in (
        ("one.db", paths, {}),
        ("two.db", dict(shuffled), {"workers": workers, "commit_every": commit_every}),
    ):
        with Store.open(folder / name) as opened:
            process(opened, chain("a", "b"), given_paths, **options)
            found.append(contents(opened))
    assert found[0] == found[1]


def test_what_is_neither_image_nor_video_fails_with_the_reason(store, tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("no picture")
    result = process(store, chain("a"), {"0" * 64: str(path)})
    assert [f.error for f in result.failures] == ["UnsupportedMediaError"]


def partial_video(folder: Path) -> dict[str, str]:
    """sha256 to path of a video that ends early."""
    whole = write_video(folder / "whole.mp4", n_frames=60, faststart=True, image=photo(160, 120)).read_bytes()
    clip = folder / "clip.mp4"
    clip.write_bytes(whole[: len(whole) * 2 // 3])
    return {sha256_file(clip): str(clip)}


def test_a_part_of_a_video_is_done_and_told_in_every_run(store, tmp_path):
    paths = partial_video(tmp_path)
    runs = [process(store, chain("a"), paths) for _ in range(2)]
    assert [(run.n_done, run.n_skipped) for run in runs] == [(1, 0), (0, 1)]
    assert [[(f.stage, f.error) for f in run.failures] for run in runs] == [[("decode", "PartialMediaError")]] * 2
    assert "ends early" in runs[0].failures[0].message


def test_another_failure_of_the_file_outranks_that_it_is_a_part(store, tmp_path):
    paths = partial_video(tmp_path)
    result = process(store, (FakeStage("a", bad=frozenset(paths)),), paths)
    assert [(f.stage, f.error) for f in result.failures] == [("a", "ValueError")]
