"""Enrolling: photos of a person whom the user names make posts carry the name, and are no posts themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from postlens.errors import NotEnoughDataError, UsageError
from postlens.pipelines.conclude import conclude
from postlens.pipelines.decide import undo
from postlens.pipelines.enrol import enroll
from postlens.pipelines.enrol_rows import n_outdated
from postlens.pipelines.people import merge_people, name_person
from postlens.pipelines.stages import all_stages
from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.faces import read_faces
from postlens.store.gallery import GalleryTrack, read_gallery, write_gallery
from postlens.store.ledger import mark_done
from postlens.store.media import read_media
from postlens.store.people import appearances, read_person_tracks, read_persons
from postlens.store.posts import read_posts
from postlens.types import Faces, Provenance

from .fakes import NOW, process, settings
from .sample_run import copy_of

HOW = {"settings": settings(), "now": NOW}
PILOT = ("smile.jpg", "flight-suit.jpg")
OFFICER = ("navy-cap.jpg",)


@pytest.fixture(scope="module")
def portraits(sample_campaign, tmp_path_factory) -> Path:
    """Photos with other bytes than those of the sample's posts."""
    folder = tmp_path_factory.mktemp("given")
    for path in (sample_campaign / "media" / "sample.portraits").glob("*.jpg"):
        with Image.open(path) as photo:
            ImageOps.exif_transpose(photo).convert("RGB").save(folder / path.name, quality=88)
    return folder


@pytest.fixture
def sample(sample_run, tmp_path) -> Store:
    """The store of the sample run."""
    with Store.open(copy_of(sample_run, tmp_path) / "postlens.db") as opened:
        yield opened


def paths(folder: Path, *names: str) -> list[Path]:
    return [folder / name for name in names]


def owners(store: Store) -> dict[str, str]:
    with store.read() as conn:
        return {one.track_id: one.person_id for one in read_person_tracks(conn)}


def test_a_new_person_is_known_by_photos_alone(store, portraits):
    done = enroll(store, "Ann", paths(portraits, *PILOT), **HOW)
    with store.read() as conn:
        assert [(one.person_id, one.name) for one in read_persons(conn)] == [(done.person_id, "Ann")]
        assert {one.kind for one in read_gallery(conn)} == {"enrolled"}
        assert set(owners(store).values()) == {done.person_id}
        assert (read_posts(conn), appearances(conn)) == ([], [])
    assert all(one.distance < 0.43 for one in done.faces)


def test_posts_that_show_an_enrolled_person_carry_the_name(sample, portraits):
    done = enroll(sample, "Ann", paths(portraits, *PILOT), **HOW)
    assert done.n_joined >= 4
    with sample.read() as conn:
        shown = {one.person_id for one in appearances(conn)}
        names = {one.person_id: one.name for one in read_persons(conn)}
    assert names[done.person_id] == "Ann"
    assert done.person_id in shown


def test_joined_tracks_are_all_in_posts_those_vouched_for_included(sample, portraits):
    first = enroll(sample, "Ann", paths(portraits, *PILOT), **HOW)
    with sample.write() as conn:
        own = {one.track_id for one in read_person_tracks(conn) if one.person_id == first.person_id}
        photos = {one.photo.media.sha256 for one in first.faces}
        shown = sorted(one for one in own if one.rpartition(":")[0] not in photos)
        write_gallery(conn, [GalleryTrack(shown[0], first.person_id, "named", NOW)])
    assert len(shown) == first.n_joined
    assert enroll(sample, "Ann", paths(portraits, PILOT[0]), **HOW).n_joined == len(shown)


def test_enrolled_photos_stay_in_every_run(sample, portraits):
    done = enroll(sample, "Ann", paths(portraits, *PILOT), **HOW)
    before = owners(sample)
    conclude(sample, settings=settings(), now=NOW)
    assert owners(sample) == before
    with sample.read() as conn:
        assert {one.photo.media.sha256 for one in done.faces} <= set(read_media(conn))


