"""Files that are in no store get the answers that a store would give."""

from __future__ import annotations

import pytest

from postlens.config import Settings
from postlens.media.hashing import sha256_file
from postlens.pipelines.answers import Answerer
from postlens.pipelines.lens import Lens
from postlens.pipelines.loose import analyze_loose, loose_facts, react_loose, recommend_loose
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.run import Runner
from postlens.pipelines.stages import all_stages
from postlens.store import Store

SETTINGS = Settings(workers=1)


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    return Answerer(SETTINGS)


@pytest.fixture(scope="module")
def features(sample_campaign):
    """What the stages read of two photos."""
    folder, stages = sample_campaign / "media" / "sample.portraits", all_stages()
    names = frozenset(stage.name for stage in stages)
    paths = [folder / "smile.jpg", folder / "navy-cap.jpg"]
    with Runner(stages, SETTINGS) as runner:
        found = runner.look([WorkItem(sha256_file(path), str(path), "image", names) for path in paths])
    return [one.features for one in found]


def test_a_photo_is_analyzed_as_by_lens(features, answerer, sample_campaign, tmp_path):
    with Lens(SETTINGS) as lens:
        expected = lens.analyze(sample_campaign / "media" / "sample.portraits" / "smile.jpg")
    with Store.open(tmp_path / "a.db") as store, store.read() as conn:
        found = analyze_loose(features[0], answerer, conn, name="me.jpg")
    assert found.niche.probs == pytest.approx(expected.niche.probs, abs=1e-3)
    assert found.reaction.emotions == expected.reaction.emotions
    assert found.recommendation.product == expected.recommendation.product
    assert len(found.faces[0]) == len(expected.faces[0]) == 1
    assert found.faces[0].template is None
    assert [media.path for media in found.media] == ["me.jpg"]


def test_a_threshold_and_a_policy_change_only_their_own_answer(features, answerer):
    before = react_loose(features[0], answerer.reactor, name="a")
    everything = react_loose(features[0], answerer.reactor, name="a", threshold=0.0, policy="union")
    assert len(everything.emotions) == 8
    assert react_loose(features[0], answerer.reactor, name="a") == before


def test_files_together_are_one_creators(features, answerer, tmp_path):
    names = {one.media.sha256: f"{i}.jpg" for i, one in enumerate(features)}
    with Store.open(tmp_path / "a.db") as store, store.read() as conn:
        together, each = recommend_loose(features, answerer, conn, names=names)
    assert together[0].answer.n_images == 2
    assert len(each) == 2


def test_equal_files_are_one_post(features):
    facts = loose_facts([features[0], features[0]], {features[0].media.sha256: "a.jpg"})
    assert len(facts.posts) == 1
