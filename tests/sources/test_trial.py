"""Tables that are small in the mail and large on the desk."""

from __future__ import annotations

import zipfile

import pytest

from postlens.errors import TooLargeError
from postlens.sources.trial import MIB, expect_small

TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
PARTS = {
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="a" Type="{TYPE}/officeDocument"'
    ' Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{TYPE}"><sheets><sheet name="a" sheetId="1" r:id="a"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="a" Type="{TYPE}/worksheet"'
    ' Target="worksheets/sheet1.xml"/></Relationships>',
}
ROW = '<row><c t="inlineStr"><is><t>path</t></is></c></row>'


def sheet(path, rows: str):
    """A spreadsheet of these rows, packed."""
    parts = PARTS | {"xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in parts.items():
            packed.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROW * 11, "at most 10 rows, got 11"),
        (ROW + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "at most 64 MiB when it is unpacked"),
    ],
)
def test_a_small_spreadsheet_that_unpacks_to_much_is_refused(tmp_path, rows, said):
    with pytest.raises(TooLargeError, match=said):
        expect_small(sheet(tmp_path / "a.xlsx", rows), max_bytes=64 * MIB, max_rows=10)


def test_memory_is_limited_before_rows_are_known(tmp_path):
    path = sheet(tmp_path / "a.xlsx", ROW * 300_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(TooLargeError, match="at most 8 MiB"):
        expect_small(path, max_bytes=8 * MIB, max_rows=10**6)


def test_ordinary_and_damaged_spreadsheets_pass(tmp_path):
    expect_small(sheet(tmp_path / "a.xlsx", ROW * 10), max_bytes=64 * MIB, max_rows=10)
    (tmp_path / "b.xlsx").write_bytes(b"no spreadsheet")
    expect_small(tmp_path / "b.xlsx", max_bytes=64 * MIB, max_rows=10)


@pytest.mark.parametrize(("name", "row"), [("a.csv", b"a.jpg\n"), ("a.jsonl", b'{"path": 1}\n')])
def test_lines_of_texts_are_counted(tmp_path, name, row):
    (tmp_path / name).write_bytes(row * 11)
    with pytest.raises(TooLargeError, match="got 11"):
        expect_small(tmp_path / name, max_bytes=MIB, max_rows=10)
    with pytest.raises(TooLargeError, match="MiB"):
        expect_small(tmp_path / name, max_bytes=10, max_rows=10)


def test_parquet_says_its_rows_itself(tmp_path):
    import polars as pl

    pl.DataFrame({"path": ["a.jpg"] * 11}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"damaged")
    expect_small(tmp_path / "b.parquet", max_bytes=MIB, max_rows=10)
    with pytest.raises(TooLargeError, match="got 11"):
        expect_small(tmp_path / "a.parquet", max_bytes=MIB, max_rows=10)
