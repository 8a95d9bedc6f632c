"""Corrections to persons: each does what it says, is kept by every re-run, and can be taken back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from postlens.errors import PostlensError, UnknownNameError, UsageError
from postlens.pipelines.conclude import conclude
from postlens.pipelines.decide import undo
from postlens.pipelines.people import assign_track, hide_person, merge_people, name_person, split_person
from postlens.store import Store
from postlens.store.decisions import read_decisions
from postlens.store.dump import dump
from postlens.store.features import write_features
from postlens.store.gallery import read_gallery
from postlens.store.people import Constraint, appearances, read_constraints, read_persons

from ..store.facts import NOW, boxes, features, sha
from .crowds import ANN, BEN, CAT, DAN, PHOTOS, fill, give_photos, people, person, track, who
from .fakes import settings

HOW = {"settings": settings(), "now": NOW}


@pytest.fixture
def crowd(store: Store) -> Store:
    fill(store)
    return store


def facts(store: Store) -> dict[str, object]:
    """All lasting rows but the decisions themselves."""
    with store.read() as conn:
        return {name: rows for name, rows in dump(conn).items() if name not in ("decisions", "settled_tracks")}


def test_four_people_are_found_to_begin_with(crowd):
    assert len({who(crowd, n, left) for n, lefts in PHOTOS.items() for left in lefts}) == 4


def test_a_name_stays_with_its_person(crowd):
    ann = who(crowd, 1, ANN)
    name_person(crowd, ann, "Ann", **HOW)
    conclude(crowd, settings=settings(), now=NOW)
    assert person(crowd, ann).name == "Ann"
    assert who(crowd, 3, ANN) == ann


@pytest.mark.parametrize("name", ["Ann", " Ann ", "person"])
def test_a_name_that_is_taken_or_empty_is_refused(crowd, name):
    ben = who(crowd, 1, BEN)
    name_person(crowd, who(crowd, 1, ANN), "Ann", **HOW)
    before = facts(crowd)
    with pytest.raises(UsageError):
        name_person(crowd, ben, who(crowd, 1, ANN) if name == "person" else name, **HOW)
    for word in ("  ", "new"):
        with pytest.raises(UsageError, match="expected a name"):
            name_person(crowd, ben, word, **HOW)
    assert facts(crowd) == before


def test_merged_persons_are_one_and_stay_one_in_every_run(crowd):
    cat, dan = who(crowd, 4, CAT), who(crowd, 6, DAN)
    done = merge_people(crowd, [dan, cat], **HOW)
    assert done.person_id == cat  # seen more often
    conclude(crowd, settings=settings(), now=NOW)
    assert who(crowd, 4, CAT) == who(crowd, 6, DAN) == cat


def test_faces_of_one_frame_stay_apart_in_a_merge_and_that_is_told(crowd):
    ann, cat = who(crowd, 1, ANN), who(crowd, 4, CAT)
    assert (who(crowd, 5, ANN), who(crowd, 5, CAT)) == (ann, cat)
    (told,) = merge_people(crowd, [ann, cat], **HOW).notes
    assert "1 of 7 tracks stay apart" in told
    assert who(crowd, 1, ANN) == who(crowd, 4, CAT) == ann
    assert sum(who(crowd, 5, left) == ann for left in (ANN, CAT)) == 1


def test_of_a_named_and_a_nameless_person_the_named_one_stays(crowd):
    ann, dan = who(crowd, 1, ANN), who(crowd, 6, DAN)
    name_person(crowd, dan, "Dan", **HOW)
    assert merge_people(crowd, [ann, dan], **HOW).person_id == dan
    assert who(crowd, 1, ANN) == dan


def test_two_names_need_a_choice(crowd):
    ann, dan = who(crowd, 1, ANN), who(crowd, 6, DAN)
    name_person(crowd, ann, "Ann", **HOW)
    name_person(crowd, dan, "Dan", **HOW)
    with pytest.raises(UsageError, match="--name"):
        merge_people(crowd, ["Ann", "Dan"], **HOW)
    assert merge_people(crowd, ["Ann", "Dan"], name="Dan", **HOW).person_id == dan
    assert person(crowd, dan).name == "Dan"


def test_a_merge_after_a_split_joins_again(crowd):
    ann = who(crowd, 1, ANN)
    split_person(crowd, ann, [track(1, ANN), track(2, ANN)], **HOW)
    other = who(crowd, 1, ANN)
    assert other not in (None, ann)
    merge_people(crowd, [ann, other], **HOW)
    assert who(crowd, 1, ANN) == who(crowd, 3, ANN)


def test_split_tracks_leave_and_never_come_back(crowd):
    ann = who(crowd, 1, ANN)
    split_person(crowd, ann, [track(1, ANN)], **HOW)
    fill(crowd, {8: (ANN,), 9: (ANN,)})
    assert who(crowd, 3, ANN) == ann
    assert who(crowd, 1, ANN) != ann


def test_what_is_left_after_a_split_stays_together(crowd):
    cat, dan = who(crowd, 4, CAT), who(crowd, 6, DAN)
    merge_people(crowd, [cat, dan], **HOW)
    for one in [link.track_a for link in links(crowd)] + [link.track_b for link in links(crowd)]:
        kept = people(crowd)[one]
        split_person(crowd, kept, [one], **HOW)
        break
    rest = {people(crowd).get(t) for t in (track(4, CAT), track(5, CAT), track(6, DAN)) if t != one}
    assert rest == {kept}


def test_one_track_that_is_left_is_still_the_person(crowd):
    ben = who(crowd, 1, BEN)
    split_person(crowd, ben, [track(2, BEN)], **HOW)
    assert who(crowd, 1, BEN) == ben
    assert who(crowd, 2, BEN) is None


def links(store: Store) -> list[Constraint]:
    with store.read() as conn:
        return read_constraints(conn)


def test_all_tracks_of_a_person_cannot_be_split_off(crowd):
    with pytest.raises(UsageError, match="all tracks"):
        split_person(crowd, who(crowd, 1, BEN), [track(1, BEN), track(2, BEN)], **HOW)


@pytest.mark.parametrize("reference", ["instagram:4", "4.jpg", "/photos/4.jpg", "instagram:4@1", "{short}"])
def test_tracks_are_given_by_post_file_time_or_id(crowd, reference):
    cat = who(crowd, 4, CAT)
    split_person(crowd, cat, [reference.format(short=f"{sha(4)[:8]}:0")], **HOW)
    assert who(crowd, 4, CAT) != cat
    assert who(crowd, 7, CAT) == cat


@pytest.mark.parametrize("reference", ["instagram:1", "nothing", "abc:9", "instagram:4@60"])
def test_a_reference_to_no_track_of_the_person_is_refused(crowd, reference):
    with pytest.raises(UnknownNameError, match="people show"):
        split_person(crowd, who(crowd, 4, CAT), [reference], **HOW)


def test_an_assigned_track_moves_alone(crowd):
    ann, ben = who(crowd, 1, ANN), who(crowd, 1, BEN)
    assign_track(crowd, "instagram:3", ben, **HOW)
    assert who(crowd, 3, ANN) == ben
    assert who(crowd, 5, ANN) == ann
    assert who(crowd, 1, BEN) == ben


def test_a_track_can_be_a_person_of_its_own(crowd):
    dan = who(crowd, 6, DAN)
    done = assign_track(crowd, track(6, DAN), "new", **HOW)
    assert done.person_id == who(crowd, 6, DAN)
    assert done.person_id not in (None, dan)


def test_a_post_with_several_faces_is_no_track(crowd):
    with pytest.raises(UsageError, match="SECONDS"):
        assign_track(crowd, "instagram:1", who(crowd, 4, CAT), **HOW)


def test_hidden_persons_are_in_no_output_until_shown(crowd):
    ann = who(crowd, 1, ANN)
    hide_person(crowd, ann, **HOW)
    with crowd.read() as conn:
        assert ann not in {one.person_id for one in appearances(conn, hidden=False)}
    with pytest.raises(UsageError, match="already"):
        hide_person(crowd, ann, **HOW)
    hide_person(crowd, ann, hidden=False, **HOW)
    with crowd.read() as conn:
        assert ann in {one.person_id for one in appearances(conn, hidden=False)}


@pytest.mark.parametrize("given", ["id", "start", "bare start", "name"])
def test_persons_are_given_by_id_start_or_name(crowd, given):
    ann = who(crowd, 1, ANN)
    name_person(crowd, ann, "Ann", **HOW)
    word = {"id": ann, "start": ann[:12], "bare start": ann.removeprefix("person-")[:6], "name": "Ann"}[given]
    assert hide_person(crowd, word, **HOW).person_id == ann


@pytest.mark.parametrize("word", ["", "p", "person-", "nobody"])
def test_a_word_that_is_nobody_or_everybody_is_refused(crowd, word):
    with pytest.raises(PostlensError, match="people list"):
        hide_person(crowd, word, **HOW)


# --- re-runs ---------------------------------------------------------------------------------------------------------


def corrected(store: Store) -> tuple[str, str]:
    """Ann has her name and lost photo 3 to Ben; Cat and Dan are one."""
    ann, ben = who(store, 1, ANN), who(store, 1, BEN)
    name_person(store, ann, "Ann", **HOW)
    assign_track(store, track(3, ANN), ben, **HOW)
    merge_people(store, [who(store, 4, CAT), who(store, 6, DAN)], **HOW)
    return ann, ben


def expect_corrected(store: Store, ann: str, ben: str, photo_3: str) -> None:
    found = people(store)
    assert person(store, ann).name == "Ann"
    assert found[photo_3] == ben
    assert found[f"{sha(6)}:0"] == found[f"{sha(4)}:0"]


def test_corrections_survive_a_new_run_and_more_data(crowd):
    ann, ben = corrected(crowd)
    fill(crowd)
    fill(crowd, {8: (ANN, BEN), 9: (DAN,), 10: (ANN,)})
    expect_corrected(crowd, ann, ben, track(3, ANN))


def test_corrections_survive_another_detector(crowd):
    ann, ben = corrected(crowd)
    with crowd.write() as conn:  # one face more before Ann's, which moves her number
        write_features(conn, features(3, boxes(500, ANN)))
        write_features(conn, features(1, boxes(BEN, ANN)))
    conclude(crowd, settings=settings(), now=NOW)
    expect_corrected(crowd, ann, ben, f"{sha(3)}:1")
    undo(crowd, 2, **HOW)
    assert people(crowd)[f"{sha(3)}:1"] == ann


def test_a_given_photo_that_is_assigned_to_another_is_given_for_the_other(crowd):
    _, photo = give_photos(crowd, "Eve", 21, 22)
    cat = who(crowd, 4, CAT)
    assign_track(crowd, photo, cat, **HOW)
    conclude(crowd, settings=settings(), now=NOW)
    with crowd.read() as conn:
        assert {one.track_id: one.kind for one in read_gallery(conn) if one.person_id == cat} == {photo: "enrolled"}
    assert people(crowd)[photo] == cat


# --- undo ------------------------------------------------------------------------------------------------------------


def test_undoing_restores_what_was(crowd):
    before = facts(crowd)
    corrected(crowd)
    for number in (3, 2, 1):
        assert undo(crowd, **HOW).number == number
    assert facts(crowd) == before
    with pytest.raises(UnknownNameError, match="got none"):
        undo(crowd, **HOW)


@pytest.mark.parametrize("to", ["nobody", "new", "cat"])
def test_a_given_photo_that_was_taken_off_comes_back_after_a_run(crowd, to):
    _, photo = give_photos(crowd, "Eve", 21, 22)
    before = facts(crowd)
    if to == "nobody":
        split_person(crowd, "Eve", [photo], **HOW)
    else:
        assign_track(crowd, photo, who(crowd, 4, CAT) if to == "cat" else "new", **HOW)
    conclude(crowd, settings=settings(), now=NOW)
    undo(crowd, **HOW)
    assert facts(crowd) == before


def test_taking_back_an_enrolment_takes_its_photos_out(crowd):
    before = facts(crowd)
    give_photos(crowd, "Eve", 21, 22)
    undo(crowd, **HOW)
    assert facts(crowd) == before


def test_an_earlier_decision_is_taken_back_if_no_later_one_builds_on_it(crowd):
    corrected(crowd)
    with pytest.raises(UsageError, match="take those back first: 2"):
        undo(crowd, 1, **HOW)
    undo(crowd, 2, **HOW)
    undo(crowd, 1, **HOW)
    with crowd.read() as conn:
        assert {one.name for one in read_persons(conn)} == {None}
        assert [one.number for one in read_decisions(conn) if one.undone_at is None] == [3]


@pytest.mark.parametrize("number", [1, 9])
def test_what_was_taken_back_or_never_done_cannot_be_taken_back(crowd, number):
    corrected(crowd)
    for _ in range(3):
        undo(crowd, **HOW)
    with pytest.raises(UsageError):
        undo(crowd, number, **HOW)


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("crowd") / "crowd.db"
    with Store.open(path) as store:
        fill(store)
    return path


VERBS = st.sampled_from(["name", "hide", "merge", "split", "assign", "new"])
ACTIONS = st.lists(st.tuples(VERBS, st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7)


def act(store: Store, verb: str, first: int, second: int) -> None:
    """One decision on what is there now; a refused one changes nothing."""
    with store.read() as conn:
        ids = [one.person_id for one in read_persons(conn)]
    one, other = ids[first % len(ids)], ids[second % len(ids)]
    tracks = sorted(name for name, owner in people(store).items() if owner == one)
    chosen = tracks[second % len(tracks)] if tracks else track(1, ANN)
    match verb:
        case "name":
            name_person(store, one, f"name {second}", **HOW)
        case "hide":
            hide_person(store, one, hidden=bool(second % 2), **HOW)
        case "merge":
            merge_people(store, [one, other], name=None if first % 2 else f"name {first}", **HOW)
        case "split":
            split_person(store, one, tracks[: 1 + second % 3], **HOW)
        case "assign":
            assign_track(store, chosen, other, **HOW)
        case "new":
            assign_track(store, chosen, "new", **HOW)


@effort(max_examples=25, deadline=None)
@given(actions=ACTIONS)
def test_any_decisions_taken_back_leave_what_was(filled_file, tmp_path_factory, actions):
    path = Path(shutil.copy(filled_file, tmp_path_factory.mktemp("copy") / "crowd.db"))
    with Store.open(path) as store:
        states = [facts(store)]
        for action in actions:
            try:
                act(store, *action)
            except UsageError:
                assert facts(store) == states[-1]
            else:
                conclude(store, settings=settings(), now=NOW)
                states.append(facts(store))
        while len(states) > 1:
            assert facts(store) == states.pop()
            undo(store, **HOW)
        assert facts(store) == states[0]
