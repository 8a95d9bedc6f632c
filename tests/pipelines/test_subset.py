"""Random subsets: the same for a seed, within their sizes, usable as they are, and open about what was short."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import EmptySourceError, TableError, UsageError
from postlens.pipelines.subset import REPORT, draw_subset
from postlens.sources import open_source
from postlens.sources.instagram import Influencer, MappedPost, read_influencers, read_mapping
from postlens.types import NICHES, Failure, SourcePost

from ..influencers import FIRST_ID, INFLUENCERS, MAPPING, write_influencers

SMALL = ("smallInfluencers.txt", "smallMappings.txt")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four accounts of five posts in each of two categories."""
    return write_influencers(tmp_path / "data", n_per_category=4, posts=5, categories=("pet", "food"), size_px=16)


def tables(folder: Path, accounts: list[tuple[str, str]], posts: list[tuple[str, int]]) -> Path:
    """A dataset of tables only: (username, category) and (username, post)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INFLUENCERS).write_text("".join(f"{name}\t{category}\t1\t2\t3\n" for name, category in accounts))
    (folder / MAPPING).write_text("".join(f"{name}\t{post}.info\t['{post}.jpg']\n" for name, post in posts))
    return folder


def drawn(folder: Path) -> bytes:
    return b"".join((folder / name).read_bytes() for name in SMALL)


def posts_of(folder: Path) -> list[SourcePost]:
    return [item for item in open_source(folder) if isinstance(item, SourcePost)]


# --- what is drawn --------------------------------------------------------------------------------------------------

ACCOUNTS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(NICHES[:3])), max_size=12)
POSTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=60)


@given(ACCOUNTS, POSTS, st.integers(1, 4), st.integers(1, 5), st.integers(0, 3))
def test_any_subset_keeps_its_promises(tmp_path_factory, accounts, posts, n, m, seed):
    named = [("anna", "pet"), *((f"user{number}", category) for number, category in accounts)]
    mapped = [(f"user{number}", post) for number, post in posts]
    folder = tables(tmp_path_factory.mktemp("any"), named, mapped)
    report = draw_subset(folder, folder / "a", influencers=n, posts=m, seed=seed)
    random.Random(seed).shuffle(mapped)
    draw_subset(tables(folder, named, mapped), folder / "b", influencers=n, posts=m, seed=seed)
    chosen = [item for item in read_influencers(folder / "a") if isinstance(item, Influencer)]
    rows = [item for item in read_mapping(folder / "a") if isinstance(item, MappedPost)]
    per_account = Counter(row.username for row in rows)
    assert drawn(folder / "a") == drawn(folder / "b")
    assert max(Counter(one.category for one in chosen).values()) <= n
    assert max(per_account.values(), default=0) <= m
    assert {row.username for row in rows} <= {one.username for one in chosen}
    assert all(per_account[one.username] == min(m, len({p for p in mapped if p[0] == one.username})) for one in chosen)
    assert report.n_posts == len(rows) == len(set(rows))


def test_another_seed_draws_another_subset(dataset, tmp_path):
    texts = set()
    for seed in range(5):
        draw_subset(dataset, tmp_path / str(seed), influencers=2, posts=2, seed=seed)
        texts.add(drawn(tmp_path / str(seed)))
    assert len(texts) > 1


def test_a_smaller_subset_lies_within_a_larger_one(dataset, tmp_path):
    draw_subset(dataset, tmp_path / "few", influencers=2, posts=2, seed=3)
    draw_subset(dataset, tmp_path / "more", influencers=3, posts=4, seed=3)
    few, more = ((folder / SMALL[1]).read_text().splitlines() for folder in (tmp_path / "few", tmp_path / "more"))
    assert set(few) < set(more)


def test_every_account_is_drawn_about_as_often(tmp_path):
    folder = tables(tmp_path, [(f"user{number}", "pet") for number in range(10)], [])
    counts = Counter[str]()
    for seed in range(200):
        draw_subset(folder, tmp_path / "out", influencers=3, posts=1, seed=seed)
        counts.update(one.username for one in read_influencers(tmp_path / "out") if isinstance(one, Influencer))
    assert len(counts) == 10
    assert all(35 < count < 85 for count in counts.values())  # 60 expected, four standard deviations of 6.5


# --- how it can be used ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", ["where", "link", "copy"])
def test_the_subset_is_read_like_the_whole(files, dataset, tmp_path):
    out = tmp_path / "out"
    report = draw_subset(dataset, out, influencers=2, posts=3, files=files)
    assert not [item for item in open_source(out) if isinstance(item, Failure)]
    posts = posts_of(out)
    whole = {post.post_id: post for post in posts_of(dataset)}
    assert len(posts) == report.n_posts == report.n_images == 12
    assert all((whole[p.post_id].caption, whole[p.post_id].metrics) == (p.caption, p.metrics) for p in posts)


def test_copies_stand_alone_and_links_share_bytes(dataset, tmp_path):
    draw_subset(dataset, tmp_path / "copied", influencers=1, posts=1, files="copy")
    draw_subset(dataset, tmp_path / "linked", influencers=1, posts=1, files="link")
    copied, linked = (sorted((tmp_path / name / "image").iterdir()) for name in ("copied", "linked"))
    assert len(copied) == len(linked) == 2
    assert all((dataset / "image" / path.name).samefile(path) for path in linked)
    assert not any((dataset / "image" / path.name).samefile(path) for path in copied)


@pytest.mark.parametrize("files", ["where", "link", "copy"])
def test_a_second_draw_replaces_the_first(files, dataset, tmp_path):
    out = tmp_path / "out"
    for seed in (1, 1, 2):
        draw_subset(dataset, out, influencers=2, posts=2, seed=seed, files=files)
    draw_subset(dataset, tmp_path / "fresh", influencers=2, posts=2, seed=2, files=files)
    assert drawn(out) == drawn(tmp_path / "fresh")
    assert len(posts_of(out)) == 8
    assert not list(out.rglob(".*"))


def test_copying_after_links_leaves_the_dataset_alone(dataset, tmp_path):
    before = sorted(path.name for path in dataset.rglob("*"))
    draw_subset(dataset, tmp_path / "out", influencers=1, posts=1)
    draw_subset(dataset, tmp_path / "out", influencers=1, posts=1, files="copy")
    assert sorted(path.name for path in dataset.rglob("*")) == before
    assert not (tmp_path / "out" / "image").is_symlink()
    with pytest.raises(UsageError, match=r"image: expected nothing or a link there, got files of a draw with --copy"):
        draw_subset(dataset, tmp_path / "out", influencers=1, posts=1)


def test_a_subset_can_lie_in_the_dataset_itself(dataset):
    draw_subset(dataset, dataset, influencers=1, posts=2)
    assert len(posts_of(dataset)) == 4
    assert draw_subset(dataset, dataset, influencers=2, posts=2).n_posts == 8  # drawn from the whole again


def test_metadata_beside_the_tables_comes_along(dataset, tmp_path):
    for path in (dataset / "info").iterdir():
        path.rename(dataset / path.name)
    (dataset / "info").rmdir()
    draw_subset(dataset, tmp_path / "out", influencers=1, posts=2)
    assert all(post.caption for post in posts_of(tmp_path / "out"))


# --- what was short -------------------------------------------------------------------------------------------------


def test_the_report_says_what_was_short(dataset, tmp_path):
    with (dataset / INFLUENCERS).open("a") as file:
        file.write("lone\ttravel\t1\t2\t3\nodd\tcars\t1\t2\t3\n")
    (dataset / "image" / f"pet_0-{FIRST_ID + 1}.jpg").unlink()
    (dataset / "info" / f"pet_0-{FIRST_ID + 2}.info").unlink()
    report = draw_subset(dataset, tmp_path / "out", influencers=4, posts=5)
    counts = {count.category: (count.n_found, count.n_drawn, count.n_posts) for count in report.categories}
    assert (counts["pet"], counts["travel"], counts["beauty"]) == ((4, 4, 20), (1, 1, 0), (0, 0, 0))
    assert report.short_categories == tuple(niche for niche in NICHES if niche not in ("pet", "food"))
    assert report.blank_categories == report.short_categories
    assert [(one.username, one.n_posts) for one in report.short_accounts] == [("lone", 0)]
    assert report.unknown_categories == {"cars": 1}
    assert (report.n_images, report.n_missing_images, report.n_missing_metadata) == (39, 1, 1)
    assert [failure.error for failure in report.failures] == ["RowError", "MediaNotFoundError"]
    assert json.loads((tmp_path / "out" / REPORT).read_text())["unknown_categories"] == {"cars": 1}


def test_rows_that_cannot_be_read_are_counted_all_and_told_in_part(dataset, tmp_path):
    with (dataset / MAPPING).open("a") as file:
        file.write("damaged\n" * 1500 + "ghost\t1.info\t['1.jpg']\n" * 3)
    report = draw_subset(dataset, tmp_path / "out", influencers=1, posts=1)
    assert (report.n_failures, len(report.failures), report.n_posts) == (1501, 1000, 2)


def test_two_rows_of_one_post_are_drawn_once(tmp_path):
    folder = tables(tmp_path, [("anna", "pet")], [("anna", 1), ("Anna", 1), ("anna", 1), ("anna", 2)])
    assert draw_subset(folder, tmp_path / "out", posts=4).n_posts == 2


# --- wrong usage ----------------------------------------------------------------------------------------------------


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(TableError, match="name the folder that holds both"):
        draw_subset(tmp_path, tmp_path / "out")


def test_a_dataset_without_known_categories_is_refused(tmp_path):
    with pytest.raises(EmptySourceError, match=r"got none of them \(1 rows that cannot be used\)"):
        draw_subset(tables(tmp_path, [("anna", "cars")], []), tmp_path / "out")


def test_files_are_not_copied_onto_themselves(dataset):
    with pytest.raises(UsageError, match="own folder; name another one to copy"):
        draw_subset(dataset, dataset, files="copy")


def test_a_subset_is_not_drawn_over_itself(dataset, tmp_path):
    draw_subset(dataset, tmp_path / "out", influencers=2, posts=2)
    with pytest.raises(UsageError, match="would be written over"):
        draw_subset(tmp_path / "out", tmp_path / "out")
    assert draw_subset(tmp_path / "out", tmp_path / "less", influencers=1, posts=1, files="copy").n_images == 2


def test_a_file_in_place_of_the_output_folder_is_refused(dataset, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="expected a folder that can be written"):
        draw_subset(dataset, tmp_path / "out")


@pytest.mark.parametrize("sizes", [{"influencers": 0}, {"posts": 0}])
def test_empty_subsets_are_refused(sizes, dataset, tmp_path):
    with pytest.raises(UsageError, match="at least 1"):
        draw_subset(dataset, tmp_path / "out", **sizes)


# --- size -----------------------------------------------------------------------------------------------------------


def test_memory_grows_with_what_is_drawn_not_with_the_mapping(tmp_path):
    posts = [(f"user{number % 10}", FIRST_ID + number) for number in range(20_000)]  # 1.3 MiB of text
    folder = tables(tmp_path, [(f"user{number}", "pet") for number in range(10)], posts)
    del posts
    seen = list[tuple[int, int]]()
    draw_subset(
        tables(tmp_path / "warm", [("anna", "pet")], []), tmp_path / "warm", posts=1
    )  # what is loaded only once
    tracemalloc.start()
    try:
        report = draw_subset(folder, tmp_path / "out", influencers=5, posts=10, progress=lambda *s: seen.append(s))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.n_posts == 50
    assert peak < 4 * 2**20  # the rows as records take 8; the interpreter's own tables may grow by 2 meanwhile
    assert seen[-1] == (50, 50) and any(done == total > 2**20 for done, total in seen)
