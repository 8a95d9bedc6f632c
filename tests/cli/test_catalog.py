"""The verbs of the catalog on the command line: what is added answers at once, in all outputs of the store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from postlens.cli.app import run

from ..media.samples import encoded, photo
from ..pipelines.sample_run import copy_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "cap.jpg").write_bytes(encoded(photo(300, 200), "JPEG"))
    path = tmp_path / "catalog.csv"
    rows = ["1;Cap [red];hat;12,90 €;cap.jpg;", "2;Öl;beard;free;;", "3;Frame;eyewear;5;absent.jpg;no", ";;;;;x"]
    path.write_bytes("\n".join(["product_id;title;labels;price;image;active", *rows]).encode("cp1252"))
    return path


def told(capsys, *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert run([str(word) for word in words]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def test_add_list_show_and_remove(file, tmp_path, capsys):
    out = tmp_path / "out"
    said = told(capsys, "catalog", "add", file, "--out", out)
    assert "3 new, 0 replaced; 1 with an image; 1 left out" in said
    assert "row 3: column price" in said
    assert "image of product '3'" in said
    assert "row 5: column" in said
    listed = told(capsys, "catalog", "list", "--out", out)
    assert all(text in listed for text in ("Cap [red]", "12.90 EUR", "Öl", "inactive", "yes"))
    rows = json.loads(told(capsys, "catalog", "list", "--json", "--out", out))
    assert [row["product_id"] for row in rows] == ["1", "2", "3"]
    assert "12.9" in told(capsys, "catalog", "show", "1", "--out", out, "--picture", tmp_path / "p.jpg")
    assert (tmp_path / "p.jpg").read_bytes().startswith(b"\xff\xd8")
    assert json.loads(told(capsys, "catalog", "show", "2", "--json", "--out", out))["title"] == "Öl"
    assert "without one" in told(capsys, "catalog", "show", "2", "--picture", "p.jpg", "--out", out, code=2)
    assert "2 removed" in told(capsys, "catalog", "remove", "1", "3", "--out", out)
    assert "'1'" in told(capsys, "catalog", "show", "1", "--out", out, code=2)
    assert "1 removed" in told(capsys, "catalog", "clear", "--yes", "--out", out)
    assert "no products" in told(capsys, "catalog", "list", "--out", out)


def test_all_notes_are_told_where_they_are_asked_for(file, tmp_path, capsys):
    file.write_text("\n".join(["product_id,title,labels,price", *(f"{n},Cap,hat,free" for n in range(8))]))
    said = told(capsys, "catalog", "add", file, "--out", tmp_path / "out")
    assert "and 3 more; all of them with --verbose" in said
    every = told(capsys, "catalog", "add", file, "--out", tmp_path / "out", "--verbose")
    assert every.count("kept without price") == 8
    assert "left out" not in every


def test_a_changed_catalog_changes_the_outputs_without_looking_at_media(sample_run, tmp_path, capsys):
    out = copy_of(sample_run, tmp_path)
    before = json.loads((out / "predictions.json").read_text())
    labels = "hat;beard;moustache;stubble;eyewear"
    (tmp_path / "c.csv").write_text(f'product_id,title,labels\nall,Only this,"{labels}"\n')
    told(capsys, "catalog", "add", tmp_path / "c.csv", "--out", out)
    after = json.loads((out / "predictions.json").read_text())
    assert "Only this" in json.dumps(after)
    assert "Only this" not in json.dumps(before)
    told(capsys, "catalog", "clear", "--yes", "--out", out)
    assert "Only this" not in (out / "predictions.json").read_text()


def test_replace_and_a_setting_that_names_a_file_are_told(file, tmp_path, capsys):
    out = tmp_path / "out"
    told(capsys, "catalog", "add", file, "--out", out)
    file.write_text("product_id,title,labels\n9,Hat,hat\n")
    said = told(capsys, "catalog", "add", file, "--replace", "--out", out, "--set", f"catalog={file}")
    assert "1 new, 0 replaced, 3 removed" in said
    assert "answers instead of the store's" in said


def test_evaluate_prints_recalls_with_intervals(file, tmp_path, capsys):
    out = tmp_path / "out"
    told(capsys, "catalog", "add", file, "--out", out)
    (tmp_path / "truth.csv").write_text("image,product_id\ncap.jpg,1\nabsent.jpg,1\n")
    said = told(capsys, "catalog", "evaluate", tmp_path / "truth.csv", "--out", out)
    assert "recall@10" in said
    assert "1 queries, 2 products, 1 of them with an image" in said
    assert "note: " in said
    words = ("catalog", "evaluate", tmp_path / "truth.csv", "--json", "--set", f"catalog={file}", "--out", "none")
    assert json.loads(told(capsys, *words))["among_all"]["recall_at_1"] == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("add", "absent.csv"), 1, "cannot open the catalog"),
        (("add", "notes.txt"), 1, "expected a catalog that ends in"),
        (("remove", "1"), 2, "expected a product of the store, got '1'"),
        (("evaluate", "absent.csv"), 1, "no file"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(file, tmp_path, capsys, words, code, message):
    out = tmp_path / "out"
    file.write_text("product_id,title,labels\n9,Hat,hat\n")
    told(capsys, "catalog", "add", file, "--out", out)
    said = told(
        capsys, "catalog", words[0], tmp_path / words[1] if "." in words[1] else words[1], "--out", out, code=code
    )
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_reading_verbs_do_not_make_a_store(tmp_path, capsys):
    assert "found none" in told(capsys, "catalog", "list", "--out", tmp_path / "none", code=2)
    assert not (tmp_path / "none").exists()


def test_clear_asks_first(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    told(capsys, "catalog", "add", file, "--out", tmp_path / "out")
    assert run(["catalog", "clear", "--out", str(tmp_path / "out")]) == 1
    assert "Öl" in told(capsys, "catalog", "list", "--out", tmp_path / "out")
