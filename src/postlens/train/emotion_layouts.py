"""The six layouts of emotion data sets to listed images: file, labels in the data set's own words, group and part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from postlens.errors import SourceNotFoundError, TableError
from postlens.media.probe import IMAGE_SUFFIXES, display_name
from postlens.sources.protocol import absolute
from postlens.sources.walk import media_files
from postlens.train.emotion_annotations import AnnotatedImage, is_annotated, read_annotated
from postlens.train.emotion_listing import FILES, PARTS, STAGE, WORDS, Listed, Listing, add, header_of, lines_of
from postlens.train.emotion_pixels import PIXELS, read_pixels
from postlens.train.emotion_tables import TABLES, affectnet_tables, is_affectnet, read_affectnet_tables, read_csv
from postlens.types import Failure

MIKELS: Final = frozenset(("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"))
ONLY_MIKELS: Final = frozenset(("amusement", "awe", "contentment", "excitement"))
NUMBERS: Final = frozenset(map(str, range(11)))  # of AffectNet's folders


def find_layout(data: Path) -> str:
    """The layout of a folder or table, told by what lies in it."""
    if data.is_file():
        header = header_of(data)
        return "fer2013" if PIXELS in header else "affectnet" if is_affectnet(header) else "csv"
    if _pixel_tables(data):
        return "fer2013"
    if is_annotated(data):
        return "emoset"
    names = {name.casefold() for name in _label_folders(data)}
    if affectnet_tables(data) or (names and names <= NUMBERS):
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
    """AffectNet's tables (`emotion_tables`) or one of them, or its folders 0 to 7.

    The whole image is taken, not the face's box in it: AffectNet's images are cut around the face already.
    """
    tables = [data] if data.is_file() else affectnet_tables(data)
    folder = data.parent if data.is_file() else data
    return read_affectnet_tables(tables, folder) if tables else read_folders(data)


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
        for line in lines_of(table):
            name, _, label = " ".join(line).strip().rpartition(" ")
            if name and not (label.casefold() in WORDS and name.casefold() in FILES):
                path = by_name.get(name, absolute(str(data / name)))
                add(files, failures, Listed(path, {label: 1.0}, part=part), table)
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
    last = [(list(lines_of(table)) or [[""]])[-1] for _, table in _lists(data)]
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
            add(files, failures, one, data)
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
    return [path for path in sorted(data.glob("*.csv")) if PIXELS in header_of(path)]


LAYOUTS: Mapping[str, Callable[[Path], Listing]] = {
    "affectnet": read_affectnet,
    "fi": read_fi,
    "emoset": read_emoset,
    "fer2013": read_fer2013,
    "folders": read_folders,
    "csv": read_csv,
}
