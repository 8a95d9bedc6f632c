"""`postlens sample`: a table of what was drawn, sentences on what was short, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postlens.cli.app import run

from ..influencers import FIRST_ID, INFLUENCERS, MAPPING, write_influencers


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_influencers(tmp_path / "data", n_per_category=2, posts=3, categories=("pet", "food"), size_px=16)


def sample(capsys, *words: str | Path) -> tuple[int, str]:
    """Exit code, and both outputs in one line."""
    code = run(["sample", *map(str, words)])
    out, err = capsys.readouterr()
    return code, " ".join((out + err).split())


def test_what_was_drawn_and_what_was_short_is_told(dataset, tmp_path, capsys):
    (dataset / "image" / f"pet_0-{FIRST_ID + 1}.jpg").unlink()
    with (dataset / INFLUENCERS).open("a") as file:
        file.write("odd\tfasion\t1\t2\t3\n")
    code, text = sample(capsys, dataset, "--out", tmp_path / "out", "--posts", "4", "--influencers", "2")
    assert code == 0
    assert "short: fewer than 2 influencers: beauty, family, fashion, fitness, interior, other, travel" in text
    assert "short: no image at all: beauty, family, fashion, fitness, interior, other, travel" in text
    assert "short: 4 influencers have fewer than 4 posts" in text
    assert "short: unknown categories, left out: 'fasion' (1)" in text
    assert "short: 1 images are missing" in text
    assert "12 posts with 11 images; report: " in text
    assert json.loads((tmp_path / "out" / "sample_report.json").read_text())["n_images"] == 11


def test_a_whole_draw_has_nothing_short(tmp_path, capsys):
    data = write_influencers(tmp_path / "data", n_per_category=1, posts=1, size_px=16)
    code, text = sample(capsys, data, "--out", tmp_path / "out", "--posts", "1", "--influencers", "1", "--copy")
    assert (code, "short" in text) == (0, False)
    assert len(list((tmp_path / "out" / "image").iterdir())) == 9


def test_the_seed_decides(dataset, tmp_path, capsys):
    texts = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6), ("d", 7)):
        sample(capsys, dataset, "--out", tmp_path / name, "--seed", str(seed), "--posts", "1", "--influencers", "1")
        texts.append((tmp_path / name / "smallMappings.txt").read_bytes())
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_no_post_at_all_is_exit_code_one(dataset, tmp_path, capsys):
    (dataset / MAPPING).write_text("")
    code, text = sample(capsys, dataset, "--out", tmp_path / "out")
    assert (code, "0 posts with 0 images" in text) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--copy", "--link"], "expected --copy or --link, got both"), (["--posts", "0"], "--posts")],
)
def test_wrong_words_exit_with_two(words, message, dataset, tmp_path, capsys):
    code, text = sample(capsys, dataset, "--out", tmp_path / "out", *words)
    assert (code, message in text) == (2, True)


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path, capsys):
    assert run(["sample", str(tmp_path / "nowhere"), "--out", str(tmp_path / "small")]) == 1
    assert "nowhere: there is no such folder" in capsys.readouterr().err
    assert not (tmp_path / "small").exists()


def test_a_folder_without_tables_says_which_are_expected(tmp_path, capsys):
    code, text = sample(capsys, tmp_path, "--out", tmp_path / "out")
    assert code == 1
    assert "expected influencers.txt and JSON-Image_files_mapping.txt" in text
