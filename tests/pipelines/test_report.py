"""The page: whole in itself, escaped, balanced, whatever the campaign holds."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.pipelines.exports.sheets import is_safe_link
from postlens.pipelines.report import (
    CREATORS_IN_FULL,
    OFFERS_SHOWN,
    count,
    lift,
    percent,
    render,
    seconds,
    shown_media,
    spot,
)
from postlens.types import Creator, Failure

from .campaigns import analysis, answer, campaign, forecast, niche, person, thumbnails
from .pages import Page, page

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
SECTIONS = ("creators", "people", "products", "posts", "failures", "reading")


CAMPAIGNS = {
    "usual": campaign(),
    "empty": campaign(0, failures=(), duplicates=(), notes=()),
    "creator without posts": campaign(1, 0),
    "nobody": campaign(people=()),
    "200 creators": campaign(200, 1),
    "300 failures": campaign(failures=tuple(Failure(f"{i}.jpg", "decode", "DecodeError", "m") for i in range(300))),
    "evil": campaign(
        creators=(answer(Creator(f"x:{EVIL}", EVIL, EVIL), ()),),
        people=(person(name=EVIL),),
        failures=(Failure(EVIL, EVIL, EVIL, EVIL),),
        notes=(EVIL,),
        models={EVIL: EVIL},
    ),
}
every_campaign = pytest.mark.parametrize("shown", CAMPAIGNS.values(), ids=CAMPAIGNS)


@every_campaign
def test_the_page_loads_nothing_and_runs_nothing(shown):
    found = page(shown)
    assert all(one.startswith("data:image/jpeg;base64,") for one in found.loads)
    assert all(link.startswith("#") or is_safe_link(link) for link in found.links)
    assert found.tags.count("script") == 1
    assert not found.handlers
    assert not {"iframe", "object", "embed", "link", "base", "form"}.intersection(found.tags)


@every_campaign
def test_the_pages_policy_allows_its_own_script_and_no_other(shown):
    html = render(shown, thumbnails={})
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', html)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


@every_campaign
def test_styles_load_nothing(shown):
    (style,) = re.findall(r"<style>(.*?)</style>", render(shown, thumbnails={}), re.DOTALL)
    assert "@import" not in style
    assert "url(" not in style


@every_campaign
def test_tags_balance_and_ids_are_unique(shown):
    found = page(shown)
    assert (found.open, found.wrong) == ([], [])
    assert len(found.ids) == len(set(found.ids))


@every_campaign
def test_every_section_is_there_and_every_anchor_leads_somewhere(shown):
    found = page(shown)
    assert set(SECTIONS) <= set(found.ids)
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)


def test_html_in_captions_and_handles_is_text():
    creator = Creator("x:evil", "x", EVIL)
    post = analysis(0, creator)
    post = replace(post, post=replace(post.post, caption=EVIL), failures=(Failure("f", "s", "e", EVIL),))
    shown = campaign(1, 1, creators=(answer(creator, (post,)),), posts=(post,))
    html = render(shown, thumbnails=thumbnails(shown))
    assert EVIL not in html
    assert Page(html).text.count(EVIL) >= 3


def test_the_main_facts_can_be_read():
    text = page(campaign()).text
    for fact in ("@c0", "food", "Straw hat", "caption 1", "figures are invented", "😀", "same bytes", "1 min 15 s"):
        assert fact in text, fact


@pytest.mark.parametrize(("followers", "text"), [(0.0, "0 followers"), (12_345.0, "12.3 k followers")])
def test_known_followers_are_shown_even_when_there_are_none(followers, text):
    creator = Creator("x:a", "x", "a")
    shown = campaign(1, 0, creators=(answer(creator, (), followers=followers),))
    assert f"· {text}" in page(shown).text


@pytest.mark.parametrize(("value", "shown_as"), [(0.25, "num up"), (-0.25, "num down"), (0.0, "num "), (None, "num ")])
def test_a_lift_is_coloured_by_its_sign(value, shown_as):
    one = person()
    one = replace(one, performance=(replace(one.performance[0], lift=value),))
    html = render(campaign(people=(one,)), thumbnails={})
    metric = one.performance[0].metric
    told = "" if value is None else value
    assert (
        f'<td class="{shown_as}" data-metric="{metric}" data-label="lift of {metric}" data-value="{told}">'
        f"{lift(value)}</td>" in html
    )


def test_a_person_is_called_by_the_users_name():
    shown = campaign(people=(person(name="Ann Bell"), person("person-2")))
    text = page(shown).text
    assert "Ann Bell" in text
    assert "person-2" in text


def test_failures_are_listed_and_the_rest_counted():
    text = page(CAMPAIGNS["300 failures"]).text
    assert "0.jpg" in text
    assert "and 250 more in failures.csv" in text


def test_many_creators_become_rows_of_a_table():
    found = page(CAMPAIGNS["200 creators"])
    assert all(f"@c{number}" in found.text for number in range(200))
    assert found.tags.count("article") == 4 * CREATORS_IN_FULL + OFFERS_SHOWN


def test_a_post_without_answers_has_a_card():
    creator = Creator("x:a", "x", "a")
    bare = analysis(0, creator, niche=None, recommendation=None, reaction=None, forecast=None, media=())
    shown = campaign(1, 1, posts=(bare,), creators=(answer(creator, (bare,), niche=None),), locations={})
    found = page(shown)
    assert (found.open, found.wrong) == ([], [])
    assert "no media could be read" in found.text


def test_a_post_without_enough_data_says_so_in_place_of_a_bar():
    note = "not enough data: 2 earlier posts"
    bare = forecast("post-0", median=None, lower=None, upper=None, note=note)
    post = analysis(0, Creator("x:a", "x", "a"), forecast=bare)
    shown = campaign(1, 1, posts=(post,), creators=(answer(post.creator, (post,)),))
    assert note in page(shown).text


@pytest.mark.parametrize("actual", [None, 0.0, 1e12, -40.0], ids=str)
@pytest.mark.parametrize("baseline", [None, 0.0, 5.5, -3.0], ids=str)
def test_any_forecast_can_be_drawn(actual, baseline):
    """A score can be below zero: votes against a post."""
    post = analysis(0, Creator("x:a", "x", "a"), forecast=forecast("post-0", actual=actual, baseline=baseline))
    found = page(campaign(1, 1, posts=(post,), creators=(answer(post.creator, (post,)),)))
    assert "expected" in found.text


counts = st.floats(0, 1e12)


@given(counts, counts, counts, st.none() | st.floats(-1e6, 1e12), st.none() | st.floats(-1e6, 1e12))
def test_marks_stand_inside_the_bar(one, two, three, baseline, actual):
    lower, median, upper = sorted((one, two, three))
    f = forecast("p", lower=lower, median=median, upper=upper, baseline=baseline, actual=actual)
    marks = [mark for mark in (lower, median, upper, baseline, actual) if mark is not None]
    places = [spot(mark, f) for mark in sorted(marks)]
    assert all(0 <= place <= 100 for place in places)
    assert places == sorted(places)


def test_odd_file_names_do_not_stop_the_page(tmp_path):
    from postlens.pipelines.report import write_report

    shown = campaign()
    shown = replace(
        shown,
        locations=dict.fromkeys(shown.locations, "/in/odd\udcff.jpg"),
        failures=(Failure("/in/odd\udcff.jpg", "decode", "DecodeError", "\udcff"),),
    )
    html = write_report(shown, tmp_path, thumbnails={}).read_text(encoding="utf-8")
    assert "odd" in html


def test_only_thumbnails_that_are_shown_are_asked_for():
    wanted = shown_media(campaign(1, 40))
    assert len(wanted) == len(set(wanted))
    assert len(wanted) < 40


def test_no_thumbnail_of_a_creator_in_the_table_is_asked_for():
    shown = campaign(CREATORS_IN_FULL + 20, 1)
    assert len(shown_media(shown)) == CREATORS_IN_FULL


def test_of_an_album_only_the_picture_that_is_shown_is_asked_for():
    shown = campaign(1, 1)
    (post,) = shown.posts
    album = tuple(replace(post.media[0], sha256=f"{number:064x}") for number in range(5))
    assert shown_media(replace(shown, posts=(replace(post, media=album),))) == [album[0].sha256]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (950, "950"),
        (4.25, "4.2"),
        (9_999, "9,999"),
        (12_345, "12.3 k"),
        (999_900, "1 M"),
        (1_234_567, "1.23 M"),
        (2_345_678_901, "2.35 B"),
        (-12_345, "-12.3 k"),
    ],
)
def test_counts_are_short(value, text):
    assert count(value) == text


@given(st.floats(-1e13, 1e13))
def test_no_count_has_an_exponent_or_many_characters(value):
    assert "e" not in count(value)
    assert len(count(value)) <= 10


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.456, "46 %"), (1.0, "100 %"), (0.0, "0 %")])
def test_percentages(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.234, "+23 %"), (-0.5, "−50 %"), (0.0, "+0 %"), (-0.001, "+0 %")]
)
def test_lifts_have_a_sign(value, text):
    assert lift(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.2, "4.2 s"), (59.97, "1 min 0 s"), (75.2, "1 min 15 s"), (3599.8, "60 min 0 s")]
)
def test_times(value, text):
    assert seconds(value) == text


def creator_with(weights: list[float]):
    """A campaign of one creator whose posts have these weights."""
    creator = Creator("instagram:ada", "instagram", "ada")
    posts = tuple(analysis(number, creator) for number in range(len(weights)))
    attention = tuple((post.post.post_id, weight) for post, weight in zip(posts, weights, strict=True))
    decided = replace(answer(creator, posts), niche=niche("instagram:ada", attention=attention))
    return campaign(creators=(decided,), posts=posts)


def test_the_deciding_posts_are_listed_with_their_weights():
    html = render(creator_with([0.5, 0.25, 0.25]), thumbnails={})
    strip = html[html.index('<ol class="strip"') : html.index("</ol>")]
    assert [float(width) for width in re.findall(r"width:([\d.]+)%", strip)] == [100, 50, 50]
    assert strip.count("<li>") == 3
    assert "<b>50 %</b>" in strip
    assert "aria-labelledby" in strip
    assert "The other" not in html


def test_posts_beyond_the_strip_are_told_by_number_and_weight():
    text = page(creator_with([0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])).text
    assert "The other 3 posts together: 20 %." in text
    assert "The other post: 10 %." in page(creator_with([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])).text


def test_a_weight_of_nothing_draws_no_bar():
    assert page(creator_with([0.0])).wrong == []