def test_photos_are_added_to_a_person_who_has_the_name(store, portraits):
    first = enroll(store, "Ann", paths(portraits, PILOT[0]), **HOW)
    second = enroll(store, "Ann", paths(portraits, PILOT[1]), **HOW)
    assert second.person_id == first.person_id
    assert second.faces[0].distance is not None
    with store.read() as conn:
        assert len(read_gallery(conn)) == 2


def test_a_photo_given_twice_is_one(store, portraits):
    done = enroll(store, "Ann", paths(portraits, PILOT[0], PILOT[0]), **HOW)
    enroll(store, "Ann", paths(portraits, PILOT[0]), **HOW)
    assert len(done.faces) == 1
    with store.read() as conn:
        assert len(read_gallery(conn)) == len(read_faces(conn)) == 1


def test_photos_of_two_people_are_refused_unless_forced(store, portraits):
    given = paths(portraits, *PILOT, *OFFICER)
    with pytest.raises(UsageError, match="navy-cap"):
        enroll(store, "Ann", given, **HOW)
    with store.read() as conn:
        assert read_persons(conn) == []
    assert len(enroll(store, "Ann", given, force=True, **HOW).faces) == 3


def test_a_photo_that_looks_like_no_earlier_one_is_refused(store, portraits):
    enroll(store, "Ann", paths(portraits, *PILOT), **HOW)
    with pytest.raises(UsageError, match="--force"):
        enroll(store, "Ann", paths(portraits, *OFFICER), **HOW)


def crowd(folder: Path, portraits: Path) -> Path:
    """Two people beside each other, the second half as large."""
    first = np.asarray(Image.open(portraits / "smile.jpg").convert("RGB").resize((400, 400)))
    second = np.asarray(Image.open(portraits / "navy-cap.jpg").convert("RGB").resize((200, 200)))
    both = np.full((400, 700, 3), 128, np.uint8)
    both[:, :400] = first
    both[100:300, 450:650] = second
    path = folder / "both.png"
    Image.fromarray(both).save(path)
    return path


def wall(folder: Path, portraits: Path) -> Path:
    path = folder / "wall.png"
    Image.new("RGB", (90, 60), (120, 130, 140)).save(path)
    return path


def tiny(folder: Path, portraits: Path) -> Path:
    path = folder / "tiny.png"
    with Image.open(portraits / "smile.jpg") as photo:
        photo.convert("RGB").resize((48, 48)).save(path)
    return path


def text(folder: Path, portraits: Path) -> Path:
    path = folder / "text.jpg"
    path.write_text("no photo")
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [(crowd, "found 2"), (wall, "found none"), (tiny, "quality|found none"), (text, "text.jpg")],
)
def test_a_photo_that_cannot_be_used_is_told_and_the_others_are_taken(store, portraits, tmp_path, make, reason):
    bad = make(tmp_path, portraits)
    with pytest.raises(NotEnoughDataError, match=reason):
        enroll(store, "Ann", [bad], **HOW)
    done = enroll(store, "Ann", [bad, portraits / "smile.jpg"], **HOW)
    assert len(done.faces) == len(done.failures) == 1


def test_of_several_faces_the_largest_is_taken_and_no_other_is_stored(store, portraits, tmp_path):
    enroll(store, "Ann", [crowd(tmp_path, portraits)], largest_only=True, **HOW)
    with store.read() as conn:
        found = next(iter(read_faces(conn).values()))
    assert len(found) == 1
    assert found.xyxy_px[0, 0] < 400


def test_a_post_given_as_a_photo_is_known_by_the_track_it_has(sample, sample_campaign):
    before = owners(sample)
    photo = sample_campaign / "media" / "sample.portraits" / "smile.jpg"
    done = enroll(sample, "Ann", [photo], **HOW)
    assert set(owners(sample)) == set(before)
    assert done.person_id in before.values()  # a person without a name gets it, with the id that is known


