"""Media to recommendations: products alone, kept in the store that `analyze` uses, written with pictures."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import postlens
from postlens.cli.app import run
from postlens.errors import UsageError
from postlens.media.image import decode_image
from postlens.pipelines.analyze import Request, analyze
from postlens.pipelines.forget import find_subject, forget_subject
from postlens.pipelines.product_facts import product_stages
from postlens.pipelines.recommend import Recommended, recommend_media, recommend_store
from postlens.pipelines.recommend_files import HEADER, write_recommendations
from postlens.store import Store
from postlens.tasks.products.items import Label, trained_label
from postlens.tasks.products.model import vectors_fingerprint, write_product_card
from postlens.train.products_vectors import Reader

from ..runs import write_colour_net, write_model
from ..train.drawn import draw_beard
from .fakes import settings

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PORTRAITS = ("cap-badge.jpg", "flight-suit.jpg", "navy-cap.jpg", "smile.jpg")
CAPS = "product_id,title,labels,audience\ncap,Cap,hat,kids\nframe,Frame,eyeglasses,\n"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, sample_campaign: Path) -> Path:
    """Two creators: portraits, and one of a cup, a copy of it and a file that is no photo."""
    root = tmp_path_factory.mktemp("photos")
    for creator in ("ann", "bob"):
        (root / creator).mkdir()
    for name in PORTRAITS:
        shutil.copy(sample_campaign / "media" / "sample.portraits" / name, root / "ann" / name)
    shutil.copy(sample_campaign / "media" / "sample.cats.coffee" / "espresso.jpg", root / "bob" / "espresso.jpg")
    (root / "bob" / "torn.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return root


@pytest.fixture(scope="module")
def looked(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommended, Path]:
    """What was found, and the folder it was written to."""
    out = tmp_path_factory.mktemp("out")
    found = recommend_media([str(photos)], out, settings=settings())
    assert write_recommendations(found, out, settings=settings(), now=NOW) == ()
    return found, out


def answers(found: Recommended) -> dict[str, object]:
    """Label, share and file by creator."""
    return {one.creator.handle: (one.answer.label, one.answer.share, one.answer.n_images) for one in found.creators}


def plain(found: Recommended) -> list[object]:
    return [one.answer for one in found.offered]


def test_each_creator_and_post_has_an_answer(looked: tuple[Recommended, Path]) -> None:
    found, _ = looked
    assert [one.creator.handle for one in found.creators] == ["ann", "bob"]
    assert len(found.posts) == len(PORTRAITS) + 1
    ann, bob = (one.answer for one in found.creators)
    assert (ann.n_images, ann.label in {"hat", "eyewear"}) == (4, True)
    assert bob.reason == "no items detected: no face that can be read in 1 image"
    assert len(bob.without_face) == 1
    assert [Path(failure.subject).name for failure in found.failures] == ["torn.jpg"]


def test_only_stages_that_recommending_reads_run(looked: tuple[Recommended, Path]) -> None:
    names = {stage.name for stage in product_stages(())}
    assert names == {"encode", "hash", "detect", "track", "attributes"}


def test_the_files_hold_every_answer(looked: tuple[Recommended, Path]) -> None:
    found, out = looked
    values = json.loads((out / "recommendations.json").read_text())
    assert list(values["creators"]) == [one.answer.subject_id for one in found.creators]
    ann = values["creators"]["unknown:ann"]
    assert (ann["n_images"], {item["item"] for item in ann["items"]}) == (4, {"hat", "beard", "eyewear"})
    rows = list(csv.DictReader(io.StringIO((out / "recommendations.csv").read_text(encoding="utf-8"))))
    assert tuple(rows[0]) == HEADER
    assert len(rows) == len(found.offered)
    assert rows[0]["deciding_image"] in PORTRAITS
    assert rows[1]["without_face"] == "espresso.jpg"
    assert [row["files"] for row in rows[:2]] == ["4 files", "1 file"]
    assert sorted(row["files"] for row in rows[2:]) == sorted([*PORTRAITS, "espresso.jpg"])
    assert {row["creator"] for row in rows} == {"unknown:ann", "unknown:bob"}


def test_a_creator_with_a_face_has_two_pictures(looked: tuple[Recommended, Path]) -> None:
    _, out = looked
    names = sorted(path.name for path in (out / "pictures").iterdir())
    assert [name.rpartition("-")[2] for name in names] == ["crop.jpg", "result.jpg"]
    assert all(name.startswith("creator-ann-") for name in names)
    assert decode_image(out / "pictures" / names[0]).image.shape[0] == 448


def test_analyze_goes_on_from_what_was_looked_at(looked: tuple[Recommended, Path], photos: Path, tmp_path) -> None:
    out = Path(shutil.copytree(looked[1], tmp_path / "out"))
    again = analyze(Request((str(photos),), out), settings=settings())
    assert again.stage_seconds.get("attributes", 0) < 0.01
    assert "measure" in again.stage_seconds


def test_images_that_arrive_in_parts_give_what_all_at_once_give(photos: Path, looked, tmp_path: Path) -> None:
    part = tmp_path / "part"
    for names in (PORTRAITS[2:], PORTRAITS[:2], PORTRAITS):
        (part / "ann").mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(photos / "ann" / name, part / "ann" / name)
        found = recommend_media([str(part)], tmp_path / "out", settings=settings())
    whole = next(one.answer for one in looked[0].creators if one.creator.handle == "ann")
    assert [one.answer for one in found.creators] == [whole]


def test_a_changed_catalog_needs_no_second_look(looked, tmp_path: Path) -> None:
    store = str(looked[1] / "postlens.db")
    assert plain(recommend_store(store, settings=settings())) == plain(looked[0])
    (tmp_path / "mine.csv").write_text(CAPS)
    for audience, titles in (((), {"Cap", "Frame"}), (("adults",), {"Frame", None}), (("kids",), {"Cap", "Frame"})):
        own = settings(catalog=tmp_path / "mine.csv", audience=audience, product_order="listed")
        answer = recommend_store(store, settings=own).creators[0].answer
        assert (answer.product.title if answer.product else None) in titles
    missing = recommend_store(store, settings=settings(product_policy="missing"))
    assert [one.answer.policy for one in missing.creators] == ["missing", "missing"]


def copy_of(looked: tuple[Recommended, Path], to: Path, change: str, *values: str) -> Path:
    """The store's file in a new folder, after a statement."""
    to.mkdir()
    store = shutil.copy(looked[1] / "postlens.db", to / "postlens.db")
    with closing(sqlite3.connect(store)) as conn, conn:
        conn.execute(change, values)
    return Path(store)


