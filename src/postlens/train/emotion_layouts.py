"""The six layouts of emotion data sets to listed images: file, labels in the data set's own words, group and part."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.errors import MediaNotFoundError, PostlensError, SourceNotFoundError, TableError
from postlens.media.probe import IMAGE_SUFFIXES, display_name
from postlens.sources.protocol import absolute
from postlens.sources.rows import read_table
from postlens.sources.walk import media_files
from postlens.train.emotion_annotations import AnnotatedImage, is_annotated, read_annotated
from postlens.train.emotion_pixels import PIXELS, read_pixels
from postlens.types import Failure

STAGE: Final = "labels"  # of the failures
PARTS: Final = {
    **dict.fromkeys(("train", "training", "train_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "val_set", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}
MIKELS: Final = frozenset(("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"))
ONLY_MIKELS: Final = frozenset(("amusement", "awe", "contentment", "excitement"))
NUMBERS: Final = frozenset(map(str, range(11)))  # of AffectNet's folders
AFFECTNET_HEADER: Final = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip
FILES: Final = ("file", "image", "path", "filename", "image_name", "pth")  # names of columns
WORDS: Final = ("label", "labels", "emotion", "emotions", "expression")
GROUPS: Final = ("group", "person", "creator", "source_group")
NO_LABELS: Final = frozenset((*FILES, *WORDS, *GROUPS, "split", "source", "licence", "license", "id", ""))
TABLES: Final = ("manifest.csv", "labels.csv")  # of layout csv in a folder
_CELLS: Final = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0, "": np.nan}


class Listed(NamedTuple):
    """One image as its data set lists it."""

    path: str  # absolute; of a picture in a table its name and the row
    marks: Mapping[str, float]  # label of the data set to 1, 0 or NaN
    whole: bool = True  # labels that are not marked are known to be absent
    group: str = ""
    part: str = ""  # train, val, test, or "" where the data set gives none


class Listing(NamedTuple):
    """What a data set lists."""

    files: Sequence[Listed]
    failures: Sequence[Failure] = ()
    pixels: NDArray[np.uint8] | None = None  # (N, 48, 48) of pictures that are no files


def find_layout(data: Path) -> str:
    """The layout of a folder or table, told by what lies in it."""
    if data.is_file():
        header = _header(data)
        return "fer2013" if PIXELS in header else "affectnet" if _is_affectnet(header) else "csv"
    if _pixel_tables(data):
        return "fer2013"
    if is_annotated(data):
        return "emoset"
    names = {name.casefold() for name in _label_folders(data)}
    if _affectnet_tables(data) or (names and names <= NUMBERS):
        return "affectnet"
    if _names_mikels(data) or (names <= MIKELS and names & ONLY_MIKELS):
        return "fi"
    return "csv" if any((data / name).is_file() for name in TABLES) else "folders"


# --- folders --------------------------------------------------------------------------------------------------------


def read_folders(data: Path) -> Listing:
    """Images in folders named by label, maybe below folders train, val and test; folders below are a group."""
    root = absolute(str(data))
    files: list[Listed] = []
    failures: list[Failure] = []
    for found in media_files(root):
        if isinstance(found, Failure):
            failures.append(found)
        elif Path(found.path).suffix.lower() in IMAGE_SUFFIXES:
            part, below = _part_and_rest(Path(found.path).relative_to(root).parts)
            if len(below) > 1:
                group = "/".join(below[1:-1])
                files.append(Listed(found.path, {below[0]: 1.0}, group=group, part=part))
            else:
                error = TableError("expected the image in a folder named after its label; move it into one")
                failures.append(Failure.of(display_name(found.path), STAGE, error))
    return Listing(files, failures)


def _part_and_rest(parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    part = PARTS.get(parts[0].casefold(), "") if len(parts) > 2 else ""
    return part, parts[1:] if part else parts


def _label_folders(data: Path) -> list[str]:
    """Names of the folders of labels."""
    own = [path for path in data.iterdir() if path.is_dir() and not path.name.startswith(".")]
    inner = [path for folder in own if folder.name.casefold() in PARTS for path in folder.iterdir() if path.is_dir()]
    return [path.name for path in inner or own]


# --- AffectNet ------------------------------------------------------------------------------------------------------


def read_affectnet(data: Path) -> Listing:
    """AffectNet's tables (training.csv, validation.csv, which may lack its header), or its folders 0 to 7.

    Images lie beside the tables or in a folder there (Manually_Annotated_Images). The whole image is taken, not the
    face's box in it: AffectNet's images are cut around the face already.
    """
    tables = [data] if data.is_file() else _affectnet_tables(data)
    if not tables:
        return read_folders(data)
    folder = data.parent if data.is_file() else data
    files: list[Listed] = []
    failures: list[Failure] = []
    for table in tables:
        part = PARTS.get(table.stem.casefold(), "")
        rows = list(_affectnet_rows(table))
        base = _base(folder, rows[0][0]) if rows else folder
        for name, label in rows:
            _add(files, failures, Listed(absolute(str(base / name)), {label: 1.0}, part=part), table)
    return Listing(files, failures)


def _affectnet_tables(data: Path) -> list[Path]:
    """Tables with AffectNet's header, and those without a header whose first row has as many cells."""
    return [path for path in sorted(data.glob("*.csv")) if _is_affectnet(_header(path))]


