"""From a list of likes to forecasts, by the command line: numbers, reasons, fallbacks and what is written."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from postlens import Lens
from postlens.cli.app import run
from postlens.errors import UsageError

N_PHOTOS = 9
Answer = tuple[int, str, str]


def told(*words: object) -> Answer:
    """Exit code, standard output, standard error."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def save(path: Path, *, seed: int, side: int = 64) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    PillowImage.fromarray(pixels).resize((side, side)).save(path)
    return path


def likes_list(folder: Path, likes: Callable[[int], object], n: int = N_PHOTOS) -> Path:
    """Photos 1.jpg to n.jpg and the list of what they got."""
    folder.mkdir()
    for number in range(1, n + 1):
        save(folder / f"{number}.jpg", seed=number)
    lines = "".join(f"{number}: {likes(number)}\n" for number in range(1, n + 1))
    (folder / "y_likes_data.txt").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """The folder of a forecast over a list with a hidden count, and what was printed; only read."""
    base = tmp_path_factory.mktemp("forecast")
    source = likes_list(base / "photos", lambda number: 90 + 5 * number)
    return base / "out", told("forecast", source, "--out", base / "out", "--json")


@pytest.fixture(scope="module")
def posts(listed: tuple[Path, Answer]) -> list[dict[str, Any]]:
    return list(json.loads(listed[1][1]))


def test_every_photo_of_the_list_has_a_forecast(listed: tuple[Path, Answer], posts: list[dict[str, Any]]) -> None:
    assert listed[1][0] == 0
    assert [Path(one["files"][0]).name for one in posts] == [f"{number}.jpg" for number in range(1, N_PHOTOS + 1)]
    for one in posts:
        assert one["lower"] <= one["median"] <= one["upper"]
        assert 40 < one["median"] < 300
        assert (one["method"], one["n_history"]) == ("accounts", N_PHOTOS - 1)


def test_a_forecast_names_similar_posts_and_what_they_got(posts: list[dict[str, Any]]) -> None:
    got = {one["post_id"]: one["actual"] for one in posts}
    for one in posts:
        assert one["post_id"] not in [near["post_id"] for near in one["similar"]]
        assert all(got[near["post_id"]] == near["count"] for near in one["similar"])


def test_the_usual_the_start_and_all_reasons_multiply_to_the_forecast(posts: list[dict[str, Any]]) -> None:
    for one in posts:
        assert one["reasons"]
        assert one["start_text"]
        product = one["start"] * math.prod(1 + reason["change"] for reason in one["reasons"])
        assert product == pytest.approx(one["median"], rel=0.015)


