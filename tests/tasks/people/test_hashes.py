"""Hashes near each other: the search finds exactly what comparing all of them finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from postlens.media.hashing import pdq_hash
from postlens.tasks.people.hashes import MAX_BITS, HashIndex, hamming, leaders, mirrored, paired_hamming


def words(n: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(2**64, size=(n, 4), dtype=np.uint64)


def turned(row: np.ndarray, n_bits: int, *, seed: int = 0) -> np.ndarray:
    """The hash with some bits turned."""
    bits = np.unpackbits(row.view(np.uint8))
    bits[np.random.default_rng(seed).choice(256, n_bits, replace=False)] ^= 1
    return np.packbits(bits).view(np.uint64)


def test_hamming_counts_differing_bits():
    a, b = words(3), words(4, seed=1)
    bits = [np.unpackbits(one.view(np.uint8), axis=1) for one in (a, b)]
    expected = (bits[0][:, None] != bits[1][None]).sum(axis=2)
    assert hamming(a, b).tolist() == expected.tolist()
    assert paired_hamming(a, b[:3]).tolist() == expected.diagonal().tolist()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), n=st.integers(1, 60), max_bits=st.integers(0, MAX_BITS))
def test_the_search_finds_what_comparing_all_finds(seed: int, n: int, max_bits: int):
    rng = np.random.default_rng(seed)
    roots = words(4, seed=seed)
    stored = np.stack([turned(roots[rng.integers(4)], int(rng.integers(40)), seed=k) for k in range(n)])
    asked, found, bits = HashIndex.of(stored).near(roots, max_bits=max_bits)
    distance = hamming(roots, stored)
    assert np.argwhere(distance <= max_bits).tolist() == np.stack([asked, found], axis=1).tolist()
    assert distance[asked, found].tolist() == bits.tolist()


@pytest.mark.parametrize("n_bits", [0, 16, 31])
def test_a_hash_is_found_up_to_the_last_bit(n_bits: int):
    stored = words(500)
    found = HashIndex.of(stored).near(turned(stored[77], n_bits)[None])
    assert [column.tolist() for column in found] == [[0], [77], [n_bits]]


def test_an_empty_index_finds_nothing():
    assert [len(column) for column in HashIndex.of(words(0)).near(words(2))] == [0, 0, 0]


def test_the_first_of_nearly_equal_hashes_stands_for_the_others():
    root = words(1)[0]
    rows = np.stack([words(1, seed=9)[0], root, turned(root, 7), turned(root, 3, seed=2), turned(root, 30)])
    assert leaders(rows).tolist() == [0, 1, 1, 1, 4]
    assert leaders(rows[:0]).tolist() == []


def test_the_hash_of_a_mirrored_picture_follows_from_its_bits():
    bits = []
    for seed in range(9):
        grey = np.random.default_rng(seed).integers(256, size=(16, 16), dtype=np.uint8)
        picture = np.asarray(Image.fromarray(grey).resize((160, 120), Image.Resampling.BICUBIC).convert("RGB"))
        own, other = (pdq_hash(one)[0].view(np.uint64)[None] for one in (picture, picture[:, ::-1]))
        bits.append(int(paired_hamming(mirrored(own), other)[0]))
    assert np.median(bits) < 128 / 2  # 128: unrelated; noise has its median farther from zero than photos do
