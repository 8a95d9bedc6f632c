"""The people section: rows that sort, drawn intervals, remarks on few posts, and what is left out said."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from postlens.pipelines.report import PEOPLE_LISTED, PEOPLE_SHOWN, render, shown_media
from postlens.pipelines.report.people import METRICS_SHOWN, person_metrics, person_rows
from postlens.types import EngagementSnapshot, Trend

from ..campaigns import campaign, person, thumbnails
from ..pages import Page, page


def with_figures(metric: str = "likes", **changes):
    one = person()
    return replace(one, performance=(replace(one.performance[0], metric=metric, best=160.0, worst=40.0, **changes),))


def many_metrics(n: int):
    one = person()
    return replace(one, performance=tuple(replace(one.performance[0], metric=f"figure {i}") for i in range(n)))


def section(shown) -> str:
    html = render(shown, thumbnails=thumbnails(shown))
    return html[html.index('<section id="people">') : html.index('<section id="posts">')]


def values(html: str, label: str) -> list[str]:
    """What a column sorts by."""
    return re.findall(rf'data-label="{label}" data-value="(.*?)"', html)


def test_numbers_sort_as_numbers_and_unknown_ones_are_empty():
    people = (person(n_posts=12, screen_share=0.5), person("person-2", n_posts=3, performance=()))
    html = section(campaign(people=people))
    assert values(html, "posts") == ["12", "3"]
    assert values(html, "share") == ["0.5", ""]
    assert values(html, "mean likes") == ["100.0", ""]


def test_every_column_that_sorts_says_how_and_what_it_is():
    html = section(campaign())
    head = html[html.index("<thead>") : html.index("</thead>")]
    sorts = re.findall(r'<th scope="col"[^>]*data-sort="(\w+)" data-title="(.+?)"', head)
    assert {kind for kind, _ in sorts} == {"text", "number"}
    assert ("number", "mean likes") in sorts
    assert head.count("aria-sort") == 1


def test_without_the_script_every_figure_is_on_the_page():
    html = section(campaign(people=(many_metrics(3),)))
    assert [f"mean figure {i}" in html for i in range(3)] == [True] * 3
    assert 'id="people-controls" class="controls" hidden' in html


def test_what_the_script_refers_to_is_there():
    found = page(campaign())
    assert {"people-table", "people-status", "people-controls"} <= set(found.ids)


def test_a_table_of_people_is_read_with_headers_and_a_status():
    html = section(campaign())
    assert html.count('<th scope="row"') == 1
    assert 'role="status"' in html


def test_an_interval_is_drawn_with_the_campaigns_mean():
    html = section(campaign(people=(with_figures(),)))
    (bar,) = re.findall(r'<span class="whisker".*?</span></td>|<span class="whisker".*?<br>', html, re.DOTALL) or [""]
    left, right = re.findall(r'class="range" style="left:([\d.]+)%;right:([\d.]+)%"', html)[0]
    assert 0 <= float(left) < 100 - float(right) <= 100
    assert html.count("mark usual") == 1 and "mark expected" in bar


@pytest.mark.parametrize(("n_posts", "told"), [(1, "1 post"), (4, "4 posts"), (5, None)])
def test_few_posts_are_told(n_posts, told):
    html = section(campaign(people=(with_figures(n_posts=n_posts),)))
    assert re.findall(r'class="small few">(.*?)<', html) == ([told] if told else [])


@pytest.mark.parametrize(
    ("low", "high", "colour"), [(0.1, 0.3, "trend up"), (-0.3, -0.1, "trend down"), (-0.1, 0.3, "trend ")]
)
def test_a_trend_has_a_colour_only_where_its_interval_has_no_zero(low, high, colour):
    html = section(campaign(people=(with_figures(trend=Trend(0.2, low, high, 8)),)))
    assert f'<td class="num {colour}" data-metric="likes"' in html


def test_the_best_and_the_worst_post_are_shown_with_their_figures():
    html = section(campaign(people=(with_figures(),)))
    ends = html[html.index('class="ends"') :]
    assert re.findall(r'title="(.+?)".*?<span class="small(?: soft)?">(\d+)<', ends) == [
        ("0.jpg", "160"),
        ("1.jpg", "40"),
    ]


def test_an_only_post_is_shown_once():
    html = section(campaign(people=(with_figures(worst_post_id="post-0"),)))
    ends = html[html.index('class="ends"') : html.index("</table>")]
    assert ends.count("<img") == 1


def test_pictures_of_the_table_are_asked_for():
    shown = campaign(1, 40, people=(with_figures(best_post_id="post-38", worst_post_id="post-39"),))
    assert {f"{38:064x}", f"{39:064x}"} <= set(shown_media(shown))


def test_faces_lead_to_their_rows():
    found = page(campaign(people=(person(), person("person-2"))))
    assert [link for link in found.links if link.startswith("#person-")] == ["#person-1", "#person-2"]


def test_of_many_people_the_first_have_pictures_and_the_rest_are_counted():
    people = tuple(person(f"id-{number}") for number in range(PEOPLE_LISTED + 7))
    html = section(campaign(people=people))
    found = Page(html)
    assert found.tags.count("tr") == 1 + PEOPLE_LISTED
    assert html.count('alt="face of') == PEOPLE_SHOWN
    assert f"Pictures are of the {PEOPLE_SHOWN} people with the most posts" in found.text
    assert "and 7 more in people.xlsx" in found.text
    assert found.wrong == []


def test_of_many_figures_the_most_widely_known_are_shown_and_the_rest_counted():
    people = (many_metrics(METRICS_SHOWN + 2), replace(with_figures("figure 5"), person_id="person-2"))
    assert person_metrics(people)[0] == "figure 5"
    assert len(person_metrics(people)) == METRICS_SHOWN
    assert "2 more figures are in people.xlsx" in Page(section(campaign(people=people))).text


def test_a_figure_with_html_in_its_name_is_text():
    evil = '"><script>alert(1)</script>'
    shown = campaign(
        people=(with_figures(evil),), snapshots={"post-0": EngagementSnapshot("post-0", other={evil: 1.0})}
    )
    found = page(shown)
    assert found.tags.count("script") == 1
    assert found.wrong == []


@pytest.mark.parametrize(("n", "told"), [(None, False), (0, False), (1, True), (5, True)])
def test_suggestions_are_told_where_there_are_any(n, told):
    assert ("postlens people suggest" in section(campaign(n_suggestions=n))) is told


@pytest.mark.parametrize(("weighting", "told"), [("post", False), ("screen_time", True)])
def test_weighing_by_screen_time_is_told(weighting, told):
    html = section(campaign(people=(with_figures(weighting=weighting),)))
    assert ("weighed by the seconds on screen" in html) is told


def test_a_score_below_zero_can_be_drawn():
    one = with_figures("score", mean=-20.0, interval=(-50.0, 3.0))
    (row,) = person_rows(campaign(people=(one,)), {}, {})
    scale = row.cells[0].scale
    assert 0 <= scale.spot(-50.0) < scale.spot(-20.0) < scale.spot(3.0) <= 100
