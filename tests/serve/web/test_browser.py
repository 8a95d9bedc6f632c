"""The web page in a real browser: what users do, from upload to undo, at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postlens.serve.security import add_key
from postlens.serve.web.rendering import SECTIONS
from postlens.store import Store

from .browser import PHONE, findings, launched, opened, too_wide
from .conftest import copied_store, serve_settings, served
from .hostile import hostile_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser
PATHS = [*(href for _, href, _ in SECTIONS), "/web/creators/tiktok:sample.portraits"]
FEWER = {"/web/posts": "?niche=food", "/web/reactions": "?emotion=fear"}  # the same page with fewer rows
SHADED = ["/", "/web/people", "/web/analyze", PATHS[-1]]  # where all colours are
SCROLLED = "[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth).map(s => s.ariaLabel)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def base(browser: Browser, sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over a copy of the sample campaign; asks for the browser first, to be skipped without it."""
    with served(serve_settings(copied_store(sample_run, tmp_path_factory.mktemp("browser")))) as address:
        yield address


@pytest.fixture
def page(browser: Browser, base: str) -> Iterator[Page]:
    with opened(browser, base) as found:
        yield found


def creators(page: Page) -> list[str]:
    return page.locator("#results tbody th a").all_inner_texts()


def inner_pages(page: Page) -> list[str]:
    """Pages that lists lead to: of a post, of a person, and the question before a person is forgotten."""
    page.goto("/web/posts?sort=emotion&turn=up")
    post = page.locator("#results tbody th a").first.get_attribute("href")
    page.goto("/web/people")
    person = page.locator(".gallery .person-card a").first.get_attribute("href")
    return [post, person, f"{person}/forget"]


def test_no_page_has_findings_in_light_or_dark(browser, base):
    for scheme in ("light", "dark"):
        with opened(browser, base, color_scheme=scheme, told="status of 404") as page:
            paths = [*PATHS, *inner_pages(page), "/web/nothing"] if scheme == "light" else SHADED
            for path in paths:
                page.goto(path + FEWER.get(path, ""))
                assert findings(page) == [], (scheme, path)


def test_every_page_fits_a_phone(browser, base):
    with opened(browser, base, size=PHONE) as page:
        for path in [*PATHS, *inner_pages(page)]:
            page.goto(path)
            assert too_wide(page) <= 0, path
        assert findings(page) == []


def test_no_table_is_wider_than_its_place(browser, base, tmp_path):
    with served(serve_settings(hostile_store(tmp_path))) as other:
        for address in (base, other):
            with opened(browser, address) as page:
                for path in ("/web/creators", "/web/posts", "/web/people", "/"):
                    page.goto(path)
                    assert too_wide(page) <= 0, path
                    assert page.evaluate(SCROLLED) == [], (address == base, path)


def test_creators_are_filtered_and_sorted_in_place(page):
    page.goto("/web/creators")
    assert len(creators(page)) == 6
    page.get_by_label("Niche").select_option("fashion")
    page.wait_for_url("**niche=fashion**")
    assert creators(page) == ["@sample.portraits", "@sample.archive"]
    page.get_by_role("link", name="confidence").click()
    page.wait_for_url("**sort=sure**")
    page.get_by_role("link", name="confidence").click()
    page.wait_for_url("**turn=up**")
    assert creators(page) == ["@sample.archive", "@sample.portraits"]
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("confidence")
    assert "2 creators of 6" in page.locator("#live").inner_text()


def test_creators_are_found_while_the_name_is_typed(page):
    page.goto("/web/creators")
    page.get_by_label("Name").type("cats")
    page.wait_for_url("**text=cats**")
    assert creators(page) == ["@sample.cats.coffee"]


def test_a_merge_is_made_by_selecting_two_and_taken_back(page):
    page.goto("/web/people")
    button = page.get_by_role("button", name="Join selected people")
    assert button.is_disabled()
    for box in page.locator(".gallery input[type=checkbox]").all():
        box.check()
    button.click()
    assert n_people(page, after="Joined people") == 1
    page.get_by_role("button", name="Undo").first.click()
    assert n_people(page, after="Taken back") == 2


