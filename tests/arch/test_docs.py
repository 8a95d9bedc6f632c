"""What is generated is up to date, and what is said of the tree is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from postlens.cli.app import app
from postlens.config import Settings
from postlens.vision.zoo import list_models

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
README = ROOT / "README.md"
PAGES = sorted([README, *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")


def words(command: Any = None, said: str = "postlens") -> list[str]:
    """Every command, its words from the program on."""
    below = getattr(command or typer.main.get_command(app), "commands", None)
    if below is None:
        return [said]
    return [one for name, child in below.items() for one in words(child, f"{said} {name}")]


def test_the_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_docs.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", words())
def test_every_verb_is_in_the_command_line_reference(command):
    assert f"## {command}\n" in (REFERENCE / "cli.md").read_text(encoding="utf-8")


def test_every_setting_and_every_model_has_its_place_in_the_reference():
    settings, models = ((REFERENCE / name).read_text(encoding="utf-8") for name in ("settings.md", "models.md"))
    assert [name for name in Settings.model_fields if f"| `{name}` |" not in settings] == []
    assert [spec.name for spec in list_models() if f"## {spec.name}\n" not in models] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    if page == README and not tree():
        pytest.skip("the README has no layout tree yet")
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def tree() -> str:
    """The layout in the README, or nothing."""
    found = re.search(r"## Layout\n+```\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return found.group(1) if found else ""


def named_in(layout: str) -> list[Path]:
    """Every file and folder that the layout names before its words of explanation."""
    base, found = ROOT, []
    for line in layout.splitlines():
        names = re.split(r" {3,}", line.strip())[0].split()
        inside = line.startswith("  ")
        if not inside:
            base = ROOT / names[0] if names and names[0].endswith("/") else ROOT
        found += [(base if inside else ROOT) / name for name in names]
    return found


def test_the_layout_in_the_readme_names_what_exists():
    if not tree():
        pytest.skip("the README has no layout tree yet")
    assert [str(path.relative_to(ROOT)) for path in named_in(tree()) if not path.exists()] == []


def test_the_layout_in_the_readme_names_every_part_of_the_package():
    if not tree():
        pytest.skip("the README has no layout tree yet")
    parts = {path.parent for path in (ROOT / "src" / "postlens").glob("*/__init__.py")}
    assert parts <= set(named_in(tree()))


def test_the_readme_has_no_gaps():
    text = README.read_text(encoding="utf-8")
    if "@@" in text:
        pytest.skip("the README's figures are not filled in yet")
    assert not re.search(r"\bTODO\b|\bTBD\b|XXX", text)