def _is_affectnet(first: Sequence[str]) -> bool:
    named = AFFECTNET_HEADER[0].lower() in first
    return named or (len(first) == len(AFFECTNET_HEADER) and Path(first[0]).suffix in IMAGE_SUFFIXES)


def _affectnet_rows(table: Path) -> Iterator[tuple[str, str]]:
    """File and label of each row, by AffectNet's own order of columns where there is no header."""
    for row in _lines(table):
        if row and row[0].strip().lower() != AFFECTNET_HEADER[0].lower():
            if len(row) < len(AFFECTNET_HEADER) - 2:
                raise TableError(f"{display_name(table)}: expected columns {', '.join(AFFECTNET_HEADER)}, got {row!r}")
            yield row[0].strip(), row[AFFECTNET_HEADER.index("expression")].strip()


def _base(folder: Path, name: str) -> Path:
    """The folder below which the images lie: the given one, or one in it that has the first image."""
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    deeper = [path for one in inner for path in sorted(one.iterdir()) if path.is_dir()]
    return next((one for one in (folder, *inner, *deeper) if (one / name).is_file()), folder)


# --- FI -------------------------------------------------------------------------------------------------------------


def read_fi(data: Path) -> Listing:
    """Flickr and Instagram: folders named by Mikels' eight, or lists train.txt, val.txt, test.txt (or .csv).

    A line of a list is `file emotion` or `file,emotion`; a file is named by its path below the folder or, where that
    tells it, by its name alone. Lists may lie in a folder `annotations`.
    """
    lists = _lists(data)
    if not lists:
        return read_folders(data)
    by_name = _by_name(data)
    files: list[Listed] = []
    failures: list[Failure] = []
    for part, table in lists:
        for line in _lines(table):
            name, _, label = " ".join(line).strip().rpartition(" ")
            if name and not (label.casefold() in WORDS and name.casefold() in FILES):
                path = by_name.get(name, absolute(str(data / name)))
                _add(files, failures, Listed(path, {label: 1.0}, part=part), table)
    return Listing(files, failures)


def _lists(data: Path) -> list[tuple[str, Path]]:
    """Part and file of each list; "" for a list of all."""
    places = [data / "annotations", data] if data.is_dir() else []
    named = [("train", "train"), ("val", "val"), ("test", "test"), ("", "annotations")]
    return [
        (part, path)
        for part, stem in named
        for path in [place / f"{stem}{suffix}" for place in places for suffix in (".txt", ".csv")]
        if path.is_file()
    ]


def _names_mikels(data: Path) -> bool:
    """Whether the last line of some list names one of Mikels' eight."""
    last = [(list(_lines(table)) or [[""]])[-1] for _, table in _lists(data)]
    return any(" ".join(line).rpartition(" ")[2].strip().casefold() in MIKELS for line in last)


def _by_name(data: Path) -> dict[str, str]:
    """Images by path below the folder and, where it is the only one of that name, by name."""
    root = absolute(str(data))
    paths = [found.path for found in media_files(root) if not isinstance(found, Failure)]
    names: dict[str, list[str]] = {}
    for path in paths:
        names.setdefault(Path(path).name, []).append(path)
    alone = {name: own[0] for name, own in names.items() if len(own) == 1}
    return alone | {str(Path(path).relative_to(root)): path for path in paths}


# --- EmoSet and FER2013 ---------------------------------------------------------------------------------------------