def n_people(page: Page, *, after: str) -> int:
    """People in the gallery, once the page says this."""
    page.locator("main", has_text=after).wait_for()
    page.wait_for_load_state()
    return page.locator(".gallery .person-card").count()


def test_an_upload_is_followed_to_its_result(page, sample_campaign):
    page.goto("/web/analyze")
    media = sample_campaign / "media"
    page.get_by_label("Files").set_input_files([media / "sample.travel" / "pagoda-lake.jpg"])
    page.get_by_label("Creator's account").fill("@somebody.new")
    page.get_by_role("button", name="Upload and analyze").click()
    page.wait_for_url("**/web/jobs/*")
    page.get_by_role("heading", name="1 post").wait_for()
    assert page.locator("progress").count() == 0
    assert "travel" in page.locator(".answers").inner_text()
    assert findings(page) == []
    page.get_by_role("link", name="All answers").click()
    assert page.get_by_role("heading", level=1).inner_text() == "pagoda-lake.jpg"


def test_what_is_no_media_is_told_in_words(browser, base, tmp_path):
    (tmp_path / "notes.jpg").write_text("no picture")
    with opened(browser, base, told="status of 415") as page:
        page.goto("/web/analyze")
        page.get_by_label("Files").set_input_files(tmp_path / "notes.jpg")
        with page.expect_response("**/web/analyze") as answer:
            page.get_by_role("button", name="Upload and analyze").click()
        assert answer.value.status == 415
        assert "notes.jpg" in page.locator("main").inner_text()


def test_a_key_opens_the_page_and_signing_out_closes_it(browser, base, tmp_path):
    with Store.open(tmp_path / "postlens.db") as store:
        _, key = add_key(store, "browser", ("read",), now=datetime.now(UTC))
    with served(serve_settings(tmp_path / "postlens.db", keys=True)) as address, opened(browser, address) as page:
        page.goto("/web/creators")
        assert findings(page) == []
        page.get_by_label("Key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/web/creators")
        page.get_by_role("button", name="Sign out").click()
        page.goto("/")
        page.wait_for_url("**/web/login**")


def test_the_page_is_walked_by_keyboard(page):
    page.goto("/web/creators")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for name in ("Name", "Niche"):
        page.keyboard.press("Tab")
        assert page.get_by_label(name).evaluate("one => one === document.activeElement")
    page.keyboard.type("pet")
    page.wait_for_url("**niche=pet**")
    assert creators(page) == ["@sample.cats.coffee"]
    page.get_by_role("link", name="confidence").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=sure**")
    page.locator("th a:focus", has_text="confidence").wait_for()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(browser, base, status):
    answers = iter((status,))

    def busy(route: Route) -> None:
        told = next(answers, None) if route.request.headers.get("hx-request") else None
        route.fulfill(status=told, body="{}") if told else route.continue_()

    with opened(browser, base, told=str(status)) as page:
        page.route("**/web/creators*", busy)
        page.goto("/web/creators")
        search = page.get_by_label("Name")
        search.fill("c")
        page.locator("#live", has_text="The server is busy.").wait_for(state="attached")
        assert creators(page)
        search.fill("cats")
        page.wait_for_url("**text=cats**")
        assert creators(page) == ["@sample.cats.coffee"]


def test_pages_are_read_and_filtered_without_scripts(browser, base):
    with opened(browser, base, java_script_enabled=False) as page:
        page.goto("/web/creators")
        page.get_by_label("Niche").select_option("pet")
        page.get_by_role("button", name="Apply").click()
        assert creators(page) == ["@sample.cats.coffee"]


def test_a_person_is_forgotten_after_a_confirmation(page):
    page.goto("/web/people")
    page.locator(".gallery .person-card a").last.click()
    page.get_by_role("link", name="Forget").click()
    assert findings(page) == []
    page.get_by_label("Delete this person's data for good").check()
    page.get_by_role("button", name="Forget").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Forgotten"
    page.get_by_role("link", name="To the people").click()
    assert n_people(page, after="Faces grouped by likeness") == 1
