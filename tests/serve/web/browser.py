"""Debian's Chromium, or another one, driven by Playwright; tests are skipped, and say why, where one is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDE, PHONE = (1280, 900), (390, 844)  # px: a desk, and a phone
TIMEOUT_MS = 10_000
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str | None:
    """The browser: POSTLENS_TEST_CHROMIUM, or what the system has."""
    return os.environ.get("POSTLENS_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a screen; skips where it or Playwright is missing."""
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium found: install the package chromium, or set POSTLENS_TEST_CHROMIUM to its path")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: uv sync --group dev")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, base: str, *, size: tuple[int, int] = WIDE, told: str = "", **more: Any) -> Iterator[Page]:
    """A page in a browser of its own; fails on errors in the console, but for those with the text `told`."""
    context = browser.new_context(base_url=base, viewport={"width": size[0], "height": size[1]}, **more)
    context.set_default_timeout(TIMEOUT_MS)
    page, errors = context.new_page(), []
    page.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    left = [error for error in errors if not told or told not in error]
    assert left == [], left


def findings(page: Page) -> list[str]:
    """What axe-core finds wrong, but for what is minor: rule and element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found["violations"]
        if rule["impact"] in ("moderate", "serious", "critical")
        for node in rule["nodes"]
    ]


def too_wide(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
