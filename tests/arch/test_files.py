"""What holds for every file of the repository."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "postlens"
SOURCES = sorted(path for path in SRC.rglob("*.py"))
CODE = [path for part in ("src", "tests", "tools", "recipes", "benchmarks") for path in (ROOT / part).rglob("*.py")]
MOST_LINES = 400  # aim at 150; types.py holds all nouns on purpose
LONG_FILES = {"types.py"}
HOMES = {"onnxruntime": {"vision"}, "torch": {"train"}, "jinja2": {"pipelines", "serve"}, "typer": {"cli"}}
# Written in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile("|".join(("/wo" + "rk/", "/ho" + r"me/\w", "/ro" + "ot/", "/Us" + r"ers/\w")))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules_of(path: Path) -> set[str]:
    """Top names of all modules that the file imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        found |= {name.partition(".")[0] for name in names}
    return found


def calls_print(path: Path) -> bool:
    calls = [node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    return any(isinstance(func, ast.Name) and func.id == "print" for func in calls)


def first_sentence(path: Path) -> str:
    return (ast.get_docstring(tree_of(path)) or "").split("\n\n", maxsplit=1)[0].rstrip()


def test_every_file_opens_with_one_sentence_that_says_what_it_is():
    assert [name_of(path) for path in SOURCES if not first_sentence(path).endswith((".", ":", "?"))] == []


def test_no_file_is_long():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES and Path(name).name not in LONG_FILES} == {}


def test_only_the_command_line_prints():
    assert [name_of(path) for path in SOURCES if path.parent.name != "cli" and calls_print(path)] == []


def test_broad_excepts_say_why():
    lines = [
        (name_of(path), line.strip()) for path in SOURCES for line in path.read_text(encoding="utf-8").splitlines()
    ]
    broad = [(name, line) for name, line in lines if re.match(r"except( (Exception|BaseException)\b|:)", line)]
    assert [(name, line) for name, line in broad if not re.search(r"noqa: BLE001\s+\S", line)] == []


@pytest.mark.parametrize(("library", "homes"), HOMES.items())
def test_heavy_libraries_stay_at_home(library, homes):
    users = {path.relative_to(SRC).parts[0] for path in SOURCES if library in modules_of(path)}
    assert users <= homes


def test_no_file_names_a_place_on_a_machine():
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in CODE}
    assert {name: found.group() for name, text in texts.items() if (found := MACHINE_PATHS.search(text))} == {}


@pytest.mark.parametrize("folder", sorted(path.parent for path in SRC.rglob("__init__.py")), ids=name_of)
def test_every_package_of_code_is_a_package_of_tests_or_tested_above(folder):
    parts = folder.relative_to(SRC).parts
    beside = ROOT / "tests" / Path(*parts[:2]) if parts[:1] == ("tasks",) else ROOT / "tests" / Path(*parts[:1])
    assert beside.is_dir(), f"expected tests at {name_of(beside)}"


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=name_of)
def test_requirements_are_pinned_with_hashes_and_name_no_host(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if "://" in line or "index-url" in line or "find-links" in line]
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert pins
    assert all(re.match(r"[\w.\[\],-]+==\S+.*\\$", line) for line in pins)


def test_there_is_no_lock_file_that_names_hosts():
    assert not (ROOT / "uv.lock").exists()


def test_the_ci_script_takes_no_fixed_folder_or_port():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert not re.findall(r"/tmp\b|port=\d", text)