def test_a_face_that_has_another_name_is_refused(sample, sample_campaign):
    photo = sample_campaign / "media" / "sample.portraits" / "smile.jpg"
    enroll(sample, "Ann", [photo], **HOW)
    with pytest.raises(UsageError, match="Ann by your word"):
        enroll(sample, "Eve", [photo], **HOW)


def test_an_enrolment_taken_back_leaves_what_was(sample, portraits):
    def facts() -> dict[str, object]:
        with sample.read() as conn:
            return {name: rows for name, rows in dump(conn).items() if name not in ("decisions", "settled_tracks")}

    conclude(sample, settings=settings(), now=NOW)
    before = facts()
    enroll(sample, "Ann", paths(portraits, *PILOT), **HOW)
    undo(sample, **HOW)
    assert facts() == before


def test_two_enrolled_persons_are_never_one_unless_the_user_says_so(store, portraits):
    ann = enroll(store, "Ann", paths(portraits, PILOT[0]), **HOW)
    eve = enroll(store, "Eve", paths(portraits, PILOT[1]), **HOW)
    assert ann.person_id != eve.person_id
    assert set(owners(store).values()) == {ann.person_id, eve.person_id}
    assert merge_people(store, ["Ann", "Eve"], name="Ann", **HOW).person_id == ann.person_id
    assert set(owners(store).values()) == {ann.person_id}


def test_an_enrolled_photo_that_becomes_a_post_keeps_its_person(store, portraits):
    done = enroll(store, "Ann", paths(portraits, PILOT[0]), **HOW)
    media = done.faces[0].photo.media
    process(store, all_stages(), {media.sha256: str(portraits / PILOT[0])})
    with store.read() as conn:
        assert [one.person_id for one in read_gallery(conn)] == [done.person_id]
        assert len(read_faces(conn)[media.sha256]) == 1


class BlindStages:
    """The product's stages, with a detector that finds nothing: the face had been found with a border."""

    def __init__(self) -> None:
        self.detect = next(stage for stage in all_stages() if stage.name == "detect")

    def __call__(self, batch):
        return tuple(work.with_features(faces=Faces.none()) for work in batch)

    def __getattr__(self, name: str) -> object:
        return getattr(self.detect, name)


def test_an_enrolled_face_that_an_analysis_does_not_find_stays(store, portraits):
    done = enroll(store, "Ann", paths(portraits, PILOT[0]), **HOW)
    media = done.faces[0].photo.media
    stages = tuple(BlindStages() if stage.name == "detect" else stage for stage in all_stages())
    for _ in range(2):
        process(store, stages, {media.sha256: str(portraits / PILOT[0])})
        with store.write() as conn:
            mark_done(conn, [Provenance("detect", "0", "none", media.sha256, NOW, "0")])
        with store.read() as conn:
            assert [one.person_id for one in read_gallery(conn)] == [done.person_id]
            found = read_faces(conn, templates=True)[media.sha256]
        assert len(found) == 1
        assert found.expression is not None


def test_photos_read_by_earlier_models_are_told(store, portraits):
    done = enroll(store, "Ann", paths(portraits, PILOT[0]), **HOW)
    with store.write() as conn:
        assert n_outdated(conn) == 0
        mark_done(conn, [Provenance("enroll", "0", "old", done.faces[0].photo.media.sha256, NOW, "0")])
        assert n_outdated(conn) == 1
    enroll(store, "Ann", paths(portraits, PILOT[0]), **HOW)
    with store.read() as conn:
        assert n_outdated(conn) == 0


def test_a_person_who_was_named_gets_photos(sample, portraits):
    person_id = next(iter(owners(sample).values()))
    name_person(sample, person_id, "Ann", **HOW)
    done = enroll(sample, "Ann", paths(portraits, *PILOT), force=True, **HOW)
    assert done.person_id == person_id


@pytest.mark.parametrize("name", ["", " ", "new"])
def test_what_is_no_name_is_refused_before_photos_are_read(store, name):
    with pytest.raises(UsageError, match="expected a name"):
        enroll(store, name, ["nowhere.jpg"], **HOW)