def read_emoset(data: Path) -> Listing:
    """EmoSet's split files and annotations (`emotion_annotations`)."""
    files: list[Listed] = []
    failures: list[Failure] = []
    for found in read_annotated(data):
        if isinstance(found, AnnotatedImage):
            one = Listed(absolute(str(data / found.image)), {found.emotion: 1.0}, part=PARTS.get(found.part, ""))
            _add(files, failures, one, data)
        else:
            failures.append(found)
    return Listing(files, failures)


def read_fer2013(data: Path) -> Listing:
    """FER2013's table of pixels (`emotion_pixels`), or a folder with it."""
    tables = [data] if data.is_file() else _pixel_tables(data)
    if not tables:
        raise SourceNotFoundError(f"{display_name(data)}: expected a CSV file with a column {PIXELS}; name it")
    rows, pixels, failures = read_pixels(tables[0])
    files = [Listed(one.subject, {one.label: 1.0}, part=one.part) for one in rows]
    return Listing(files, failures, pixels)


def _pixel_tables(data: Path) -> list[Path]:
    return [path for path in sorted(data.glob("*.csv")) if PIXELS in _header(path)]


# --- CSV ------------------------------------------------------------------------------------------------------------


def read_csv(data: Path) -> Listing:
    """A table with a column `file` and either `label` (several with ; or | between) or a column for each emotion.

    Cells of emotions are 1, 0, or empty where not known. Also read: `group` (or person, creator, source_group) and
    `split` (train, val, test). Files are named relative to the table.
    """
    table = data if data.is_file() else next((data / n for n in TABLES if (data / n).is_file()), data / TABLES[0])
    rows = [{key.strip().casefold(): cell.strip() for key, cell in row.items()} for row in read_table(table)]
    header = list(rows[0]) if rows else []
    file, words = (next((name for name in names if name in header), "") for names in (FILES, WORDS))
    if not file:
        raise TableError(f"{display_name(table)}: expected a column {FILES[0]}, got {', '.join(header) or 'no row'}")
    files: list[Listed] = []
    failures: list[Failure] = []
    for number, row in enumerate(rows, start=2):
        where = f"{display_name(table)}, row {number}"
        one = Listed(
            path=absolute(str(table.parent / row[file])),
            marks=_words(row[words]) if words else _cells(row, where),
            whole=bool(words),
            group=next((row[name] for name in GROUPS if row.get(name)), ""),
            part=_part(row.get("split", ""), where),
        )
        _add(files, failures, one, table)
    return Listing(files, failures)


def _words(text: str) -> dict[str, float]:
    return {word.strip(): 1.0 for word in re.split(r"[;|]", text) if word.strip()}


def _cells(row: Mapping[str, str], where: str) -> dict[str, float]:
    cells = {name: cell.casefold() for name, cell in row.items() if name not in NO_LABELS}
    if wrong := [(name, cell) for name, cell in cells.items() if cell not in _CELLS]:
        name, cell = wrong[0]
        raise TableError(f"{where}, column {name}: expected 1, 0 or nothing for an emotion, got {cell!r}; correct it")
    return {name: _CELLS[cell] for name, cell in cells.items()}


def _part(text: str, where: str) -> str:
    if text and text.casefold() not in PARTS:
        raise TableError(f"{where}, column split: expected train, val or test, got {text!r}; correct it")
    return PARTS.get(text.casefold(), "")


# --- shared ---------------------------------------------------------------------------------------------------------


def _add(files: list[Listed], failures: list[Failure], one: Listed, table: Path) -> None:
    """To the files, or to the failures if it is not there."""
    if Path(one.path).is_file():
        files.append(one)
    else:
        error = MediaNotFoundError(f"{table.name} lists it, but there is no such file; copy it or remove the row")
        failures.append(Failure.of(display_name(one.path), STAGE, error))


def _header(table: Path) -> list[str]:
    """Names of the columns in lower case, or the cells of a first row; nothing of a file that is no table."""
    try:
        return [name.strip().lower() for name in next(iter(_lines(table)), [])]
    except PostlensError:
        return []


def _lines(table: Path) -> Iterator[list[str]]:
    """Rows of a CSV file, or of a text file. Raises `TableError` for one that is none."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{display_name(table)}: expected a table in UTF-8, got: {error}; save it again") from error


LAYOUTS: Mapping[str, Callable[[Path], Listing]] = {
    "affectnet": read_affectnet,
    "fi": read_fi,
    "emoset": read_emoset,
    "fer2013": read_fer2013,
    "folders": read_folders,
    "csv": read_csv,
}
