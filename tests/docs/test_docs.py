"""What the documents say is so: commands parse, links lead somewhere, snippets name what exists, scores are current."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from postlens.cli.app import app
from postlens.config import Settings
from postlens.errors import PostlensError
from postlens.pipelines.evaluation import TASKS
from postlens.sources.columns import COLUMNS
from postlens.sources.registry import SOURCES
from postlens.vision.zoo import list_models, load_spec

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RESULTS = ROOT / "benchmarks" / "results" / "evaluation.json"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"(?<![\w/])(?:benchmarks|recipes|tools|docs)/[\w/]+\.(?:py|csv|json|toml|md)\b")
GENERATED_USAGE = "[OPTIONS]"  # lines of docs/reference/cli.md, which the program itself writes


# --- commands -------------------------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """(command line, whether it is complete) of a page: complete in blocks, perhaps only a name within a sentence."""
    for _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("postlens ") and GENERATED_USAGE not in line:
                yield line.strip(), True
    for span in INLINE.findall(FENCE.sub("", text)):
        words = " ".join(span.split())
        if words.startswith("postlens "):
            yield words, False


@cache
def program() -> Any:
    """All verbs with their options."""
    return typer.main.get_command(app)


def check(line: str, *, complete: bool) -> None:
    """Parse a command line as the program would; files need not be there. Raises what the program would."""
    command: Any = program()
    words = shlex.split(line, comments=True)[1:]
    while isinstance(command, TyperGroup) and not begins_options(command, words):
        name = words.pop(0)
        assert name in command.commands, f"{line!r}: there is no verb {name!r}"
        command = command.commands[name]
    context = typer.Context(command, info_name=line)
    values, left, _ = command.make_parser(context).parse_args(placeholders_dropped(words))
    assert not left, f"{line!r}: {left} are too many"
    if complete:
        missing = [one.name for one in command.params if one.required and not values.get(one.name)]
        assert not missing, f"{line!r}: {missing} missing"
    check_values(command.name, values)


def begins_options(command: TyperGroup, words: list[str]) -> bool:
    """Whether a group that is also a verb is meant itself."""
    return command.invoke_without_command and (not words or words[0].startswith(("-", "[")))


def placeholders_dropped(words: list[str]) -> list[str]:
    """The words without brackets that mark what may be left out and dots that mark repeats."""
    plain = [re.sub(r"^\[+|\]+$|\.\.\.$", "", word) for word in words]
    return [word for word in plain if word]


def check_values(verb: str | None, values: dict[str, Any]) -> None:
    """Names that the parser takes as any text: settings, columns, sources, tasks, models."""
    for pair in values.get("settings") or []:
        name, _, value = pair.partition("=")
        Settings.load(flags={name: value})
    for pair in values.get("mapping") or []:
        assert pair.partition("=")[0] in COLUMNS
    assert verb != "analyze" or (values.get("source") or "folder") in SOURCES
    task = values.get("task")
    assert task is None or task in TASKS or task.isupper()
    if verb == "show" and "name" in values and not values["name"].isupper():
        load_spec(values["name"])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_parses_against_the_program(page: Path) -> None:
    for line, complete in commands(page.read_text(encoding="utf-8")):
        check(line, complete=complete)


def test_the_documents_do_quote_command_lines() -> None:
    quoted = [line for page in PAGES for line, complete in commands(page.read_text(encoding="utf-8")) if complete]
    assert {line.split()[1] for line in quoted} >= {"analyze", "evaluate", "forget", "info", "models", "version"}


@pytest.mark.parametrize(
    "line",
    [
        "postlens analyse photos",
        "postlens analyze photos --outt report",
        "postlens analyze --out report",
        "postlens analyze photos --set no_such_setting=1",
        "postlens analyze photos --map no_such_column=x",
        "postlens evaluate no_such_task --data photos",
        "postlens models show no_such_model",
        "postlens version now",
    ],
)
def test_a_wrong_command_line_is_noticed(line: str) -> None:
    with pytest.raises((AssertionError, PostlensError, typer.TyperException)):
        check(line, complete=True)


# --- links and snippets ---------------------------------------------------------------------------------------------


def slugs(text: str) -> set[str]:
    """Addresses of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert not heading or heading in slugs(target.read_text(encoding="utf-8")), f"{link} names no heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_script_and_result_that_is_named_exists(page: Path) -> None:
    named = FILE.findall(page.read_text(encoding="utf-8"))
    assert not [name for name in named if not (ROOT / name).exists()]


def blocks(language: str) -> list[Any]:
    """The fenced blocks of a language in all pages, with the page's name."""
    found = [(page, FENCE.findall(page.read_text(encoding="utf-8"))) for page in PAGES]
    return [pytest.param(body, id=page.name) for page, parts in found for name, body in parts if name == language]


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_snippet_imports_what_exists(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_settings_snippet_is_accepted(text: str, tmp_path: Path) -> None:
    file = tmp_path / "postlens.toml"
    file.write_text(text, encoding="utf-8")
    assert set(tomllib.loads(text)) <= set(Settings.load(config=file).origins())


def test_the_log_lists_every_topic() -> None:
    listed = set(LINK.findall((ROOT / "docs" / "log.md").read_text(encoding="utf-8")))
    assert {f"log/{path.name}" for path in (ROOT / "docs" / "log").glob("*.md")} <= listed


# --- evaluation -----------------------------------------------------------------------------------------------------


@pytest.fixture
def evaluation_page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that makes the page."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("evaluation_page")


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """What benchmarks/evaluate_all.py has stored."""
    stored: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return stored


def test_the_evaluation_page_is_made_of_the_stored_results(
    evaluation_page: ModuleType, results: dict[str, Any]
) -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert page == evaluation_page.render(results), "run python benchmarks/evaluate_all.py --page"


def test_every_task_is_evaluated(evaluation_page: ModuleType, results: dict[str, Any]) -> None:
    assert set(results) == set(evaluation_page.read_tasks()) == set(TASKS)


def test_the_evaluated_models_are_those_that_ship(results: dict[str, Any]) -> None:
    shipped = {spec.name: spec.fingerprint for spec in list_models()}
    stale = [
        task
        for task, entry in results.items()
        if any(shipped.get(name) != model["fingerprint"] for name, model in entry["models"].items())
    ]
    assert not stale, f"run python benchmarks/evaluate_all.py --data FOLDER --only {' '.join(stale)}"


def test_a_score_without_its_model_in_training_is_not_called_in_sample(
    evaluation_page: ModuleType, results: dict[str, Any]
) -> None:
    entry = {**results["niche"], "scores": {**results["niche"]["scores"], "in_sample": False}}
    assert "in-sample** |" not in evaluation_page.render({"niche": entry})
