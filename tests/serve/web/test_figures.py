"""Figures and their drawings, which say the same wherever they stand."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from postlens.serve.web.campaigns import Campaigns
from postlens.serve.web.views.posts import post_page

from ...pipelines.pages import Page


@pytest.mark.parametrize(("table", "css"), [("niches", "n"), ("emotions", "e")])
def test_a_bar_is_as_long_as_the_share_it_stands_for(pages, table, css):
    shares = [float(row[2]) for row in list(csv.reader(io.StringIO(export_of(pages, f"/?table={table}"))))[1:]]
    widths = re.findall(rf'class="fill {css}-\w+"[^>]* width="([\d.]+)"', pages.get("/").text)
    assert widths == [f"{100 * share:.1f}" for share in shares]


def export_of(pages, path: str) -> str:
    return pages.get(f"{path}{'&' if '?' in path else '?'}export=csv").text


def test_an_emotion_below_its_threshold_is_told_as_the_strongest(pages):
    shown = Campaigns(pages.app.state.context).latest(wait_s=20)
    post = next(one for one in shown.campaign.posts if one.reaction is not None and one.reaction.emotions)
    high = replace(
        post.reaction, emotions=post.reaction.emotions[:1], thresholds=dict.fromkeys(post.reaction.probs, 1.0)
    )
    page = post_page(replace(post, reaction=high), shown)
    assert page.is_strongest
    assert [row.cells["found"] for row in page.tables["emotions"].rows].count("as the strongest") == 1
    low = replace(high, thresholds=dict.fromkeys(high.probs, 0.0))
    assert not post_page(replace(post, reaction=low), shown).is_strongest


def test_posts_of_a_person_are_counted_alike_on_all_pages(pages):
    people = {row[0]: int(row[1]) for row in list(csv.reader(io.StringIO(export_of(pages, "/web/people"))))[1:]}
    cards = re.findall(r"<bdi>(Person \d+)</bdi></b></a>\s*<span[^>]*>(\d+) posts?<", pages.get("/web/people").text)
    assert {name: int(number) for name, number in cards} == people
    for link in [one for one in Page(pages.get("/web/people").text).links if re.fullmatch(r"/web/people/[\w-]+", one)]:
        text = pages.get(link).text
        name, number = re.search(r"<h1><bdi>(.*?)</bdi></h1><p class=\"soft\">(\d+) post", text).groups()
        assert int(number) == people[name]


def test_labels_of_filters_stay_right_when_the_figure_changes(pages):
    """The form is not drawn anew with the results, so it names no figure."""
    form = pages.get("/web/creators?metric=views").text.partition("data-filter")[2].partition("</form>")[0]
    labels = re.findall(r"<label>([^<]*)", form)
    assert "Median from " in labels
    assert not any("views" in label for label in labels)
