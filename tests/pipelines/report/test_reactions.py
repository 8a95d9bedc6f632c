"""Reactions on the page: bars, emoji, who decided; and what a creator's posts have in common."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.report import render, shown_media
from postlens.pipelines.report.cards import POSTS_PER_CREATOR
from postlens.pipelines.report.reactions import BARS_SHOWN, CREATORS_SHOWN
from postlens.types import EMOTIONS, ReactionForecast

from ..campaigns import campaign, thumbnails
from ..pages import Page


def forecast(post_id: str, **changes: object) -> ReactionForecast:
    """Happy and a little surprised, by scene and face."""
    probs = dict.fromkeys(EMOTIONS, 0.01) | {"happy": 0.8, "surprise": 0.4, "fear": 0.2}
    values = {
        "probs": probs,
        "emotions": ("happy", "surprise"),
        "allowed": ("😀", "👍"),
        "blocked": ("😢",),
        "reader": "scene+faces",
        "n_faces": 2,
        "decided_by": "both",
        "thresholds": dict.fromkeys(EMOTIONS, 0.35),
    }
    return ReactionForecast(**{"subject_id": post_id, **values, **changes})


def reacting(*changes: dict[str, object]) -> Campaign:
    """One creator with a post for each of the changes."""
    shown = campaign(1, len(changes))
    posts = [
        replace(post, reaction=forecast(post.post.post_id, **own))
        for post, own in zip(shown.posts, changes, strict=True)
    ]
    return replace(shown, posts=tuple(posts))


def section(shown: Campaign) -> str:
    html = render(shown, thumbnails=thumbnails(shown))
    return html[html.index('<section id="reactions">') :].split("</section>")[0]


def text(shown: Campaign) -> str:
    return " ".join(Page(section(shown)).text.split())


def test_a_post_is_shown_with_emotions_emoji_and_who_decided():
    told = text(reacting({}))
    for fact in ("0.jpg", "happy, surprise", "😀 👍", "not 😢", "decided by scene and faces alike (scene and 2 faces"):
        assert fact in told, fact
    assert "low confidence" not in told


def test_bars_are_as_long_as_probabilities_and_marked_at_their_thresholds():
    html = section(reacting({}))
    bars = re.findall(r'class="fill ([\w -]+)" style="width:([\d.]+)%', html)
    assert bars[:3] == [("e-happy", "80.0"), ("e-surprise", "40.0"), ("off", "20.0")]
    assert re.findall(r'class="limit" style="left:([\d.]+)%', html) == ["35.0"] * BARS_SHOWN


def test_all_emotions_found_have_a_bar_though_there_are_many():
    found = tuple(EMOTIONS[:6])
    html = section(reacting({"emotions": found}))
    assert all(f"e-{name}" in html for name in found)


def test_thresholds_that_are_not_known_have_no_mark():
    assert 'class="limit"' not in section(reacting({"thresholds": {}}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reader": "scene", "decided_by": "scene", "n_faces": 0}, "the scene alone: no face could be read"),
        ({"reader": "faces", "decided_by": "faces", "n_faces": 1}, "the faces alone: no scene could be read"),
        ({"decided_by": "faces", "n_faces": 1}, "the faces (scene and 1 face read)"),
        ({"reader": "model", "decided_by": "model"}, "the trained net"),
        ({"low_confidence": True, "emotions": ("happy",)}, "happy low confidence"),
        ({"allowed": ()}, "– not 😢"),
    ],
)
def test_how_a_post_was_read_is_told(changes, told):
    assert told in text(reacting(changes))


@pytest.mark.parametrize(("reader", "told"), [("model", True), ("both", False)])
def test_the_section_says_that_a_net_answered_where_it_did(reader, told):
    said = text(reacting({"reader": reader, "decided_by": reader}))
    assert ("read by the trained net where a post says so" in said) is told
    assert "read from its scene and the faces in it" in said


def test_a_creators_summary_counts_emotions_readers_and_emoji():
    sad = {"emotions": ("sad",), "allowed": ("🙏", "👍"), "blocked": ("😀",), "decided_by": "scene"}
    told = text(reacting({}, {}, {**sad, "low_confidence": True}))
    for fact in (
        "happy 2 sad 1",
        "3 posts, 1 of low confidence",
        "decided by scene and faces alike in 2, the scene in 1",
        "never ruled out 👍 3 of 3🙏 1 of 3",
        "most ruled out 😢 2 of 3😀 1 of 3",
    ):
        assert fact.replace(" ", "") in told.replace(" ", ""), fact


def test_the_policy_is_told():
    assert "(policy: strict)" in text(reacting({}))
    assert "(policy: union)" in text(replace(reacting({}), reaction_policy="union"))


def test_older_posts_are_counted_and_pictures_are_those_of_the_shown_ones():
    shown = reacting(*[{}] * (POSTS_PER_CREATOR + 2))
    assert "2 older posts are in reactions.parquet." in text(shown)
    assert section(shown).count('class="react"') == POSTS_PER_CREATOR
    assert len(shown_media(shown)) >= POSTS_PER_CREATOR


def test_many_creators_become_rows_of_a_table():
    shown = campaign(CREATORS_SHOWN + 3, 1)
    told = section(shown)
    assert told.count('class="reactcard"') == CREATORS_SHOWN
    assert all(f"@c{number}" in told for number in range(CREATORS_SHOWN + 3))


def test_posts_without_a_reaction_are_left_out_and_none_at_all_is_said():
    shown = campaign(2, 1)
    bare = tuple(replace(post, reaction=None) for post in shown.posts)
    assert "No post was read for reactions." in text(replace(shown, posts=bare))
    assert "@c0" not in text(replace(shown, posts=(bare[0], shown.posts[1])))
    assert "@c1" in text(replace(shown, posts=(bare[0], shown.posts[1])))


def test_what_a_table_of_emoji_says_is_text():
    evil = "<script>alert(1)</script>"
    assert evil not in section(reacting({"allowed": (evil,), "blocked": (evil,)}))


def test_tags_balance():
    found = Page(render(reacting({}, {"thresholds": {}}), thumbnails={}))
    assert (found.open, found.wrong) == ([], [])
