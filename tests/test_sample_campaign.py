"""The bundled sample campaign is complete, small, licensed, readable and what the build tool wrote."""

import csv
import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from PIL import Image

import postlens

CAMPAIGN = Path(postlens.__file__).parent / "sample_campaign"
MAX_BYTES = 6 * 1024 * 1024
COUNTS = ("views", "likes", "comments", "shares", "saves", "followers")
LICENCES = ("CC0 1.0", "CC BY 2.0", "Public domain", "Pexels licence")
ROWS = list(csv.DictReader((CAMPAIGN / "posts.csv").read_text(encoding="utf-8").splitlines()))
MEDIA = sorted(path for path in (CAMPAIGN / "media").rglob("*") if path.is_file())
VIDEOS = [path for path in MEDIA if path.suffix == ".mp4"]
PHOTOS = [path for path in MEDIA if path.suffix != ".mp4"]


def relative(path: Path) -> str:
    return path.relative_to(CAMPAIGN).as_posix()


def file_rows() -> dict[str, str]:
    lines = (CAMPAIGN / "README.md").read_text(encoding="utf-8").splitlines()
    return {line.split("`")[1]: line for line in lines if line.startswith("| `media/")}


def test_posts_and_media_files_are_the_same_set() -> None:
    assert sorted(row["path"] for row in ROWS) == sorted(map(relative, MEDIA))


def test_media_lie_in_a_folder_named_like_their_creator() -> None:
    assert all(Path(row["path"]).parent.name == row["creator"] for row in ROWS)


def test_campaign_stays_small() -> None:
    assert sum(path.stat().st_size for path in CAMPAIGN.rglob("*") if path.is_file()) <= MAX_BYTES


@pytest.mark.parametrize("path", MEDIA, ids=relative)
def test_readme_names_each_file_with_its_licence(path: Path) -> None:
    row = file_rows()[relative(path)]
    assert any(licence in row for licence in LICENCES)


def test_readme_says_that_figures_and_accounts_are_invented() -> None:
    text = (CAMPAIGN / "README.md").read_text(encoding="utf-8")
    assert "Accounts, captions and figures are invented." in text


@pytest.mark.parametrize("line", (CAMPAIGN / "SHA256SUMS").read_text(encoding="utf-8").splitlines()[1:])
def test_file_is_the_one_the_build_wrote(line: str) -> None:
    digest, path = line.split()
    assert hashlib.sha256((CAMPAIGN / path).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("path", VIDEOS, ids=relative)
def test_video_decodes_to_three_to_five_seconds(path: Path) -> None:
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.width, frame.height) for frame in container.decode(video=0)]
    assert 3.0 <= frames[-1][0] <= 5.0
    assert 360 <= max(frames[0][1:]) <= 480


@pytest.mark.parametrize("path", PHOTOS, ids=relative)
def test_photo_decodes_within_the_size_of_a_platform(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
        assert max(image.size) <= 1080


def test_photos_cover_jpeg_png_webp_and_turned_exif() -> None:
    with Image.open(CAMPAIGN / "media/sample.portraits/flight-suit.jpg") as turned:
        assert turned.getexif()[0x0112] == 6
    assert {path.suffix for path in PHOTOS} == {".jpg", ".png", ".webp"}


def test_exactly_one_photo_repeats_another() -> None:
    counts = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in MEDIA)
    assert sorted(count for count in counts.values() if count > 1) == [2]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["path"])
def test_row_has_a_utc_date_and_whole_counts(row: dict[str, str]) -> None:
    assert datetime.fromisoformat(row["published_at"]).tzinfo == UTC
    assert all(int(row[name]) >= 0 for name in COUNTS if row[name])


def test_two_creators_have_too_few_posts_and_the_others_enough() -> None:
    with_likes = Counter(row["creator"] for row in ROWS if row["likes"])
    assert with_likes.pop("sample.newcomer") == with_likes.pop("sample.archive") == 2
    assert min(with_likes.values()) >= 6


def test_some_likes_are_hidden() -> None:
    assert any(not row["likes"] for row in ROWS)
