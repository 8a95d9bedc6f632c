"""Every page of the web page, as the server draws it."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from postlens.serve.web.campaigns import Campaigns, StillReadingError
from postlens.serve.web.rendering import POLICY, SECTIONS, static_bytes
from postlens.serve.web.tables import PAGE_ROWS
from postlens.store import Store
from postlens.store.jobs import Job, write_job
from postlens.store.ledger import write_failures
from postlens.types import Failure, MediaRef, SourcePost

from ...pipelines.pages import Page
from ..conftest import wait_until
from .conftest import client_of, form_token

VENDOR = Path(__file__).parent / "vendor"
SHOWN = ["/", *(href for _, href, _ in SECTIONS[1:]), "/web/creators/instagram:sample.travel"]


@pytest.mark.parametrize("path", SHOWN)
def test_every_page_balances_and_names_nothing_outside(pages, path):
    answer = pages.get(path)
    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.wrong == []
    assert page.open == []
    assert page.handlers == []
    assert len(page.ids) == len(set(page.ids))
    assert all(place.startswith("/") for place in page.loads)
    assert not re.search(r"style=|<style|<script>", answer.text)


@pytest.mark.parametrize("path", SHOWN)
def test_no_page_tells_of_a_folder_of_the_server(pages, sample_campaign, path):
    assert str(sample_campaign.parent) not in pages.get(path).text


def test_pages_come_with_a_policy_and_are_not_kept(pages):
    headers = pages.get("/").headers
    assert headers["content-security-policy"] == POLICY
    assert headers["cache-control"] == "no-store"


def test_every_table_has_headings_with_a_scope(pages):
    for path in SHOWN:
        heads = re.findall(r"<th(?=[ >])[^>]*>", pages.get(path).text)
        assert [head for head in heads if "scope=" not in head] == []


def test_creators_are_filtered_by_niche_confidence_and_performance(pages):
    assert rows_of(pages, "/web/creators?niche=travel") == ["sample.travel"]
    assert "sample.newcomer" not in rows_of(pages, "/web/creators?sure=70")
    assert rows_of(pages, "/web/creators?least=1700") == ["sample.portraits", "sample.archive"]
    assert rows_of(pages, "/web/creators?text=cats") == ["sample.cats.coffee"]


def test_creators_are_sorted_up_and_down_with_the_unknown_last(pages):
    names = rows_of(pages, "/web/creators?sort=creator&turn=down")
    assert names == sorted(names, reverse=True)
    for turn in ("up", "down"):
        assert rows_of(pages, f"/web/creators?sort=followers&turn={turn}")[-1] == "sample.newcomer"


def rows_of(pages, path: str) -> list[str]:
    """The first cells of a table, as its export has them."""
    text = pages.get(f"{path}{'&' if '?' in path else '?'}export=csv").text
    return [row[0] for row in list(csv.reader(io.StringIO(text)))[1:]]


@pytest.mark.parametrize(
    ("path", "sign"),
    [
        ("/?table=niches", ""),
        ("/?table=emotions", ""),
        ("/web/creators", "@"),
        ("/web/creators?niche=fashion&sort=creator&turn=up", "@"),
        ("/web/people", ""),
        ("/web/posts?niche=food", ""),
        ("/web/duplicates", ""),
        ("/web/creators/tiktok:sample.portraits?table=forecasts", ""),
        ("/web/creators/tiktok:sample.portraits?table=recommendation", ""),
    ],
)
def test_an_export_has_the_rows_of_the_page_in_their_order(pages, path, sign):
    text = pages.get(path).text
    rows = [sign + name for name in rows_of(pages, path)]
    heads = re.findall(r'<th scope="row">.*?<bdi>([^<]*)</bdi>', text, re.DOTALL)
    assert rows
    assert any(heads[at : at + len(rows)] == rows for at in range(len(heads)))
    book = pages.get(f"{path}{'&' if '?' in path else '?'}export=xlsx").content
    cells = zipfile.ZipFile(io.BytesIO(book)).read("xl/sharedStrings.xml").decode()
    assert all(f">{name}<" in cells for name in rows_of(pages, path))


def test_every_export_that_a_page_links_to_is_there(pages):
    for path in SHOWN:
        for link in [one for one in Page(pages.get(path).text).links if "export=csv" in one]:
            assert pages.get(path + link).status_code == 200, (path, link)


def test_a_post_shows_only_the_emoji_that_fit(pages):
    links = [link for link in Page(pages.get("/web/posts").text).links if link.startswith("/web/posts/")]
    text = pages.get(links[0]).text
    below = text.partition('class="reactions"')[2].partition("</p>")[0]
    fits = re.findall(r'chip-sign">([^<]+)<', below)
    not_fits = re.findall(r'class="sign">([^<]+)<', text.partition("Not: ")[2].partition("</p>")[0])
    assert fits
    assert not set(fits) & set(not_fits)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/web/creators/nobody", 404),
        ("/web/people/nobody", 404),
        ("/web/posts/nothing", 404),
        ("/web/jobs/nothing", 404),
        ("/web/media/ff.jpg", 404),
        ("/web/creators?least=many", 422),
        ("/web/creators?page=0", 422),
        ("/web/creators?export=pdf", 422),
        ("/web/creators?export=csv&table=none", 404),
    ],
)
def test_what_is_not_there_is_told_in_a_page(pages, path, status):
    answer = pages.get(path)
    assert answer.status_code == status
    assert "<h1>" in answer.text


@pytest.mark.parametrize("up", ["%2e%2e/", "%2e%2e%2f", "..%5c", "%2e%2e%2f%2e%2e%2f", "%00"])
@pytest.mark.parametrize("folder", ["/web/static/", "/web/media/", "/web/faces/"])
def test_no_address_leads_out_of_a_folder(pages, folder, up):
    """The path goes out as it stands: clients tidy `..` away, attackers do not."""
    answer = pages.get(f"http://127.0.0.1{folder}{up}routes.py")
    assert answer.status_code == 404
    assert "APIRouter" not in answer.text


def test_failures_are_told_without_the_folders_of_the_server(tmp_path):
    place = "/srv/secret place/deep/photo.jpg"
    failure = Failure(place, "read", "MediaDamagedError", f"{place}: expected an image, got less")
    with client_of(tmp_path / "postlens.db") as client:
        with client.app.state.context.store.write() as conn:
            write_failures(conn, [failure])
        for path in ("/", "/web/failures", "/web/failures?export=csv"):
            assert "secret" not in client.get(path).text
        assert rows_of(client, "/web/failures") == ["photo.jpg"]


def test_pictures_are_asked_for_again_and_not_sent_twice(pages):
    href = next(link for link in Page(pages.get("/web/posts").text).loads if link.startswith("/web/media/"))
    first = pages.get(href)
    assert first.headers["content-type"] == "image/jpeg"
    assert "no-cache" in first.headers["cache-control"]
    assert pages.get(href, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_a_form_without_the_token_of_this_browser_is_refused(pages):
    form_token(pages)
    assert pages.post("/web/people/undo", data={"number": 1, "csrf": "0" * 32}).status_code == 403
    assert pages.post("/web/people/undo", data={"number": 1}).status_code == 403
    assert pages.post("/web/analyze", files={"file": b"x"}, data={"csrf": "no"}).status_code == 403


def test_a_form_from_another_site_is_refused(pages):
    data = {"number": 1, "csrf": form_token(pages)}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://other.example"}):
        assert pages.post("/web/people/undo", data=data, headers=headers).status_code == 403


@pytest.mark.parametrize("folder", ["static", "vendor"])
def test_what_is_vendored_is_what_its_note_says(folder):
    name = {"static": "htmx", "vendor": "axe"}[folder]
    note_bytes = static_note() if folder == "static" else (VENDOR / f"{name}.toml").read_bytes()
    data = static_bytes("htmx.min.js") if folder == "static" else (VENDOR / "axe.min.js").read_bytes()
    note = tomllib.loads(note_bytes.decode())
    assert hashlib.sha256(data).hexdigest() == note["sha256"]
    assert note["licence"]


def static_note() -> bytes:
    from importlib.resources import files

    return files("postlens.serve.web").joinpath("static", "htmx.toml").read_bytes()


# --- stores of other sizes --------------------------------------------------------------------------------------------


def post(number: int) -> SourcePost:
    return SourcePost(
        handle=f"account{number % 40}",
        platform="instagram",
        post_key=str(number),
        media=(MediaRef(path=f"/somewhere/{number}.jpg"),),
        caption="<script>alert(1)</script>",
        published_at=datetime(2025, 1, 1, tzinfo=UTC),
        metrics={"likes": float(number)},
    )


def test_an_empty_store_leads_to_the_upload(tmp_path):
    with client_of(tmp_path / "postlens.db") as client:
        assert "Nothing here yet" in client.get("/").text
        for path in SHOWN[:-1]:
            assert client.get(path).status_code == 200


def test_many_posts_are_shown_page_by_page_and_exported_whole(tmp_path):
    from postlens.store.posts import LocatedPost, write_posts

    posts = [LocatedPost(post(number), (None,)) for number in range(3 * PAGE_ROWS + 1)]
    with Store.open(tmp_path / "postlens.db") as store, store.write() as conn:
        write_posts(conn, posts, now=datetime(2025, 1, 2, tzinfo=UTC))
    with client_of(tmp_path / "postlens.db") as client:
        first, last = client.get("/web/posts").text, client.get("/web/posts?page=99").text
        assert (first.count('<th scope="row">'), last.count('<th scope="row">')) == (PAGE_ROWS, 1)
        assert "page 4 of 4" in last
        assert len(rows_of(client, "/web/posts")) == len(posts)


def test_one_post_without_media_is_shown_and_escaped(tmp_path):
    from postlens.store.posts import write_post

    with Store.open(tmp_path / "postlens.db") as store, store.write() as conn:
        write_post(conn, post(1), [None], now=datetime(2025, 1, 2, tzinfo=UTC))
    with client_of(tmp_path / "postlens.db") as client:
        text = client.get("/web/posts/instagram:1").text
        assert "&lt;script&gt;alert" in text
        assert "<script>alert" not in text
        for path in SHOWN[:-1]:
            assert client.get(path).status_code == 200


def test_a_long_gallery_comes_page_by_page(pages, monkeypatch):
    monkeypatch.setattr("postlens.serve.web.pages.people.FACES", 1)
    first, second = (pages.get(f"/web/people?page={number}").text for number in (1, 2))
    assert (first.count('name="person"'), second.count('name="person"')) == (1, 1)
    assert "Person 1</bdi>" in first
    assert "Person 2</bdi>" in second
    assert 'rel="next"' in first


def test_a_job_shows_what_it_found_while_another_changes_the_store(tmp_path, monkeypatch):
    from postlens.store.posts import write_post

    now = datetime(2026, 11, 22, tzinfo=UTC)
    with client_of(tmp_path / "postlens.db") as client:
        context = client.app.state.context
        with context.store.write() as conn:
            write_post(conn, post(1), [None], now=now)
            write_job(conn, Job("j1", "analyze", "done", now, finished_at=now, result=found("instagram:1")))
            write_job(conn, Job("j2", "analyze", "done", now, finished_at=now, result=found("instagram:1", "no:2")))
        client.get("/")
        monkeypatch.setattr(context, "revision", lambda: 10**6)  # of a store that changes with each look
        monkeypatch.setitem(Campaigns.latest.__kwdefaults__, "wait_s", 0.0)
        shown, waits = client.get("/web/jobs/j1").text, client.get("/web/jobs/j2").text
        assert 'class="preview"' in shown
        assert "hx-trigger" not in shown
        assert "are being computed" in waits


def found(*post_ids: str) -> dict[str, object]:
    """The result of a job."""
    return {"post_ids": list(post_ids), "n_media": len(post_ids), "failures": []}


def test_a_file_that_is_no_media_is_told_and_becomes_no_post(tmp_path, sample_campaign):
    photo = (sample_campaign / "media" / "sample.travel" / "pagoda-lake.jpg").read_bytes()
    with client_of(tmp_path / "postlens.db") as client:
        files = [("file", ("lake.jpg", photo)), ("file", ("notes.jpg", b"no picture"))]
        sent = client.post("/web/analyze", files=files, data={"csrf": form_token(client)}, follow_redirects=False)
        href = sent.headers["location"]
        wait_until(lambda: 'id="found"' in client.get(href).text)
        text = client.get(href).text
        assert "1 post<" in text
        assert "notes.jpg" in text.partition("What failed")[2]
        assert rows_of(client, "/web/failures") == ["notes.jpg"]
        assert rows_of(client, "/web/posts") == ["lake.jpg"]


def test_a_finished_job_waits_for_the_answers_of_a_large_campaign(tmp_path, monkeypatch):
    def still_reading(_campaigns: Campaigns) -> None:
        raise StillReadingError("not yet")

    now = datetime(2026, 11, 22, tzinfo=UTC)
    with client_of(tmp_path / "postlens.db") as client:
        with client.app.state.context.store.write() as conn:
            write_job(conn, Job("j1", "analyze", "done", now, result={"post_ids": ["p"], "failures": []}))
        assert "hx-trigger" not in client.get("/web/jobs/j1").text
        monkeypatch.setattr(Campaigns, "latest", still_reading)
        assert "are being computed" in client.get("/web/jobs/j1").text
        assert "hx-trigger" in client.get("/web/jobs/j1").text
        assert client.get("/web/creators").headers["refresh"]
