"""The net of setting `reaction_model`: a stage that looks once, and answers instead of scene and faces."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import postlens
from postlens.cli.app import run as run_words
from postlens.errors import SettingsError
from postlens.media.hashing import sha256_file
from postlens.pipelines.analyze import Request, analyze
from postlens.pipelines.folder import STORE_FILE
from postlens.pipelines.react import react_media, react_store
from postlens.pipelines.reaction_stage import read_reaction_probs
from postlens.store import Store
from postlens.tasks.reactions.model import CARD, NET, load_reaction_model
from postlens.types import EMOTIONS, ReactionForecast
from postlens.vision.cards import read_card, write_card

from ..runs import write_colour_net
from .fakes import settings

LABELS = ("angry", "happy", "sad")  # probabilities: how red, green and blue a picture is
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "dark": (10, 0, 30)}


def write_run(folder: Path, *, thresholds: dict[str, float] | None = None) -> Path:
    """A run whose net tells colours."""
    folder.mkdir(parents=True)
    write_colour_net(folder, NET, labels=LABELS)
    spec = read_card(folder / CARD)
    write_card(replace(spec, thresholds=thresholds or dict.fromkeys(LABELS, 0.5)), folder / CARD)
    return folder


@pytest.fixture
def posts(tmp_path) -> Path:
    """A picture of each colour, of one creator."""
    folder = tmp_path / "posts" / "ada"
    folder.mkdir(parents=True)
    for name, colour in COLOURS.items():
        Image.new("RGB", (64, 48), colour).save(folder / f"{name}.png")
    return folder.parent


def answers(found) -> dict[str, ReactionForecast]:
    return {Path(one.files[0]).stem: one.forecast for one in found.posts}


def test_the_net_answers_instead_of_scene_and_faces(posts, tmp_path):
    run = write_run(tmp_path / "run")
    found = answers(react_media([str(posts)], settings=settings(reaction_model=run)))
    assert {name: one.emotions for name, one in found.items()} == {
        "red": ("angry",),
        "green": ("happy",),
        "dark": ("sad",),
    }
    assert {(one.reader, one.decided_by) for one in found.values()} == {("model", "model")}
    assert found["dark"].low_confidence
    assert found["red"].probs["fear"] == 0  # not learnt
    assert "😡" in found["red"].allowed


def test_the_cards_thresholds_count_and_one_of_the_users_for_all(posts, tmp_path):
    run = write_run(tmp_path / "run", thresholds={"angry": 0.5, "happy": 0.5, "sad": 0.05})
    found = answers(react_media([str(posts)], settings=settings(reaction_model=run)))
    assert not found["dark"].low_confidence
    assert found["dark"].thresholds["sad"] == pytest.approx(0.05)
    found = answers(react_media([str(posts)], settings=settings(reaction_model=run, reaction_threshold=0.02)))
    assert found["dark"].emotions == ("sad", "angry")


def test_an_analysis_stores_what_the_net_read_and_a_store_answers_from_it(posts, tmp_path):
    run, out = write_run(tmp_path / "run"), tmp_path / "out"
    with_net = settings(reaction_model=run)
    assert analyze(Request((str(posts),), out), settings=with_net).failures == ()
    assert analyze(Request((str(posts),), out), settings=with_net).n_done == 0
    names = {sha256_file(path): path.stem for path in (posts / "ada").iterdir()}
    model = load_reaction_model(run)
    with Store.open(str(out / STORE_FILE)) as store, store.read() as conn:
        found = {names[sha256]: probs for sha256, probs in read_reaction_probs(conn, names, model).items()}
    assert found["red"] == pytest.approx([0, 0, 1, 0, 0, 0, 0, 0], abs=0.01)
    stored = answers(react_store(str(out / STORE_FILE), settings=with_net))
    assert stored["green"].emotions == ("happy",)
    assert f"reaction_model/{NET}" in react_store(str(out / STORE_FILE), settings=with_net).models


def test_without_the_setting_what_ships_answers_the_same_store(posts, tmp_path):
    run, out = write_run(tmp_path / "run"), tmp_path / "out"
    analyze(Request((str(posts),), out), settings=settings(reaction_model=run))
    plain = answers(react_store(str(out / STORE_FILE), settings=settings()))
    assert {one.reader for one in plain.values()} == {"scene"}


def test_media_that_the_net_has_not_looked_at_say_that_the_scene_answered(posts, tmp_path):
    out = tmp_path / "out"
    analyze(Request((str(posts),), out), settings=settings())
    with_net = settings(reaction_model=write_run(tmp_path / "run"))
    assert {one.reader for one in answers(react_store(str(out / STORE_FILE), settings=with_net)).values()} == {"scene"}
    analyze(Request((str(posts),), out), settings=with_net)
    assert {one.reader for one in answers(react_store(str(out / STORE_FILE), settings=with_net)).values()} == {"model"}


def test_a_video_is_read_as_the_mean_of_its_frames(tmp_path, sample_campaign):
    folder = tmp_path / "posts" / "ada"
    folder.mkdir(parents=True)
    shutil.copy(sample_campaign / "media" / "sample.portraits" / "glasses.mp4", folder)
    with_net = settings(reaction_model=write_run(tmp_path / "run"))
    (one,) = react_media([str(folder.parent)], settings=with_net).posts
    assert one.forecast.reader == "model"
    assert set(one.forecast.probs) == set(EMOTIONS)


def test_python_answers_with_the_net_too(posts, tmp_path):
    with postlens.Lens(settings(reaction_model=write_run(tmp_path / "run"))) as lens:
        found = lens.react(posts / "ada" / "red.png")
        assert [one.emotions for one in found] == [("angry",)]
        assert lens.analyze(posts / "ada" / "green.png").reaction.reader == "model"


def test_a_batch_is_written_with_the_net(posts, tmp_path, capsys):
    run, out = write_run(tmp_path / "run"), tmp_path / "out"
    words = ["react", str(posts), "--batch", "--out", str(out), "--set", f"reaction_model={run}"]
    assert run_words(words) == 0
    assert (out / "reactions.csv").read_text(encoding="utf-8").count(",model,") == 3
    assert "3 posts" in capsys.readouterr().out


def test_a_model_that_is_no_run_is_told_before_anything_is_written(posts, tmp_path):
    with pytest.raises(SettingsError, match="setting reaction_model"):
        analyze(Request((str(posts),), tmp_path / "out"), settings=settings(reaction_model=tmp_path))
    assert not (tmp_path / "out").exists()


def test_posts_that_the_net_has_not_read_are_told(posts, tmp_path, capsys):
    out = tmp_path / "out"
    analyze(Request((str(posts),), out), settings=settings())
    run = write_run(tmp_path / "run")
    words = ["react", str(out / STORE_FILE), "--set", f"reaction_model={run}", "--json"]
    assert run_words(words) == 0
    said = capsys.readouterr()
    assert "3 of 3 posts not read by the net of the setting reaction_model" in said.err
    assert [one["reader"] for one in json.loads(said.out)] == ["scene"] * 3
    assert run_words(["react", str(posts), *words[2:]]) == 0
    assert "not read by the net" not in capsys.readouterr().err


def test_a_post_that_the_net_has_read_in_part_counts_as_not_read(posts, tmp_path):
    table, out = posts / "both.csv", tmp_path / "out"
    files = "; ".join(f"ada/{name}.png" for name in ("red", "green"))
    table.write_text(f"post_id,creator,file\np1,ada,{files}\n", encoding="utf-8")
    analyze(Request((str(table),), out), settings=settings())
    with_net = settings(reaction_model=write_run(tmp_path / "run"))
    store = str(out / STORE_FILE)
    analyze(Request((str(posts / "ada" / "red.png"),), tmp_path / "other", store=store), settings=with_net)
    found = {one.post.post_id: one.forecast.reader for one in react_store(store, settings=with_net).posts}
    assert sorted(found.values()) == ["model", "scene"]
    assert len(react_store(store, settings=with_net).notes) == 1


@pytest.mark.parametrize("threshold", [0.0, 0.01])
def test_emotions_that_the_net_has_not_learnt_are_never_named(posts, tmp_path, threshold):
    with_net = settings(reaction_model=write_run(tmp_path / "run"), reaction_threshold=threshold)
    found = answers(react_media([str(posts)], settings=with_net))
    assert all(set(one.emotions) <= set(LABELS) for one in found.values())
    assert all(one.thresholds["sad"] == threshold for one in found.values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thresholds": {"happy": "x"}}, "expected thresholds in 0..1"),
        ({"thresholds": {"happy": True}}, "expected thresholds in 0..1"),
        ({"thresholds": {"happy": [0.5]}}, "expected thresholds in 0..1"),
        ({"labels": ("angry", "happy", "happy")}, "expected labels out of .* each once"),
        ({"labels": ("angry", "happy")}, "expected one label for each of the net's 3 outputs, got 2"),
        ({"labels": ("angry", "happy", "sad", "fear")}, "3 outputs, got 4"),
    ],
)
def test_a_card_that_does_not_fit_its_net_is_told_before_anything_is_read(tmp_path, changes, words):
    run = write_run(tmp_path / "run")
    write_card(replace(read_card(run / CARD), **changes), run / CARD)
    with pytest.raises(SettingsError, match=words):
        load_reaction_model(run)


def test_thresholds_that_are_no_table_are_told(tmp_path):
    card = write_run(tmp_path / "run") / CARD
    write_card(replace(read_card(card), thresholds={}), card)
    card.write_text("thresholds = 3\n" + card.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(SettingsError, match="expected a table"):
        load_reaction_model(card.parent)
