"""The Python entry: typed answers, streamed, the same as those of the command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

import postlens
from postlens import errors
from postlens.cli.app import run
from postlens.config import Settings
from postlens.errors import MediaError, PostlensError, SettingsError, SourceError, UsageError
from postlens.store.people import read_persons, write_persons
from postlens.types import NICHES, Failure, PostAnalysis

from ..media.samples import encoded, photo, png_claiming, write_video
from .fakes import picture, settings

PORTRAITS = "sample.portraits"


@pytest.fixture(scope="module")
def campaign(tmp_path_factory, sample_campaign) -> Path:
    """Two creators of the sample campaign, photos only."""
    root = tmp_path_factory.mktemp("campaign")
    for creator in (PORTRAITS, "sample.newcomer"):
        (root / creator).mkdir()
        for path in sorted((sample_campaign / "media" / creator).glob("*.jpg")):
            shutil.copy(path, root / creator / path.name)
    return root


@pytest.fixture(scope="module")
def lens():
    with postlens.Lens(settings()) as opened:
        yield opened


@pytest.fixture(scope="module")
def portrait(campaign) -> Path:
    return campaign / PORTRAITS / "flight-suit.jpg"


def test_a_photo_has_all_answers(lens, portrait):
    found = lens.analyze(portrait, creator="ann")
    assert isinstance(found, PostAnalysis)
    assert (found.creator.handle, found.media[0].kind, len(found.faces)) == ("ann", "image", 1)
    assert found.niche.label in NICHES
    assert len(found.faces[0]) >= 1
    assert found.faces[0].expression.shape == (len(found.faces[0]), 8)
    assert found.reaction.emotions or found.reaction.low_confidence
    assert found.recommendation.n_images == 1
    assert found.forecast.median is None
    assert "not enough data" in found.forecast.note


def test_an_answer_becomes_json_without_identity_vectors(lens, portrait):
    text = json.dumps(lens.analyze(portrait).to_dict(), allow_nan=False)
    assert set(json.loads(text)) == {f.name for f in fields(PostAnalysis)}
    assert '"template"' not in text
    assert '"thumbnails"' not in text


def test_asking_again_gives_the_same_answer(lens, portrait):
    assert lens.analyze(portrait).to_dict() == lens.analyze(str(portrait)).to_dict()


def test_answers_come_before_the_last_file_is_looked_at(lens, tmp_path):
    for number in range(20):
        picture(tmp_path / f"{number:02}.png", seed=number)
    stream = lens.analyze_many([tmp_path])
    first = next(stream)
    picture(tmp_path / "19.png", seed=99)
    rest = list(stream)
    assert first.niche is not None
    assert len(rest) == 19
    assert sum(one.niche is None for one in rest) == 1
    assert "changed" in lens.failures[0].message


def test_a_stream_can_be_left_early(lens, tmp_path):
    for number in range(12):
        picture(tmp_path / f"{number:02}.png", seed=number)
    stream = lens.analyze_many([tmp_path])
    next(stream)
    stream.close()
    assert len(list(lens.analyze_many([tmp_path]))) == 12


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("absent.jpg", None, "SourceNotFoundError"),
        ("empty.jpg", b"", "EmptyMediaError"),
        ("text.jpg", b"no picture", "UnsupportedMediaError"),
        ("bomb.png", png_claiming(50_000, 50_000), "TooLargeError"),
        ("truncated.jpg", None, "DecodeError"),
    ],
)
def test_a_file_that_cannot_be_used_raises_its_own_error(lens, tmp_path, name, content, error):
    path = tmp_path / name
    if name == "truncated.jpg":
        content = encoded(photo(640, 480, seed=2), "JPEG")[:9000]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(getattr(errors, error)) as caught:
        lens.analyze(path)
    assert isinstance(caught.value, MediaError | SourceError)
    assert name in str(caught.value)


def test_a_folder_of_several_posts_is_wrong_usage_for_one(lens, campaign):
    with pytest.raises(UsageError, match="analyze_many"):
        lens.analyze(campaign / PORTRAITS)


def test_a_broken_file_among_others_is_a_post_with_its_failure(lens, campaign, tmp_path):
    shutil.copy(campaign / PORTRAITS / "smile.jpg", tmp_path / "a.jpg")
    for name in ("b.jpg", "same-bytes.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    found = {
        Path(one.failures[0].subject).name if one.failures else "good": one for one in lens.analyze_many([tmp_path])
    }
    assert set(found) == {"good", "b.jpg", "same-bytes.jpg"}
    assert found["good"].niche is not None
    assert found["b.jpg"].niche is None
    assert {failure.error for failure in lens.failures} == {"UnsupportedMediaError"}


def test_failures_are_those_of_the_last_call(lens, portrait, tmp_path):
    assert list(lens.analyze_many([tmp_path / "absent.jpg"])) == []
    assert len(lens.failures) == 1
    lens.analyze(portrait)
    assert lens.failures == ()


def test_people_are_known_only_with_a_store(lens, campaign, tmp_path):
    without = list(lens.analyze_many([campaign / PORTRAITS]))
    assert not any(one.appearances for one in without)
    with postlens.Lens(settings(), store=tmp_path / "people.db") as keeping:
        list(keeping.analyze_many([campaign / PORTRAITS]))
        again = list(keeping.analyze_many([campaign / PORTRAITS]))
    persons = [a.person_id for one in again for a in one.appearances]
    assert persons
    assert max(persons.count(person_id) for person_id in persons) >= 2
    assert (tmp_path / "people.db").is_file()


def test_a_person_whom_the_user_hid_is_in_no_answer(campaign, tmp_path):
    with postlens.Lens(settings(), store=tmp_path / "people.db") as lens:
        list(lens.analyze_many([campaign / PORTRAITS]))
        with lens._store.write() as conn:
            hidden, *others = read_persons(conn)
            write_persons(conn, [replace(hidden, hidden=True)])
        again = list(lens.analyze_many([campaign / PORTRAITS]))
    shown = {a.person_id for one in again for a in one.appearances}
    assert shown == {person.person_id for person in others}


def test_the_answers_are_those_of_the_command_line(campaign, tmp_path):
    assert run(["analyze", str(campaign), "--out", str(tmp_path / "out")]) == 0
    said = json.loads((tmp_path / "out" / "predictions.json").read_text())["posts"]
    with postlens.Lens(Settings(), store=tmp_path / "lens.db") as lens:
        list(lens.analyze_many([campaign]))
        found = {one.post.post_id: one.to_dict() for one in lens.analyze_many([campaign])}
    found = {post_id: one | {"figures": {}} for post_id, one in found.items()}  # of the source, which has none
    assert json.loads(json.dumps(found)) == said


def test_forecasts_are_those_of_the_command_line(tmp_path):
    rows = ["path,creator,likes,followers,published_at,caption"]
    for day in range(1, 13):  # latest first, and more than are looked at in the first step
        picture(tmp_path / f"{day}.png", seed=day)
        rows.insert(1, f"{day}.png,mara,{'' if day == 12 else 50 + day},900,2024-03-{day:02},{'#a ' * day}")
    (tmp_path / "posts.csv").write_text("\n".join(rows), encoding="utf-8")
    assert run(["analyze", str(tmp_path / "posts.csv"), "--out", str(tmp_path / "out")]) == 0
    said = json.loads((tmp_path / "out" / "predictions.json").read_text())["posts"]
    with postlens.Lens(Settings(), store=tmp_path / "lens.db") as lens:
        found = {one.post.post_id: one for one in lens.analyze_many([tmp_path / "posts.csv"])}
        again = next(iter(lens.analyze_many([tmp_path / "posts.csv"])))
    assert len(said) == len(found) == 12
    for post_id, one in said.items():
        assert json.loads(json.dumps(found[post_id].to_dict()["forecast"])) == one["forecast"]
    assert again.forecast == found[again.post.post_id].forecast


def test_a_video_is_answered(lens, sample_campaign):
    found = lens.analyze(sample_campaign / "media" / PORTRAITS / "glasses.mp4")
    assert found.media[0].kind == "video"
    assert found.media[0].duration_s > 1
    assert found.niche is not None
    assert len(found.faces[0]) >= 1


def test_a_truncated_video_is_answered_and_told(lens, tmp_path):
    whole = write_video(tmp_path / "whole.mp4", n_frames=100, faststart=True, image=photo(320, 240)).read_bytes()
    (tmp_path / "clip.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    found = lens.analyze(tmp_path / "clip.mp4")
    assert found.niche is not None
    assert [failure.error for failure in lens.failures] == ["PartialMediaError"]
    assert [failure.error for failure in found.failures] == ["PartialMediaError"]


def test_numbers_of_a_table_bring_forecasts(lens, sample_campaign):
    table = sample_campaign / "posts.csv"
    rows = table.read_text(encoding="utf-8").splitlines()
    mine = [rows[0], *(row for row in rows if row.startswith("media/sample.interior/"))]
    with_paths = "\n".join(mine).replace("media/", f"{sample_campaign}/media/")
    path = Path(lens._downloads).parent / "mine.csv"
    path.write_text(with_paths, encoding="utf-8")
    found = list(lens.analyze_many([path]))
    assert any(one.forecast.median is not None for one in found)
    assert {one.creator.handle for one in found} == {"sample.interior"}


def test_settings_that_cannot_be_used_leave_nothing_open(tmp_path):
    with pytest.raises(SettingsError, match="absent"):
        postlens.Lens(settings(catalog=tmp_path / "absent.csv"), store=tmp_path / "a.db")
    with postlens.Lens(settings(), store=tmp_path / "a.db"):
        pass


def test_closing_removes_what_is_temporary_and_twice_is_once():
    lens = postlens.Lens(settings())
    folder = lens._downloads.parent
    assert folder.is_dir()
    lens.close()
    lens.close()
    assert not folder.exists()


@pytest.mark.parametrize(("name", "kind"), [("DecodeError", errors.DecodeError), ("ValueError", PostlensError)])
def test_a_failure_becomes_the_exception_it_was_made_of(name, kind):
    from postlens.pipelines.lens import _error

    error = _error(Failure("a.jpg", "decode", name, "said"))
    assert type(error) is kind
    assert str(error) == "said"


def test_enrolled_people_are_identified_and_verified_from_python(sample_campaign, tmp_path):
    folder = sample_campaign / "media" / PORTRAITS
    with postlens.Lens(settings(), store=tmp_path / "people.db") as lens:
        done = lens.enroll("Ann", [folder / "smile.jpg"])
        assert [face.person_id for face in lens.identify(folder / "flight-suit.jpg")] == [done.person_id]
        assert [face.person_id for face in lens.identify(folder / "navy-cap.jpg", strict=True)] == [None]
        assert lens.verify(folder / "smile.jpg", folder / "flight-suit.jpg").same
        with pytest.raises(errors.MediaNotFoundError):
            lens.identify(tmp_path / "absent.jpg")


@pytest.mark.parametrize("verb", ["enroll", "identify"])
def test_people_need_a_store(lens, sample_campaign, verb):
    photo = sample_campaign / "media" / PORTRAITS / "smile.jpg"
    with pytest.raises(postlens.errors.UsageError, match="needs a store"):
        lens.enroll("Ann", [photo]) if verb == "enroll" else lens.identify(photo)
