"""Media or a store to reactions: looked at once, kept, written, the same from Python."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import postlens
from postlens.cli.app import run
from postlens.errors import SettingsError, UnknownNameError, UsageError
from postlens.pipelines.analyze import Request, analyze
from postlens.pipelines.answers_reactions import Reactor, shown_faces
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.forget import find_subject, forget_subject
from postlens.pipelines.react import Reactions, react_media, react_store
from postlens.pipelines.react_files import HEADER, write_reactions
from postlens.pipelines.react_stages import reaction_stages
from postlens.store import Store
from postlens.types import EMOTIONS, Creator, Post

from ..test_types import faces
from .fakes import settings

LABELS = {name: name for name in EMOTIONS}
FILES = {"ann": ("smile.jpg", "flight-suit.jpg"), "bob": ("espresso.jpg",)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, sample_campaign: Path) -> Path:
    """Two creators: portraits, and one of a cup and a file that is no photo."""
    root = tmp_path_factory.mktemp("photos")
    for creator, folder in (("ann", "sample.portraits"), ("bob", "sample.cats.coffee")):
        (root / creator).mkdir()
        for name in FILES[creator]:
            shutil.copy(sample_campaign / "media" / folder / name, root / creator / name)
    (root / "bob" / "torn.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return root


@pytest.fixture(scope="module")
def looked(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Reactions, Path]:
    """What was found with several views, and the folder it was written to."""
    out = tmp_path_factory.mktemp("out")
    found = react_media([str(photos)], settings=settings(), out=out, tta=True)
    write_reactions(found, out, labels=LABELS)
    return found, out


def by_name(found: Reactions) -> dict[str, object]:
    return {Path(one.files[0]).name: one.forecast for one in found.posts}


def test_each_post_has_an_answer_and_each_bad_file_a_failure(looked: tuple[Reactions, Path]) -> None:
    found, _ = looked
    assert {one.creator.handle for one in found.posts} == {"ann", "bob"}
    assert sorted(by_name(found)) == ["espresso.jpg", "flight-suit.jpg", "smile.jpg"]
    assert [Path(failure.subject).name for failure in found.failures] == ["torn.jpg"]
    assert {"scene_emotion", "face_expression"} <= set(found.models)


def test_a_photo_without_faces_says_that_the_scene_decided_alone(looked: tuple[Reactions, Path]) -> None:
    cup, smile = (by_name(looked[0])[name] for name in ("espresso.jpg", "smile.jpg"))
    assert (cup.reader, cup.decided_by, cup.n_faces) == ("scene", "scene", 0)
    assert (smile.reader, smile.n_faces) == ("scene+faces", 1)


def test_only_stages_that_reactions_read_run() -> None:
    assert [stage.name for stage in reaction_stages()] == ["encode", "hash", "detect", "expression", "track"]
    assert reaction_stages(views=True)[-1].name == "views"


def test_the_store_answers_the_same_without_the_media(looked: tuple[Reactions, Path], photos: Path) -> None:
    found, out = looked
    again = react_store(str(out / "postlens.db"), settings=settings(), tta=True)
    assert by_name(again) == by_name(found)
    assert [Path(one.files[0]).name for one in again.posts] == ["flight-suit.jpg", "smile.jpg", "espresso.jpg"]


def test_several_views_change_the_scene_a_little_and_the_faces_not(looked: tuple[Reactions, Path]) -> None:
    views, one = looked[0], react_store(str(looked[1] / "postlens.db"), settings=settings())
    first, second = by_name(views)["espresso.jpg"], by_name(one)["espresso.jpg"]
    gap = max(abs(first.probs[name] - second.probs[name]) for name in EMOTIONS)
    assert 0 < gap < 0.3
    assert {name: fc.n_faces for name, fc in by_name(views).items()} == {
        name: fc.n_faces for name, fc in by_name(one).items()
    }


def test_a_store_without_several_views_says_so(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    react_media([str(photos / "bob")], settings=settings(), out=out)
    with pytest.raises(UsageError, match="has none of 1 files of unknown:bob"):
        react_store(str(out / "postlens.db"), settings=settings(), tta=True)


def test_one_creator_of_a_store_can_be_asked_for(looked: tuple[Reactions, Path]) -> None:
    store = str(looked[1] / "postlens.db")
    assert list(by_name(react_store(store, settings=settings(), creator="bob"))) == ["espresso.jpg"]
    with pytest.raises(UnknownNameError, match="nobody"):
        react_store(store, settings=settings(), creator="nobody")


def test_both_files_have_a_row_for_each_post_and_failure(looked: tuple[Reactions, Path]) -> None:
    found, out = looked
    rows = list(csv.DictReader(io.StringIO((out / "reactions.csv").read_text(encoding="utf-8"))))
    lines = [json.loads(line) for line in (out / "reactions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert tuple(rows[0]) == HEADER
    assert len(rows) == len(lines) == len(found.posts) + 1
    assert [(row["error"], line.get("error", "")) for row, line in zip(rows, lines, strict=True)] == [
        *[("", "")] * 3,
        ("DecodeError", "DecodeError"),
    ]
    for row, line, one in zip(rows, lines, found.posts, strict=False):
        assert row["allowed"].split() == line["allowed"] == list(one.forecast.allowed)
        assert float(row["happy"]) == line["probs"]["happy"] == pytest.approx(one.forecast.probs["happy"], abs=1e-4)
        assert row["decided_by"] == line["decided_by"] == one.forecast.decided_by


def test_what_is_not_kept_is_looked_at_more_quickly_with_the_same_answers(
    looked: tuple[Reactions, Path], photos: Path, sample_campaign: Path, tmp_path: Path
) -> None:
    assert [stage.name for stage in reaction_stages(kept=False)] == ["encode", "detect", "expression", "track"]
    video = str(sample_campaign / "media" / "sample.portraits" / "two-pioneers.mp4")
    quick = react_media([str(photos), video], settings=settings())
    whole = react_media([str(photos), video], settings=settings(), out=tmp_path / "out")
    assert [one.forecast for one in quick.posts] == [one.forecast for one in whole.posts]


def test_analyze_goes_on_from_what_was_looked_at(looked: tuple[Reactions, Path], photos: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(looked[1], tmp_path / "out"))
    again = analyze(Request((str(photos),), out), settings=settings())
    assert again.stage_seconds.get("expression", 0) < 0.01
    assert "measure" in again.stage_seconds


def test_python_answers_as_the_command_line(looked: tuple[Reactions, Path], photos: Path) -> None:
    found, _ = looked
    with postlens.Lens(settings()) as lens:
        plain = lens.react(photos)
        views = lens.react([photos / "ann", photos / "bob"], tta=True)
        assert [Path(failure.subject).name for failure in lens.failures] == ["torn.jpg"]
    assert [one.subject_id for one in plain] == [one.post.post_id for one in found.posts]
    assert list(views) == [one.forecast for one in found.posts]


def test_settings_change_the_answer_without_a_second_look(looked: tuple[Reactions, Path]) -> None:
    store = str(looked[1] / "postlens.db")
    every = react_store(store, settings=settings(reaction_threshold=0.0, reaction_policy="union"))
    none = react_store(store, settings=settings(reaction_threshold=1.0))
    assert all(len(one.forecast.emotions) == len(EMOTIONS) for one in every.posts)
    assert all(set(one.forecast.allowed) & set(one.forecast.blocked) for one in every.posts)
    assert all((len(one.forecast.emotions), one.forecast.low_confidence) == (1, True) for one in none.posts)


def test_forgetting_takes_the_files_away(photos: Path, tmp_path: Path) -> None:
    out, more = tmp_path / "out", tmp_path / "more"
    assert run(["react", str(photos / "ann"), "--batch", "--out", str(out)]) == 0
    assert run(["react", str(out / "postlens.db"), "--batch", "--out", str(more)]) == 0
    with Store.open(out / "postlens.db") as store:
        done = forget_subject(find_subject("unknown:ann", store=store), store=store, out=out, settings=settings())
    assert done.counts["reactions"] == 4
    assert not [*out.glob("reactions.csv"), *out.glob("*.jsonl"), *more.glob("reactions.*")]


@pytest.mark.parametrize("sources", [[], ["sample.unknown-scheme://x"]])
def test_nothing_to_look_at_is_wrong_usage_or_a_failure(sources: list[str]) -> None:
    if not sources:
        with pytest.raises(UsageError, match="expected at least one source"):
            react_media(sources, settings=settings())
    else:
        found = react_media(sources, settings=settings())
        assert (found.posts, len(found.failures)) == ((), 1)


def test_an_emoji_table_that_cannot_be_used_stops_before_any_look(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        react_media([str(photos)], settings=settings(emoji_table=tmp_path / "absent.toml"))


# --- one post -------------------------------------------------------------------------------------------------------


def facts(**changes: object) -> CreatorFacts:
    """A post of two files, nothing known about either."""
    values = {name: {} for name in ("post_media", "media", "embeddings", "faces", "measures", "snapshots")}
    return CreatorFacts(creator=Creator("x:a", "x", "a"), posts=(POST,), **{**values, **changes})


POST = Post("p", "x:a", "x", ("a" * 64, "b" * 64))


def test_a_post_of_which_nothing_was_read_has_no_reaction() -> None:
    assert Reactor(settings()).react(POST, facts()) is None


def test_faces_alone_answer_where_no_frame_was_encoded() -> None:
    shown = replace(faces(1), expression=np.eye(8, dtype=np.float32)[:1], quality=np.ones(1, np.float32))
    found = Reactor(settings()).react(POST, facts(faces={"a" * 64: shown}))
    assert found is not None
    assert (found.reader, found.decided_by, found.emotions[0]) == ("faces", "faces", "happy")


def test_tracks_of_two_files_are_two_tracks() -> None:
    one = replace(faces(2), expression=np.full((2, 8), 0.125, np.float32), track_id=np.array([0, 1]))
    joined = shown_faces(POST, facts(faces={"a" * 64: one, "b" * 64: one}))
    assert joined.track_id is not None
    assert joined.track_id.tolist() == [0, 1, 2, 3]


def test_faces_of_a_photo_and_tracks_of_a_video_are_counted_as_such() -> None:
    photo = replace(faces(2), expression=np.full((2, 8), 0.125, np.float32), track_id=None)
    video = replace(faces(4), expression=np.full((4, 8), 0.125, np.float32), track_id=np.array([0, 1, 0, 1]))
    joined = shown_faces(POST, facts(faces={"a" * 64: photo, "b" * 64: video}))
    assert joined.track_id is not None
    assert joined.track_id.tolist() == [0, 1, 2, 3, 2, 3]
    joined = shown_faces(POST, facts(faces={"a" * 64: video, "b" * 64: photo}))
    assert joined.track_id is not None
    assert joined.track_id.tolist() == [0, 1, 0, 1, 2, 3]


def test_a_post_of_a_photo_and_a_video_is_answered_alike_kept_or_not(sample_campaign: Path, tmp_path: Path) -> None:
    for name in ("smile.jpg", "two-pioneers.mp4"):
        shutil.copy(sample_campaign / "media" / "sample.portraits" / name, tmp_path / name)
    table = tmp_path / "mixed.csv"
    table.write_text("post_id,creator,file\nm2,me,smile.jpg; two-pioneers.mp4\n", encoding="utf-8")
    (quick,) = react_media([str(table)], settings=settings()).posts
    (kept,) = react_media([str(table)], settings=settings(), out=tmp_path / "out").posts
    assert quick.forecast == kept.forecast
    assert kept.forecast.n_faces == 3
