"""Folders of photos in, one product a profile out; more photos, another catalog, a forget: all by the command line."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
import zipfile
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from postlens.cli.app import run
from postlens.types import ATTRIBUTES

PROFILES = {  # who is in the photos, and what is not a face
    "grace": ("sample.portraits/navy-cap.jpg", "sample.portraits/cap-badge.jpg", "sample.interior/sofa.jpg"),
    "eileen": ("sample.portraits/smile.jpg", "sample.portraits/flight-suit.jpg"),
    "rooms": ("sample.interior/plants.jpg", "sample.interior/cabinet.jpg"),
}
WORN = {"hat", "eyewear"}  # what the photos of Grace Hopper show
HEADER = ("product_id", "title", "labels", "price", "active", "audience")

Answers = dict[str, dict[str, Any]]  # creator to its recommendation


def told(*words: object) -> str:
    """What a command prints; it succeeds."""
    with redirect_stdout(StringIO()) as said:
        assert run([str(word) for word in words]) == 0, said.getvalue()
    return said.getvalue()


def write_catalog(path: Path, name: str, *, labels: tuple[str, ...] = ATTRIBUTES, audience: str = "") -> Path:
    """A product for each label, `<name>-<label>`, and a row that cannot be used."""
    rows = [(f"{name}-{label}", f"{name} for {label}", label, "9,90 €", "yes", audience) for label in labels]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows, ("broken", "", "hat", "", "", "")])
    return path


def mirrored(source: Path, target: Path) -> None:
    """Another photo of the same face."""
    with PillowImage.open(source) as image:
        ImageOps.mirror(image.convert("RGB")).save(target, quality=92)


@dataclass
class Story:
    """Profiles in folders, and what was recommended on the way."""

    folder: Path
    media: Path
    answers: dict[str, Answers] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def recommend(self, step: str, *words: object, out: str = "out", sources: list[Path] | None = None) -> Answers:
        where = self.folder / out
        self.said[step] = told("recommend", *(sources or [self.folder / "profiles"]), "--out", where, *words)
        found = json.loads((where / "recommendations.json").read_text())["creators"]
        self.answers[step] = {key.partition(":")[2]: answer for key, answer in found.items()}
        return self.answers[step]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, sample_campaign: Path) -> Story:
    """Profiles, catalogs, and the first recommendations."""
    made = Story(tmp_path_factory.mktemp("products"), sample_campaign / "media")
    for profile, names in PROFILES.items():
        (made.folder / "profiles" / profile).mkdir(parents=True)
        for name in names:
            shutil.copy(made.media / name, made.folder / "profiles" / profile)
    (made.folder / "profiles" / "rooms" / "torn.jpg").write_bytes(b"\xff\xd8\xff no picture")
    write_catalog(made.folder / "first.csv", "first")
    write_catalog(made.folder / "second.csv", "second")
    made.recommend("first", "--catalog", made.folder / "first.csv")
    return made


def without_names(answers: Answers) -> Answers:
    """The answers without what names files."""
    named = ("reason", "files")
    return {who: {name: value for name, value in one.items() if name not in named} for who, one in answers.items()}


def offered(out: Path) -> list[str]:
    """Products of the creators and posts in the outputs of an analysis."""
    table = pl.read_parquet(out / "products.parquet").filter(pl.col("chosen"))
    return [str(one) for one in table["product_id"]]


# --- what is answered ------------------------------------------------------------------------------------------------


def test_each_profile_has_one_answer(story):
    found = story.answers["first"]
    assert sorted(found) == sorted(PROFILES)
    assert found["grace"]["label"] in WORN
    assert found["grace"]["product"]["product_id"] == f"first-{found['grace']['attribute']}"
    assert {who: found[who]["product"] for who in ("eileen", "rooms")} == {"eileen": None, "rooms": None}


def test_the_reason_has_label_share_number_deciding_image_and_threshold(story):
    answer = story.answers["first"]["grace"]
    (own,) = [item for item in answer["items"] if item["item"] == answer["label"]]
    assert answer["score"] >= answer["threshold"] == own["threshold"]
    for part in (answer["label"], "2 of 2 images", "100%", f"{answer['score']:.2f}", f"{answer['threshold']:.2f}"):
        assert part in answer["reason"], part
    assert "navy-cap.jpg" in answer["reason"] or "cap-badge.jpg" in answer["reason"]


def test_images_without_a_face_count_for_nothing_and_are_listed(story):
    found = story.answers["first"]
    assert {who: (len(found[who]["without_face"]), found[who]["n_images"]) for who in found} == {
        "grace": (1, 2), "eileen": (0, 2), "rooms": (2, 0),
    }  # fmt: skip
    assert found["eileen"]["reason"] == "no items detected"
    assert "no face" in found["rooms"]["reason"]


def test_a_broken_photo_and_a_broken_row_are_named_and_stop_nothing(story):
    assert "torn.jpg" in story.said["first"]
    assert "first.csv, row 8" in story.said["first"]


def test_pictures_show_the_crop_and_the_result(story):
    names = {path.name.rpartition("-")[2]: path for path in (story.out / "pictures").glob("creator-grace-*.jpg")}
    assert set(names) == {"crop.jpg", "result.jpg"}
    for path in names.values():
        with PillowImage.open(path) as image:
            assert min(image.size) > 100


@pytest.mark.parametrize("share", ["items", "shares"])
def test_all_shares_are_kept(story, share):
    for answer in story.answers["first"].values():
        assert len(answer[share]) == 3


# --- what changes nothing --------------------------------------------------------------------------------------------


def test_the_same_folders_again_are_not_looked_at_again(story):
    again = story.recommend("again", "--catalog", story.folder / "first.csv")
    assert again == story.answers["first"]


def test_order_and_repeats_change_nothing(story):
    reversed_folders = [story.folder / "profiles" / who for who in sorted(PROFILES, reverse=True)]
    repeated = story.folder / "repeated" / "grace"
    shutil.copytree(story.folder / "profiles" / "grace", repeated)
    for number in range(3):
        shutil.copy(repeated / "cap-badge.jpg", repeated / f"a-copy-{number}.jpg")
        shutil.copy(repeated / "sofa.jpg", repeated / f"a-sofa-{number}.jpg")
    words = ("--catalog", story.folder / "first.csv")
    found = story.recommend("reversed", *words, out="reversed", sources=[repeated, *reversed_folders])
    assert without_names(found) == without_names(story.answers["first"])


def test_analyze_answers_as_recommend_does(story, tmp_path):
    told("analyze", story.folder / "profiles", "--out", tmp_path, "--set", f"catalog={story.folder / 'first.csv'}")
    chosen = pl.read_parquet(tmp_path / "products.parquet").filter(pl.col("chosen"), kind="creator")
    answer = story.answers["first"]["grace"]
    (row,) = chosen.to_dicts()
    assert (row["product_id"], row["label"], row["share"]) == (
        answer["product"]["product_id"], answer["attribute"], answer["share"],
    )  # fmt: skip
    assert row["best_sha256"] == answer["deciding_media"]
    assert row["reason"] == answer["reason"]
    assert "first.csv, row 8" in (tmp_path / "failures.csv").read_text()


# --- what changes something ------------------------------------------------------------------------------------------


def test_new_photos_change_their_profile_as_if_all_had_come_at_once(story, tmp_path):
    folder = shutil.copytree(story.folder / "profiles", tmp_path / "profiles")
    words = ("--catalog", story.folder / "first.csv")
    story.recommend("early", *words, out="grown", sources=[folder])
    for number, name in enumerate(PROFILES["grace"][:2]):
        mirrored(story.media / name, folder / "eileen" / f"new-{number}.jpg")
    grown = story.recommend("grown", *words, out="grown", sources=[folder])
    assert grown == story.recommend("fresh", *words, out="fresh", sources=[folder])
    assert (grown["eileen"]["label"] in WORN, grown["eileen"]["share"]) == (True, 0.5)
    assert {who: grown[who] for who in ("grace", "rooms")} == {
        who: story.answers["early"][who] for who in ("grace", "rooms")
    }


def test_another_catalog_takes_effect_at_once_and_without_the_media(story, tmp_path):
    folder, out = shutil.copytree(story.folder / "profiles", tmp_path / "profiles"), tmp_path / "out"
    told("analyze", folder, "--out", out)
    before = offered(out)
    shutil.rmtree(folder)
    assert "6 new" in told("catalog", "add", story.folder / "second.csv", "--out", out)
    assert offered(out) and all(one.startswith("second-") for one in offered(out))
    assert "second for" in (out / "report.html").read_text()
    told("catalog", "clear", "--yes", "--out", out)
    assert before and offered(out) == before


def test_a_store_answers_again_without_the_media(story):
    words = ("--catalog", story.folder / "second.csv")
    found = story.recommend("from the store", *words, out="from-store", sources=[story.out / "postlens.db"])
    assert found["grace"]["product"]["product_id"] == f"second-{found['grace']['attribute']}"
    assert found["grace"]["items"] == story.answers["first"]["grace"]["items"]


def test_a_label_without_a_product_is_said_and_keeps_its_proof(story):
    write_catalog(story.folder / "beards.csv", "beards", labels=("beard",))
    answer = story.recommend("beards", "--catalog", story.folder / "beards.csv")["grace"]
    assert (answer["product"], answer["share"]) == (None, 1.0)
    assert answer["label"] in WORN
    assert "no active product" in answer["reason"]


def test_missing_recommends_what_is_not_worn(story):
    found = story.recommend("missing", "--catalog", story.folder / "first.csv", "--policy", "missing")
    assert found["eileen"]["label"] in WORN
    assert found["eileen"]["share"] == 0.0
    assert found["eileen"]["product"] is not None
    assert found["rooms"]["product"] is None


@pytest.mark.parametrize(("audience", "is_offered"), [("adults", True), ("teens", False)])
def test_only_products_for_the_audience_are_recommended(story, audience, is_offered):
    write_catalog(story.folder / "adults.csv", "adults", audience="adults")
    answer = story.recommend(audience, "--catalog", story.folder / "adults.csv", "--audience", audience)["grace"]
    assert (answer["product"] is not None) is is_offered
    assert audience in answer["reason"] or is_offered


# --- what is forgotten -----------------------------------------------------------------------------------------------


def test_a_forgotten_profile_is_in_no_output_and_does_not_come_back(story, tmp_path):
    out = shutil.copytree(story.out, tmp_path / "out")
    told("analyze", story.folder / "profiles", "--out", out)
    told("forget", "grace", "--out", out, "--yes")
    assert not (out / "pictures").exists() or not list((out / "pictures").glob("*grace*"))
    assert not (out / "recommendations.json").exists()
    assert "unknown:grace" not in pl.read_parquet(out / "products.parquet")["creator_id"].to_list()
    assert "@grace" not in (out / "report.html").read_text()
    told("recommend", story.folder / "profiles", "--out", out)
    assert "unknown:grace" not in json.loads((out / "recommendations.json").read_text())["creators"]


def test_a_forgotten_person_decides_nothing_and_is_in_no_picture(story, tmp_path):
    told("analyze", story.folder / "profiles" / "grace", "--out", tmp_path, "--creator", "grace")
    faces = [data for data in pictures_in(tmp_path / "products.xlsx") if data in pictures_in(tmp_path / "report.html")]
    assert faces
    (person,) = json.loads(told("people", "list", "--json", "--out", tmp_path))
    told("forget", person["person_id"], "--out", tmp_path, "--yes")
    assert offered(tmp_path) == []
    for name in ("products.xlsx", "report.html"):
        assert not set(faces) & pictures_in(tmp_path / name)


def pictures_in(path: Path) -> set[bytes]:
    """The pictures in a workbook or a page."""
    if path.suffix == ".html":
        return {base64.b64decode(one) for one in re.findall(r"base64,([A-Za-z0-9+/=]+)", path.read_text())}
    with zipfile.ZipFile(path) as book:
        return {book.read(name) for name in book.namelist() if name.startswith("xl/media/")}