def test_the_table_holds_what_was_printed(listed: tuple[Path, Answer], posts: list[dict[str, Any]]) -> None:
    with (listed[0] / "forecasts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["median"]) for row in rows] == [one["median"] for one in posts]
    assert {row["method"] for row in rows} == {"accounts"}


def test_new_photos_of_the_account_are_put_in_order(listed: tuple[Path, Answer], tmp_path: Path) -> None:
    new = [save(tmp_path / f"new-{seed}.jpg", seed=seed) for seed in (77, 78)]
    before = (listed[0] / "postlens.db").read_bytes()
    account = account_of(listed[0])
    code, out, _ = told("forecast", *new, "--account", account, "--out", listed[0], "--json")
    found = json.loads(out)
    assert code == 0
    assert [one["rank"] for one in found] == [1, 2]
    assert found[0]["median"] >= found[1]["median"]
    assert {one["n_history"] for one in found} == {N_PHOTOS}
    assert all("64 x 64 pixels only" in one["fallback"] for one in found)
    assert (listed[0] / "postlens.db").read_bytes() == before  # a draft is no post


def test_an_early_count_is_of_one_new_photo(listed: tuple[Path, Answer], tmp_path: Path) -> None:
    new = [save(tmp_path / f"new-{seed}.jpg", seed=seed) for seed in (77, 78)]
    asked = ("--account", account_of(listed[0]), "--out", listed[0], "--early", "20@1h")
    code, out, _ = told("forecast", new[0], *asked, "--json")
    assert code == 0
    assert "is not used: 0 earlier posts" in json.loads(out)[0]["note"]
    code, _, err = told("forecast", *new, *asked)
    assert code == 2
    assert "expected one new post for the early count of 20 at 1 h, got 2" in err
    with Lens(store=listed[0] / "postlens.db") as lens, pytest.raises(UsageError, match="one new post"):
        lens.forecast(new, account=account_of(listed[0]), early=(20, 1))


def test_an_early_count_that_no_post_takes_is_never_silent(listed: tuple[Path, Answer], tmp_path: Path) -> None:
    code, _, err = told("forecast", listed[0] / "postlens.db", "--early", "20@1h")
    assert code == 2
    assert "expected a new photo with --early, got a store" in err
    code, _, err = told("forecast", likes_list(tmp_path / "photos", lambda _: 40, 2), "--early", "20@1h")
    assert "early count of 20 at 1 h is not used: all posts have counts of their own" in " ".join(err.split())


def test_posts_that_are_out_are_told_without_what_if_unless_asked(listed: tuple[Path, Answer]) -> None:
    plain, asked = (told("forecast", listed[0] / "postlens.db", *more)[1] for more in ((), ("--what-if",)))
    assert "starts from" in plain
    assert ("caption length" in plain, "caption length" in asked) == (False, True)


def test_followers_are_not_asked_for_where_they_never_help(listed: tuple[Path, Answer]) -> None:
    code, out, _ = told("forecast", listed[0] / "postlens.db", "--set", "metric=views")
    assert code == 1
    assert "more posts with views" in out
    assert "followers" not in out


def test_lens_forecasts_new_photos_as_the_command_line_does(listed: tuple[Path, Answer], tmp_path: Path) -> None:
    new = save(tmp_path / "new.jpg", seed=77)
    account = account_of(listed[0])
    said = json.loads(told("forecast", new, "--account", account, "--out", listed[0], "--json")[1])[0]
    with Lens(store=listed[0] / "postlens.db") as lens:
        found = lens.forecast(new, account=account)[0]
    assert found.forecast.median == pytest.approx(said["median"], abs=0.1)
    assert found.fallback == said["fallback"]
    assert [near.post_id for near in found.similar] == [near["post_id"] for near in said["similar"]]


def test_lens_needs_a_store_for_an_account(tmp_path: Path) -> None:
    with Lens() as lens, pytest.raises(UsageError, match="needs a store"):
        lens.forecast(save(tmp_path / "new.jpg", seed=77), account="mara")


def account_of(out: Path) -> str:
    from postlens.store import Store
    from postlens.store.posts import read_creators

    with Store.open(str(out / "postlens.db"), read_only=True) as store, store.read() as conn:
        return next(iter(read_creators(conn))).handle


def test_an_unknown_account_is_told_with_near_names(listed: tuple[Path, Answer], tmp_path: Path) -> None:
    new = save(tmp_path / "42.jpg", seed=5, side=42)
    code, _, err = told("forecast", new, "--account", account_of(listed[0])[:-1] + "x", "--out", listed[0])
    assert code == 2
    assert f"did you mean {account_of(listed[0])}?" in err


def test_a_thumbnail_is_forecast_from_the_account_and_told(listed: tuple[Path, Answer], tmp_path: Path) -> None:
    new = save(tmp_path / "42.jpg", seed=5, side=42)
    code, out, _ = told("forecast", new, "--account", account_of(listed[0]), "--out", listed[0])
    assert code == 0
    assert "in nine of ten cases" in out
    assert "42 x 42 pixels only" in out


def test_an_account_without_a_store_is_told(tmp_path: Path) -> None:
    new = save(tmp_path / "a.jpg", seed=5)
    code, _, err = told("forecast", new, "--account", "mara", "--out", tmp_path / "nowhere")
    assert code == 2
    assert "run `postlens analyze`" in err


@pytest.mark.parametrize(
    ("n", "likes", "code", "words"),
    [
        (1, lambda number: 5, 1, "0 earlier posts with likes, at least 5 are needed"),
        (2, lambda number: 5, 1, "give the account's followers, or more posts with likes"),
        (7, lambda number: 40, 0, "all 7 posts have 40 likes: check that these are counts"),
        (7, lambda number: "hidden" if number > 2 else 30, 1, "other posts hide their likes"),
    ],
    ids=["one post", "two posts", "all equal", "hidden"],
)
def test_odd_lists_say_what_is_missing(
    tmp_path: Path, n: int, likes: Callable[[int], object], code: int, words: str
) -> None:
    answer = told("forecast", likes_list(tmp_path / "photos", likes, n))
    assert answer[0] == code
    assert words in answer[1]


def test_nothing_to_forecast_is_wrong_usage() -> None:
    code, _, err = told("forecast")
    assert code == 2
    assert "at least one source" in err
