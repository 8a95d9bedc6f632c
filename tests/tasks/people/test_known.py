"""Searches for copies in several steps: the links of one step, comparing only what is new."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.tasks.people import duplicates
from postlens.tasks.people.compare import Content
from postlens.tasks.people.duplicates import Known, link_files
from postlens.types import FrameHashes


def files(seed: int, n: int) -> list[Content]:
    """Photos of three pictures, with little noise or much, hashes at any distance, embeddings close to each other."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (3, 12, 12)).repeat(4, axis=1).repeat(4, axis=2)
    bits = rng.integers(2, size=(3, 256), dtype=np.uint8)
    found = []
    for number in range(n):
        kind = int(rng.integers(3))
        sketch = np.clip(pictures[kind] + rng.normal(0, rng.choice([2, 60]), (48, 48)), 0, 255).astype(np.uint8)
        own = bits[kind].copy()
        own[rng.choice(256, rng.choice([0, 3, 20, 90]), replace=False)] ^= 1
        hashes = FrameHashes(np.packbits(own)[None], np.array([100]), np.zeros(1, np.float32), sketch[None])
        vectors = (np.eye(3, 16)[kind] + rng.normal(0, 0.2, 16))[None].astype(np.float32)
        found.append(Content(f"f{number}", number, f"{rng.integers(1 << 30):x}", "image", hashes, vectors))
    return found


def link(some: list[Content], known: Known):
    by_id = {one.sha256: one for one in some}
    return link_files(some, known, lambda wanted: {name: by_id[name] for name in wanted})


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 9999), order=st.randoms(use_true_random=False))
def test_any_batches_link_what_one_step_links(seed: int, order):
    """Files come in any order and batches, and some go in between; what is known in the end is equal, too."""
    rng, every = np.random.default_rng(seed), files(seed, 16)
    known, here = Known(), set[str]()
    coming = order.sample(every, len(every))
    for start in range(0, len(coming), 4):
        here |= {one.sha256 for one in coming[start : start + 4]}
        here -= {name for name in sorted(here) if start < 12 and rng.random() < 0.1}
        links, known = link([one for one in every if one.sha256 in here], known)
    expected, fresh = link([one for one in every if one.sha256 in here], Known())
    assert links == expected
    assert (known.lists, known.verdicts) == (fresh.lists, fresh.verdicts)


def test_only_pairs_with_a_new_file_are_compared(monkeypatch: pytest.MonkeyPatch):
    every, compared, whole = files(1, 30), [], duplicates.compare_all
    monkeypatch.setattr(duplicates, "compare_all", lambda pairs: compared.extend(pairs) or whole(pairs))
    _, known = link(every[:29], Known())
    n_first = len(compared)
    compared.clear()
    _, known = link(every, known)
    assert 0 < len(compared) < n_first / 3
    compared.clear()
    link(every, known)
    assert compared == []
