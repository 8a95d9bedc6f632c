"""A changed track is compared with those it may concern, and the people are those of a full run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import UsageError
from postlens.tasks.people import identity
from postlens.tasks.people.identity import assign
from postlens.types import FaceTracks

from .test_identity import THRESHOLD, groups, tracks


def crowd(rng: np.random.Generator) -> FaceTracks:
    """Up to 60 tracks around a few places, near enough to be confused, a third of them of low quality."""
    n, dim, places = int(rng.integers(5, 60)), int(rng.integers(2, 6)), int(rng.integers(2, 12))
    media = rng.integers(max(2, n // 3), size=n)
    start = rng.integers(4, size=n).astype(np.float32)
    place = rng.normal(size=(places, dim))[rng.integers(places, size=n)] * rng.uniform(0.2, 1)
    return FaceTracks(
        track_id=tuple(f"m{file}:{k}" for k, file in enumerate(media)),
        start_s=start,
        end_s=start + rng.integers(2, size=n),
        n_frames=rng.integers(1, 4, size=n),
        quality=rng.choice([0.1, 0.9], size=n, p=[0.3, 0.7]).astype(np.float32),
        template=(place + rng.normal(scale=rng.uniform(0.05, 0.3), size=(n, dim))).astype(np.float32),
    )


def words(rng: np.random.Generator, ids: tuple[str, ...]) -> dict[str, Any]:
    """Up to three words of each kind."""

    def pairs() -> list[tuple[str, str]]:
        return [tuple(rng.choice(ids, 2).tolist()) for _ in range(rng.integers(4))]

    known = rng.choice(ids, rng.integers(4)).tolist()
    return {
        "must_link": pairs(),
        "cannot_link": [(a, b) for a, b in pairs() if a != b],
        "gallery": {track: str(rng.choice(["ann", "bea", "cleo"])) for track in known},
    }


def spoken(said: dict[str, Any]) -> set[tuple[str, ...]]:
    """Each word with its ends first."""
    links = {(*pair, kind) for kind in ("must_link", "cannot_link") for pair in said[kind]}
    return links | {(track, track, person) for track, person in said["gallery"].items()}


@settings(deadline=None, max_examples=120)
@given(seed=st.integers(0, 2**32 - 1))
def test_new_tracks_and_words_give_the_people_of_a_full_run(seed):
    """Ids included: batches of tracks, while words come and go."""
    rng = np.random.default_rng(seed)
    everyone = crowd(rng)
    order = rng.permutation(len(everyone))
    seen, said, people = 0, words(rng, everyone.track_id), {}
    for _ in range(4):
        new_said = words(rng, everyone.track_id) if rng.random() < 0.5 else said
        until = min(len(everyone), seen + int(rng.integers(0, 20)))
        changed = {end for word in spoken(said) ^ spoken(new_said) for end in word[:2]}
        changed |= {everyone.track_id[row] for row in order[seen:until]}
        present = everyone[order[:until]]
        try:
            full = assign(present, threshold=THRESHOLD, previous=people, **new_said)
        except UsageError:
            continue
        people = assign(present, threshold=THRESHOLD, previous=people, changed=changed, **new_said)
        assert people == full
        seen, said = until, new_said


def computed(monkeypatch, line: FaceTracks, *, before, changed, **words) -> set[str]:
    """The tracks that are looked at again."""
    asked: list[str] = []
    whole = identity.name_persons
    monkeypatch.setattr(
        identity, "name_persons", lambda ids, *args, **more: asked.extend(ids) or whole(ids, *args, **more)
    )
    assign(line, threshold=THRESHOLD, previous=before, changed=changed, **words)
    return set(asked)


CHAIN = tuple((f"{name}:0", 0.4 * k) for k, name in enumerate("abcdefgh"))


def test_a_new_track_leaves_persons_alone_that_it_does_not_disturb(monkeypatch):
    """All tracks are one chain of near pairs; only the person that the new track joins is computed."""
    line = tracks(*CHAIN, ("x:0", 0.02))
    before = assign(tracks(*CHAIN), threshold=THRESHOLD)
    assert computed(monkeypatch, line, before=before, changed={"x:0"}) == {"x:0", "a:0", "b:0"}


def test_nothing_changed_is_nothing_computed(monkeypatch):
    before = assign(tracks(*CHAIN), threshold=THRESHOLD)
    assert computed(monkeypatch, tracks(*CHAIN), before=before, changed=()) == set()


def test_a_lone_new_track_is_computed_alone(monkeypatch):
    before = assign(tracks(*CHAIN), threshold=THRESHOLD)
    assert computed(monkeypatch, tracks(*CHAIN, ("x:0", 99)), before=before, changed={"x:0"}) == {"x:0"}


def test_a_word_concerns_the_persons_of_both_ends(monkeypatch):
    before = assign(tracks(*CHAIN), threshold=THRESHOLD)
    found = computed(monkeypatch, tracks(*CHAIN), before=before, changed={"a:0", "h:0"}, must_link=[("a:0", "h:0")])
    assert {"a:0", "b:0", "g:0", "h:0"} <= found


@pytest.mark.parametrize("n", [1, 3])
def test_a_rule_that_lets_groups_wait_is_computed_in_full(n):
    line = tracks(*CHAIN)
    rule = identity.Founding(min_tracks=3)
    people = assign(line[: 8 - n], threshold=THRESHOLD, founding=rule)
    changed = set(line.track_id[8 - n :])
    again = assign(line, threshold=THRESHOLD, founding=rule, previous=people, changed=changed)
    assert groups(again) == groups(assign(line, threshold=THRESHOLD, founding=rule))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_full_run_in_batches_gives_the_people_of_one_at_once(seed):
    rng = np.random.default_rng(seed)
    everyone = crowd(rng)
    said = words(rng, everyone.track_id)
    try:
        whole = assign(everyone, threshold=THRESHOLD, **said)
    except UsageError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "AT_ONCE", 3)
        patch.setattr(identity, "BATCH", 4)
        assert assign(everyone, threshold=THRESHOLD, **said) == whole