ONE = "input_sha256 = (SELECT min(sha256) FROM faces)"


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE ledger SET fingerprint = 'old' || fingerprint WHERE stage = 'attributes' AND {ONE}",
        f"UPDATE ledger SET stage_version = '0' WHERE stage = 'detect' AND {ONE}",
        f"DELETE FROM ledger WHERE stage = 'track' AND {ONE}",
    ],
)
def test_media_that_other_models_read_is_left_out_and_counted(looked, tmp_path: Path, change: str) -> None:
    found = recommend_store(str(copy_of(looked, tmp_path / "old", change)), settings=settings())
    assert [one.answer.n_images for one in found.creators] == [3, 0]
    (note,) = found.notes
    assert note.stage == "products"
    assert "expected all 5 media to have been looked at by the models in use, got 1 that were not" in note.message


def test_how_large_media_was_decoded_does_not_matter(looked, tmp_path: Path) -> None:
    other = settings(image_max_side_px=settings().image_max_side_px + 64)
    found = recommend_store(str(looked[1] / "postlens.db"), settings=other)
    assert (plain(found), found.notes) == (plain(looked[0]), ())


def test_a_store_that_was_never_looked_at_for_products_gives_no_answer(photos, tmp_path, capsys) -> None:
    store = tmp_path / "out" / "postlens.db"
    rows = [f"{photos / 'ann' / name},ann" for name in PORTRAITS]
    (tmp_path / "posts.csv").write_text("\n".join(["path,creator", *rows]))
    assert run(["clean", str(tmp_path / "posts.csv"), "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert run(["recommend", str(store), "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().out
    assert "got 4 that were not" in shown
    assert "no items detected" not in shown


def test_a_net_over_pixels_that_never_ran_gives_no_answer(looked, tmp_path: Path) -> None:
    write_colour_net(tmp_path, "net", labels=("ring", "shoe", "bag"))
    labels = [Label(name, name, "image", 0.5, wearable=True, optional=False) for name in ("ring", "shoe", "bag")]
    write_product_card(tmp_path, reads="image", takes="pixels", nets=["net.toml"], labels=labels)
    store = str(looked[1] / "postlens.db")
    found = recommend_store(store, settings=settings(product_models=(tmp_path,)))
    assert found.offered == ()
    assert any("got 5 that were not" in note.message for note in found.notes)


def test_only_faces_that_are_drawn_are_kept(looked: tuple[Recommended, Path]) -> None:
    found, _ = looked
    assert found.faces.keys() == {found.creators[0].shown}
    assert all(one.template is None and one.looks is None and one.thumbnails is None for one in found.faces.values())


def test_forgetting_takes_the_files_and_pictures_away(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = recommend_media([str(photos / "ann")], out, settings=settings())
    write_recommendations(found, out, settings=settings(), now=NOW)
    assert run(["recommend", str(out / "postlens.db"), "--out", str(tmp_path / "more")]) == 0
    (out / "pictures" / "mine.jpg").write_bytes(b"kept")
    with Store.open(out / "postlens.db") as store:
        subject = find_subject("unknown:ann", store=store)
        done = forget_subject(subject, store=store, out=out, settings=settings())
    assert done.counts["recommendations"] == 8
    assert not list((tmp_path / "more" / "pictures").iterdir())
    assert [path.name for path in (out / "pictures").iterdir()] == ["mine.jpg"]
    assert not list(out.glob("recommendations.*"))


def test_a_copied_store_leaves_the_outputs_of_the_original_after_recommending(photos: Path, tmp_path: Path) -> None:
    out, copy = tmp_path / "out", tmp_path / "copy"
    assert run(["analyze", str(photos / "ann"), "--out", str(out)]) == 0
    recommend_media([str(photos / "ann")], out, settings=settings())
    copy.mkdir()
    shutil.copy(out / "postlens.db", copy / "postlens.db")
    before = (out / "posts.parquet").read_bytes()
    with Store.open(copy / "postlens.db") as store:
        subject = find_subject("unknown:ann", store=store)
        notes = forget_subject(subject, store=store, out=copy, settings=settings()).notes
    assert any("copy of this store" in note for note in notes)
    assert (out / "posts.parquet").read_bytes() == before


def test_after_recommending_analyze_writes_its_outputs_anew(photos: Path, tmp_path: Path) -> None:
    assert run(["analyze", str(photos / "ann"), "--out", str(tmp_path)]) == 0
    before = (tmp_path / "report.html").stat().st_mtime_ns
    recommend_media([str(photos / "ann")], tmp_path, settings=settings())
    assert run(["analyze", str(photos / "ann"), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").stat().st_mtime_ns > before


def test_a_picture_whose_file_is_gone_is_told(looked, tmp_path: Path, photos: Path) -> None:
    moved = Path(shutil.copytree(photos, tmp_path / "photos"))
    found = recommend_media([str(moved)], tmp_path / "out", settings=settings())
    shutil.rmtree(moved / "ann")
    failed = write_recommendations(found, tmp_path / "out", settings=settings(), now=NOW)
    assert [(one.stage, one.error) for one in failed] == [("picture", "MediaNotFoundError")]


def test_no_source_and_a_file_for_a_folder_are_wrong_usage(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="at least one source"):
        recommend_media([], tmp_path / "out", settings=settings())
    with pytest.raises(UsageError, match="can be written"):
        recommend_media([str(photos)], tmp_path / "file", settings=settings())


# --- odd images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cap-badge.jpg", "navy-cap.jpg"])
def test_a_beard_is_seen_and_behind_a_mask_it_is_not(photos: Path, tmp_path: Path, name: str) -> None:
    shown = []
    for mask in (False, True):
        picture = tmp_path / f"{mask}.png"
        draw_beard(photos / "ann" / name, picture, Reader(), mask=mask)
        found = recommend_media([str(picture)], tmp_path / "out", settings=settings())
        assert found.single is not None
        shown.append({item.item: item.share for item in found.single.answer.items}["beard"])
    assert shown == [1, 0]


def test_of_two_faces_the_larger_speaks(photos: Path, tmp_path: Path) -> None:
    small, large = (Image.open(photos / "ann" / name).convert("RGB") for name in ("navy-cap.jpg", "smile.jpg"))
    sheet = Image.new("RGB", (900, 600), (255, 255, 255))
    sheet.paste(large.resize((500, 600)), (0, 0))
    sheet.paste(small.resize((200, 240)), (600, 100))
    sheet.save(tmp_path / "two.png")
    found = recommend_media([str(tmp_path / "two.png")], tmp_path / "out", settings=settings())
    assert found.single is not None
    (sha256, row), *_ = found.single.read.items()
    assert row is not None
    areas = np.prod(found.faces[sha256].xyxy_px[:, 2:] - found.faces[sha256].xyxy_px[:, :2], axis=1)
    assert int(np.argmax(areas)) == row


def test_a_video_is_answered_with_a_picture_of_the_frame(sample_campaign: Path, tmp_path: Path) -> None:
    video = sample_campaign / "media" / "sample.portraits" / "flight-suit.mp4"
    found = recommend_media([str(video)], tmp_path, settings=settings())
    assert write_recommendations(found, tmp_path, settings=settings(), now=NOW) == ()
    assert found.single is not None
    assert found.single.media[0].kind == "video"
    assert len(list((tmp_path / "pictures").iterdir())) == 2


# --- the verb -------------------------------------------------------------------------------------------------------


def test_one_image_gives_one_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = photos / "bob" / "espresso.jpg"
    assert run(["recommend", str(image), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "no items detected: no face that can be read in 1 image"
    assert sorted(path.name.rpartition("-")[2] for path in (tmp_path / "pictures").iterdir()) == [
        "crop.jpg",
        "result.jpg",
    ]


def test_photos_named_one_by_one_have_a_line_and_pictures_each(photos, tmp_path, capsys) -> None:
    ann = [str(photos / "ann" / name) for name in ("navy-cap.jpg", "smile.jpg")]
    assert run(["recommend", ann[0], "--out", str(tmp_path)]) == 0
    assert "1 creator, 1 post:" in capsys.readouterr().out
    assert run(["recommend", ann[1], str(photos / "bob" / "espresso.jpg"), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert {"smile.jpg: no items detected", "1 creator, 3 posts"} <= {said[0], said[1], said[-1].partition(":")[0]}
    pictures = {path.name.rpartition("-")[0].rpartition("-")[0] for path in (tmp_path / "pictures").iterdir()}
    assert pictures == {"post-navy-cap", "post-smile", "post-espresso"}


def test_sources_that_are_not_there_leave_nothing(photos, tmp_path, capsys) -> None:
    assert run(["recommend", str(tmp_path / "absent"), "--out", str(tmp_path / "out")]) == 1
    assert "absent; check the path" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_table_is_read_with_the_options_of_analyze(photos, tmp_path, capsys) -> None:
    image = photos / "ann" / "navy-cap.jpg"
    (tmp_path / "t.csv").write_text(f"who,bild,url\nann,{image},\nann,,https://example.invalid/a.jpg\n")
    words = ["recommend", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out"), "--source", "table"]
    assert run([*words, "--map", "creator=who", "--map", "path=bild", "--no-download"]) == 0
    said = capsys.readouterr().out
    assert "1 creator, 1 post" in said
    assert "example.invalid" in said


def test_equal_files_of_two_posts_keep_their_names(photos, tmp_path) -> None:
    (tmp_path / "in" / "eve").mkdir(parents=True)
    for name in ("b.jpg", "a.jpg"):
        shutil.copy(photos / "ann" / "navy-cap.jpg", tmp_path / "in" / "eve" / name)
    found = recommend_media([str(tmp_path / "in")], tmp_path / "out", settings=settings())
    assert "clearest in a.jpg" in found.creators[0].answer.reason
    assert sorted(one.answer.reason.partition("clearest in ")[2][:5] for one in found.posts) == ["a.jpg", "b.jpg"]


def test_an_audience_that_no_product_has_and_items_without_one_are_told(looked, tmp_path, capsys) -> None:
    (tmp_path / "mine.csv").write_text("product_id,title,labels,audience\nu,Umbrella,beard,kids\n")
    words = ["recommend", str(looked[1] / "postlens.db"), "--out", str(tmp_path / "new")]
    assert run([*words, "--catalog", str(tmp_path / "mine.csv"), "--audience", "martians"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("no product in the catalog for what was seen: ")
    assert any("no product has the audience 'martians'; known: kids" in line for line in said)
    assert any(line.startswith("no offer, no product for ") and line.endswith(": ann") for line in said)
    assert "no offer, no face that can be read: bob" in said


def test_a_label_that_everybody_shows_is_told(photos, tmp_path, capsys) -> None:
    for creator, name in zip(("ann", "eve", "zoe"), PORTRAITS, strict=False):
        (tmp_path / "in" / creator).mkdir(parents=True)
        shutil.copy(photos / "ann" / name, tmp_path / "in" / creator / name)
    model = write_all_calling(tmp_path / "rings")
    words = ["recommend", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--product-model", str(model)]
    assert run(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("no product in the catalog for what was seen: ring\n")
    assert "item 'ring': expected what some images show, got it called in 3 of 3 images of 3 creators" in said


def write_all_calling(folder: Path) -> Path:
    """A run whose label `ring` has probability .5, its threshold, on every image."""
    folder.mkdir()
    card = {"labels": ("ring",), "upstream": (vectors_fingerprint("image"),), "input_size": (1280,)}
    write_model(
        folder, "head", [("MatMul", ["features", "w"], "logits"), ("Sigmoid", ["logits"], "probs")],
        inputs={"features": ["n", 1280]}, outputs={"probs": ["n", 1]},
        weights={"w": np.zeros((1280, 1), np.float32)}, task="products", **card,
    )  # fmt: skip
    ring = trained_label("ring", "image", threshold=0.5)
    write_product_card(folder, reads="image", takes="vectors", nets=["head.toml"], labels=[ring])
    return folder


def test_a_folder_gives_a_table_and_lists_what_cannot_be_read(looked, photos, tmp_path, capsys) -> None:
    out = Path(shutil.copytree(looked[1], tmp_path / "out"))
    assert run(["recommend", str(photos), "--out", str(out), "--policy", "missing", "--order", "listed"]) == 0
    shown = capsys.readouterr().out
    assert "without a face that can be read: espresso.jpg" in shown
    assert "torn.jpg" in shown
    assert "2 creators, 5 posts" in shown
    assert json.loads((out / "recommendations.json").read_text())["policy"] == "missing"


def test_a_store_is_answered_without_its_media(looked, tmp_path, capsys) -> None:
    (tmp_path / "mine.csv").write_text(CAPS)
    words = ["recommend", str(looked[1] / "postlens.db"), "--out", str(tmp_path / "new"), "--audience", "adults"]
    assert run([*words, "--catalog", str(tmp_path / "mine.csv")]) == 0
    assert "2 creators, 5 posts" in capsys.readouterr().out
    assert not (tmp_path / "new" / "postlens.db").exists()
    values = json.loads((tmp_path / "new" / "recommendations.json").read_text())
    assert values["audience"] == ["adults"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policy", "all"], "--policy"),
        (["--order", "random"], "--order"),
        (["--catalog", "nothing.csv"], "catalog"),
        (["--product-model", "nothing"], "product_models"),
        (["--product-model", "first, second"], "at first, got nothing there"),
        (["--map", "likes"], "--map expects NAME=VALUE"),
        (["--source", "telegrams"], "there is no source 'telegrams'"),
    ],
)
def test_wrong_options_are_told_before_anything_is_looked_at(photos, tmp_path, capsys, words, message) -> None:
    assert run(["recommend", str(photos), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_media_that_cannot_be_read_at_all_ends_with_1(photos, tmp_path, capsys) -> None:
    assert run(["recommend", str(photos / "bob" / "torn.jpg"), "--out", str(tmp_path)]) == 1
    assert "torn.jpg" in capsys.readouterr().out


def test_media_that_cannot_be_read_ends_with_1_whatever_the_store_knows(looked, photos, tmp_path) -> None:
    out = Path(shutil.copytree(looked[1], tmp_path / "out"))
    assert run(["recommend", str(photos / "bob" / "torn.jpg"), "--out", str(out)]) == 1
    assert run(["recommend", str(photos / "ann" / "smile.jpg"), "--out", str(out)]) == 0


def test_a_store_is_the_only_source(looked, photos, tmp_path) -> None:
    words = ["recommend", str(looked[1] / "postlens.db"), str(photos), "--out", str(tmp_path)]
    assert run(words) == 2


# --- from Python ----------------------------------------------------------------------------------------------------


def test_python_gives_creators_first_then_posts(photos: Path, looked: tuple[Recommended, Path]) -> None:
    with postlens.Lens(settings()) as lens:
        found = lens.recommend(photos)
        assert [Path(failure.subject).name for failure in lens.failures] == ["torn.jpg"]
        assert lens.recommend([photos]) == found
    assert [one.subject_id for one in found[:2]] == ["unknown:ann", "unknown:bob"]
    assert set(map(repr, found)) == set(map(repr, plain(looked[0])))


def test_python_adds_up_what_a_store_keeps(photos: Path, tmp_path: Path) -> None:
    with postlens.Lens(settings(), store=tmp_path / "postlens.db") as lens:
        first = lens.recommend(photos / "ann" / "smile.jpg", creator="ann")
        both = lens.recommend(photos / "ann" / "navy-cap.jpg", creator="ann")
    assert [one.n_images for one in first] == [1, 1]
    assert [one.n_images for one in both] == [2, 1]
