"""Made-up accounts keep their share on topic, share no source over splits, and are read like the real dataset."""

from __future__ import annotations

import csv
import importlib.util
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from postlens.errors import UsageError
from postlens.pipelines.subset import draw_subset
from postlens.sources import open_source
from postlens.types import NICHES, SourcePost

from ..influencers import draw

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    name = "write_influencer_layout"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Four photos of each of four sources of every niche, in the layout of a manifest."""
    folder, rng, lines = tmp_path_factory.mktemp("photos"), np.random.default_rng(0), ["file,label,source_group"]
    for niche in NICHES:
        for number in range(16):
            name = f"{niche}-{number}.jpg"
            draw(niche, rng=rng, size_px=16).save(folder / name)
            lines.append(f"{name},{niche},{niche} source {number // 4}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def written(tool, photos, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made up") / "data"
    tool.write_layout(photos, out, tool.Recipe(accounts=4, posts=10, sources=2, val=0.25, test=0.25))
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_is_read_as_a_dataset_without_a_failure(written):
    items = list(open_source(written))
    posts = [item for item in items if isinstance(item, SourcePost)]
    assert len(posts) == len(items) == 9 * 4 * 10
    assert all(post.caption and post.published_at and post.metrics["likes"] >= 0 and post.followers for post in posts)
    assert len({post.post_id for post in posts}) == len(posts)


def test_one_post_in_five_shows_the_accounts_niche_from_few_sources(written):
    topics = defaultdict(list)
    for row in rows_of(written / "topics.csv"):
        topics[row["username"]].append(row)
    for username, rows in topics.items():
        own = [row for row in rows if row["label"] in username]
        assert len(own) / len(rows) == pytest.approx(0.2)
        assert len({row["source_group"] for row in own}) <= 2
        assert len({row["image"] for row in rows}) == len(rows)


def test_splits_share_no_source(written):
    split_of = {row["group"]: row["split"] for row in rows_of(written / "splits.csv")}
    splits = defaultdict(set)
    for row in rows_of(written / "topics.csv"):
        splits[row["source_group"]].add(split_of[row["username"]])
    assert set(split_of.values()) == {"train", "val", "test"}
    assert all(len(found) == 1 for found in splits.values())


def test_the_same_seed_makes_the_same_accounts(tool, photos, written, tmp_path):
    tool.write_layout(photos, tmp_path / "a", tool.Recipe(accounts=4, posts=10, sources=2, val=0.25, test=0.25))
    names = ("influencers.txt", "JSON-Image_files_mapping.txt", "topics.csv", "splits.csv")
    assert [(tmp_path / "a" / name).read_bytes() for name in names] == [(written / name).read_bytes() for name in names]


def test_an_account_with_too_few_photos_gets_fewer_posts_and_keeps_its_share(tool, photos, tmp_path):
    accounts = tool.write_layout(photos, tmp_path / "a", tool.Recipe(accounts=3, posts=400, on_topic=0.5))
    for account in accounts:
        own = sum(photo.label == account.influencer.category for photo in account.photos)
        assert own / len(account.photos) == pytest.approx(0.5)
        assert account.influencer.posts == len(account.photos) < 400


def test_copies_can_be_sampled_and_stand_alone(tool, photos, tmp_path):
    tool.write_layout(photos, tmp_path / "a", tool.Recipe(accounts=3, posts=5), copy=True)
    assert not any(path.is_symlink() for path in (tmp_path / "a" / "image").iterdir())
    assert draw_subset(tmp_path / "a", tmp_path / "b", influencers=1, posts=2).n_images == 18


def test_the_repository_and_filled_folders_are_left_alone(tool, photos, tmp_path):
    (tmp_path / "kept").touch()
    for out in (ROOT / "data", tmp_path):
        with pytest.raises(UsageError, match="expected an empty folder outside"):
            tool.write_layout(photos, out, tool.Recipe())
