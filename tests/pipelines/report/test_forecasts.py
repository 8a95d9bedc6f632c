"""The section of forecasts: past ones drawn, the newest explained, what is missing told."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from postlens.pipelines.report import render, shown_media
from postlens.pipelines.report.forecasts import creator_forecasts
from postlens.pipelines.report.plots import Past, bars_svg, scatter_svg
from postlens.tasks.engagement.answer import Change, Forecast, Reason, SimilarPost

from ..campaigns import campaign, forecast, thumbnails


def shown(n_posts, **changes):
    """One creator whose every tenth count misses its interval, its first post explained."""
    made = campaign(1, n_posts)
    answer = {"method": "accounts", "note": "model on 7 earlier posts"}
    posts = tuple(
        replace(
            post,
            forecast=forecast(post.post.post_id, **(answer | {"actual": 900.0 if i % 10 == 9 else 150.0} | changes)),
        )
        for i, post in enumerate(made.posts)
    )
    explained = Forecast(
        forecast=posts[0].forecast,
        creator_id="instagram:c0",
        reasons=(Reason("caption", "the caption and its hashtags", -0.12),),
        start=136.0,
        start_text="its latest posts count more than its old ones",
        similar=(SimilarPost("post-1", 0.9, 444.0, None),),
        what_if=(Change("hashtags", "30 hashtags", 0.1), Change("weekday", "any", None, note="too few posts")),
        own_model="a model of its 40 own posts is no better than its median",
    )
    return replace(made, posts=posts, forecasts={"post-0": explained})


def undated(made, n_posts):
    """The first posts without their dates."""
    posts = tuple(
        replace(post, post=replace(post.post, published_at=None)) if i < n_posts else post
        for i, post in enumerate(made.posts)
    )
    return replace(made, posts=posts)


def page(made):
    return render(made, thumbnails=thumbnails(made))


def group(made):
    from postlens.pipelines.report.cards import post_cards

    images = thumbnails(made)
    return creator_forecasts(made, post_cards(made, {}, images), images)[0]


def test_a_forecast_is_told_in_words_with_reasons_and_what_if():
    text = page(shown(2))
    for words in (
        "about 120 likes; between 40 and 300 in nine of ten cases",
        "the forecast was 20 % too low",
        "Starts from 136, +24 % against the usual 110: its latest posts count more than its old ones.",
        "Answered from many accounts and this one&#39;s history (model on 7 earlier posts).",
        "the caption and its hashtags: −12 %",
        '<td class="small">30 hashtags</td>',
        "too few posts",
        "A model of its 40 own posts is no better than its median.",
        ">444<",
    ):
        assert words in text


@pytest.mark.parametrize(("n", "which"), [(20, "These posts have no dates"), (3, "3 of these 20 posts have no dates")])
def test_forecasts_of_posts_without_dates_are_said_to_be_no_test(n, which):
    made = undated(shown(20), n)
    assert group(made).caution.startswith(f"{which}, so each forecast saw all other posts, later ones too")
    assert "are no test of forecasts for new posts." in page(made)


def test_forecasts_of_dated_posts_are_a_test():
    assert group(shown(20)).caution == ""


def test_few_past_forecasts_are_not_drawn():
    found = group(shown(7))
    assert (found.scatter, found.off, found.table) == (None, None, ())
    assert "too few to tell" in found.summary


def test_past_forecasts_are_drawn_and_counted():
    found = group(shown(20))
    assert "18 of 20 counts were inside" in found.summary
    assert "15 or more of 20 with usual luck" in found.summary
    assert "off by less than 20 %" in found.summary
    assert found.zones is not None
    assert len(found.table) == 20


def test_calibration_needs_more_posts():
    assert group(shown(19)).zones is None


def test_posts_without_a_forecast_say_why():
    found = group(shown(3, median=None, lower=None, upper=None, note="not enough data"))
    assert (found.n_silent, found.why_silent, found.n_past) == (3, "not enough data", 0)
    assert "3 posts have no forecast: not enough data." in page(
        shown(3, median=None, lower=None, upper=None, note="not enough data")
    )


def test_pictures_of_similar_posts_are_read():
    assert f"{1:064x}" in shown_media(shown(20))


@pytest.mark.parametrize("actual", [0.0, 1.0, 3e9])
def test_drawings_are_well_formed_and_inside_their_frame(actual):
    svg = scatter_svg([Past(actual, 0.0, 10.0, 2e3), Past(20, 10, 20, 30)], metric="likes")
    root = ElementTree.fromstring(svg)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for circle in root.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height


def test_bars_are_as_long_as_their_numbers():
    root = ElementTree.fromstring(bars_svg([("a", 2), ("b", 4), ("c", 0)], expected=[1, 2, 3], label="x"))
    widths = [float(bar.attrib["width"]) for bar in root.iter("rect")]
    assert widths == [pytest.approx(widths[1] / 2), widths[1], 0]
