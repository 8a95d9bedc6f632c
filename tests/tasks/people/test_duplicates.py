"""Copies by bytes, hashes and look; takes of one scene are no copies."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.tasks.people import compare
from postlens.tasks.people.compare import Content
from postlens.tasks.people.duplicates import find_duplicates
from postlens.tasks.people.hashes import copied_share, hamming, trusted_words
from postlens.types import FrameHashes


def hashes(bits, *, quality: int = 100) -> FrameHashes:
    n = len(bits)
    return FrameHashes(np.packbits(bits, axis=1), np.full(n, quality), np.arange(n, dtype=np.float32))


def clip_bits(seed: int, n: int = 6) -> np.ndarray:
    """Frames of a clip in which everything changes: about 128 bits apart."""
    return np.random.default_rng(seed).integers(2, size=(n, 256), dtype=np.uint8)


def noisy(bits, n_bits: int, seed: int = 9) -> np.ndarray:
    """The same frames with some bits of each turned."""
    changed, rng = bits.copy(), np.random.default_rng(seed)
    for row in changed:
        row[rng.choice(256, n_bits, replace=False)] ^= 1
    return changed


def clip(name: str, order: int, bits=None, *, vectors=None, sha256: str | None = None, kind="video") -> Content:
    return Content(name, order, sha256 or name, kind, None if bits is None else hashes(bits), vectors)


def test_the_same_bytes_are_a_copy():
    found = find_duplicates([clip("late", 2, sha256="s"), clip("early", 1, sha256="s")])
    assert found == (("late", "early", "bytes", 1.0),)


def test_a_recompressed_clip_is_a_copy():
    bits = clip_bits(0)
    assert find_duplicates([clip("a", 0, bits), clip("b", 1, noisy(bits, 20))]) == (("b", "a", "frames", 1.0),)


def test_a_cut_matches_its_whole_in_either_order():
    bits = clip_bits(0, n=12)
    for first, second in [(bits, bits[3:7]), (bits[3:7], bits)]:
        assert find_duplicates([clip("a", 0, first), clip("b", 1, second)]) == (("b", "a", "frames", 1.0),)


def test_other_clips_are_no_copies():
    assert find_duplicates([clip("a", 0, clip_bits(0)), clip("b", 1, clip_bits(1))]) == ()


def test_another_take_of_a_still_scene_is_no_copy():
    scene = np.repeat(clip_bits(0, n=1), 6, axis=0)
    first, second = noisy(scene, 3, seed=1), noisy(noisy(scene, 12, seed=2)[:1].repeat(6, axis=0), 3, seed=3)
    assert copied_share(trusted_words(hashes(first)), trusted_words(hashes(second))) == 0


def test_a_copy_of_a_still_clip_is_a_copy():
    still = np.repeat(clip_bits(0, n=1), 6, axis=0)
    assert find_duplicates([clip("a", 0, still), clip("b", 1, noisy(still, 8))])[0].reason == "frames"


def test_hashes_of_low_quality_match_nothing():
    flat = Content("a", 0, "a", "video", hashes(clip_bits(0), quality=49))
    assert find_duplicates([flat, Content("b", 1, "b", "video", flat.hashes)]) == ()


def test_an_image_is_no_copy_of_a_video():
    bits = clip_bits(0, n=1)
    assert find_duplicates([clip("a", 0, bits, kind="image"), clip("b", 1, bits)]) == ()
    assert len(find_duplicates([clip("a", 0, bits, kind="image"), clip("b", 1, bits, kind="image")])) == 1


def test_a_copy_of_a_copy_points_to_the_first_of_all():
    bits = clip_bits(0, n=12)
    items = [
        clip("first", 0, bits),
        clip("second", 1, noisy(bits, 20)),
        clip("third", 2, noisy(noisy(bits, 20), 20, 8)),
    ]
    assert [(one.later_id, one.first_id) for one in find_duplicates(items)] == [("second", "first"), ("third", "first")]


def test_two_parts_stay_apart_though_a_later_whole_holds_both():
    bits = clip_bits(0, n=12)
    parts = [clip("end", 0, bits[8:]), clip("start", 1, bits[:4]), clip("whole", 2, bits)]
    assert [(one.later_id, one.first_id) for one in find_duplicates(parts)] == [("whole", "end")]


def test_many_copies_of_a_photo_are_compared_once_each(monkeypatch):
    """3,000 copies of one photo, equal or a few bits apart, take 3,000 comparisons and not their square."""
    compared: list[int] = []
    monkeypatch.setattr(compare, "hamming", lambda a, b: compared.append(len(a) * len(b)) or hamming(a, b))
    bits = clip_bits(0, n=1)
    items = [clip(f"c{i:04}", i, noisy(bits, i % 4, seed=i), kind="image") for i in range(3000)]
    found = find_duplicates([*items, clip("near", 3000, noisy(bits, 9), kind="image")])
    assert [one.first_id for one in found] == ["c0000"] * 3000
    assert sum(compared) < 4000


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), shuffle=st.randoms(use_true_random=False))
def test_copies_do_not_depend_on_the_order_of_the_list(seed, shuffle):
    rng = np.random.default_rng(seed)
    items = [clip(f"c{i}", i, noisy(clip_bits(int(rng.integers(3))), int(rng.integers(24)), seed=i)) for i in range(7)]
    mixed = list(items)
    shuffle.shuffle(mixed)
    assert find_duplicates(mixed) == find_duplicates(items)
