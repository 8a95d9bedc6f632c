"""What holds for every registered source."""

from __future__ import annotations

import json
import lzma
import types
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from postlens.sources import SOURCES, open_source
from postlens.types import Failure, SourcePost

NAMES = ["a.jpg", "b é.png", "c 🐕 图.mp4", "d.JPEG", "e;f.webp"]


def made_files(folder: Path, names: list[str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"not looked into")
    return [folder / name for name in names]


def single(root: Path, names: list[str]) -> Path:
    return made_files(root, names or ["none.jpg"])[0]


def folder(root: Path, names: list[str]) -> Path:
    made_files(root / "in ä", names)
    return root


def csv_table(root: Path, names: list[str]) -> Path:
    table = root / "posts.csv"
    table.write_text("path,creator\n" + "".join(f"{path},anna\n" for path in made_files(root, names)), encoding="utf-8")
    return table


def xlsx_table(root: Path, names: list[str]) -> Path:
    made_files(root, names)
    with xlsxwriter.Workbook(root / "posts.xlsx") as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([["path", "creator"], *([name, "anna"] for name in names)]):
            sheet.write_row(number, 0, row)
    return root / "posts.xlsx"


def parquet_table(root: Path, names: list[str]) -> Path:
    made_files(root, names)
    pl.DataFrame({"path": pl.Series(names, dtype=pl.String), "creator": ["anna"] * len(names)}).write_parquet(
        root / "posts.parquet"
    )
    return root / "posts.parquet"


def json_table(root: Path, names: list[str]) -> Path:
    made_files(root, names)
    lines = [json.dumps({"path": name, "creator": "anna"}) for name in names] or ['{"path": ""}']
    (root / "posts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return root / "posts.jsonl"


def influencer_layout(root: Path, names: list[str]) -> Path:
    made_files(root / "image", [f"anna-{name}" for name in names])
    (root / "influencers.txt").write_text("Username\tCategory\nanna\tpet\n", encoding="utf-8")
    rows = "".join(f"anna\t{number}.info\t{[name]}\n" for number, name in enumerate(names))
    (root / "JSON-Image_files_mapping.txt").write_text(rows, encoding="utf-8")
    return root


def likes_folder(root: Path, names: list[str]) -> Path:
    made_files(root, names)
    (root / "y_likes_data.txt").write_text("# none of these photos has a number\n", encoding="utf-8")
    return root


def instaloader_folder(root: Path, names: list[str]) -> Path:
    made_files(root / "in", names)
    for number, name in enumerate(names):
        document = {"node": {"id": str(number), "owner": {"username": "anna"}}}
        packed = lzma.compress(json.dumps(document).encode(), preset=0)
        (root / "in" / f"{Path(name).stem}.json.xz").write_bytes(packed)
    return root


def export_folder(root: Path, names: list[str]) -> Path:
    made_files(root / "media", names)
    posts = [{"media": [{"uri": f"media/{name}", "creation_timestamp": 1_700_000_000}]} for name in names]
    content = root / "content"
    content.mkdir()
    (content / "posts_1.json").write_text(json.dumps(posts), encoding="utf-8")
    return root


Build = Callable[[Path, list[str]], Path]
# For each source its makers: from file names to a path that it reads.
BUILDERS: dict[str, list[Build]] = {
    "single": [single],
    "folder": [folder],
    "labelled_folders": [folder],
    "likes_list": [likes_folder],
    "instagram_export": [export_folder],
    "instaloader": [instaloader_folder],
    "instagram": [influencer_layout],
    "table": [csv_table, xlsx_table, parquet_table, json_table],
}
NAMING_CREATORS = {"table", "instagram", "instaloader"}  # these say themselves whose posts they are
CASES = [pytest.param(kind, build, id=f"{kind}-{build.__name__}") for kind in BUILDERS for build in BUILDERS[kind]]
MANY = [case for case in CASES if case.values[0] != "single"]


def posts_of(items: list[SourcePost | Failure]) -> list[SourcePost]:
    return [item for item in items if isinstance(item, SourcePost)]


def test_every_source_is_under_contract() -> None:
    assert set(BUILDERS) == set(SOURCES)
    assert all(source.name == name and source.summary for name, source in SOURCES.items())


@pytest.mark.parametrize(("kind", "build"), CASES)
def test_it_yields_posts_and_failures_only(kind: str, build: Build, tmp_path: Path) -> None:
    items = list(open_source(build(tmp_path, NAMES), kind=kind))
    assert posts_of(items)
    assert all(isinstance(item, SourcePost | Failure) for item in items)
    assert all(item.media and item.handle and item.origin for item in posts_of(items))


@pytest.mark.parametrize(("kind", "build"), CASES)
def test_it_is_lazy(kind: str, build: Build, tmp_path: Path) -> None:
    path = build(tmp_path / "place", NAMES)
    items = open_source(path, kind=kind)
    assert isinstance(items, types.GeneratorType)
    path.rename(path.with_name("moved away"))
    assert [item.error for item in items if isinstance(item, Failure)] == ["SourceNotFoundError"]


@pytest.mark.parametrize(("kind", "build"), CASES)
def test_it_gives_the_same_posts_in_the_same_order_each_time(kind: str, build: Build, tmp_path: Path) -> None:
    path = build(tmp_path, NAMES)
    first, second = list(open_source(path, kind=kind)), list(open_source(path, kind=kind))
    assert first == second
    assert [post.post_id for post in posts_of(first)] == [post.post_id for post in posts_of(second)]


@pytest.mark.parametrize(("kind", "build"), MANY)
def test_every_file_is_a_post_of_its_own_in_order(kind: str, build: Build, tmp_path: Path) -> None:
    posts = posts_of(list(open_source(build(tmp_path, NAMES), kind=kind)))
    assert [Path(str(post.media[0].path)).name.removeprefix("anna-") for post in posts] == NAMES
    assert len({post.post_id for post in posts}) == len(NAMES)


@pytest.mark.parametrize(("kind", "build"), CASES)
def test_post_ids_do_not_depend_on_how_the_path_is_written(
    kind: str, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build(tmp_path / "place", NAMES)
    absolute = [post.post_id for post in posts_of(list(open_source(path, kind=kind)))]
    monkeypatch.chdir(path.parent)
    relative = [post.post_id for post in posts_of(list(open_source(f"../{path.parent.name}/./{path.name}", kind=kind)))]
    assert relative == absolute


@pytest.mark.parametrize(("kind", "build"), MANY)
def test_an_empty_source_is_one_failure(kind: str, build: Build, tmp_path: Path) -> None:
    items = list(open_source(build(tmp_path, []), kind=kind))
    assert [item.error for item in items if isinstance(item, Failure) and "creator" not in item.message] == [
        "EmptySourceError"
    ]
    assert not posts_of(items)


@pytest.mark.parametrize(("kind", "build"), CASES)
def test_the_given_creator_is_taken(kind: str, build: Build, tmp_path: Path) -> None:
    path = build(tmp_path, NAMES)
    posts = posts_of(list(open_source(path, kind=kind, creator=" @Dana ")))
    assert {post.handle for post in posts} == ({"anna"} if kind in NAMING_CREATORS else {"Dana"})


@pytest.mark.parametrize("kind", SOURCES)
def test_a_missing_path_is_a_failure(kind: str, tmp_path: Path) -> None:
    items = list(open_source(tmp_path / "nowhere", kind=kind))
    assert [(item.error, item.stage) for item in items if isinstance(item, Failure)] == [
        ("SourceNotFoundError", "source")
    ]
    assert len(items) == 1
