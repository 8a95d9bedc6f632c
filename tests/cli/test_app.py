"""Words to verbs, errors to exit codes, and what the small verbs print."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from postlens.cli.app import run
from postlens.config import Settings
from postlens.version import __version__
from postlens.vision.zoo import list_models, load_spec

VERBS = ("analyze", "demo", "info", "models", "evaluate", "forget", "version")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """No postlens.toml and no settings of the developer's."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"POSTLENS_{name.upper()}", raising=False)
    return tmp_path


def test_version_prints_the_version_alone(capsys):
    assert run(["version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_the_module_runs_like_the_command():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "postlens", "version"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"{__version__}\n", "")


@pytest.mark.parametrize("words", [["version"], ["--help"], ["analyze", "--help"], ["models", "list"]])
def test_what_needs_no_model_exits_with_zero(words, capsys):
    assert run(words) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_names_every_verb_and_every_verb_has_help(verb, capsys):
    run(["--help"])
    assert f"  {verb}" in capsys.readouterr().out
    assert run([verb, "--help"]) == 0
    assert "Usage: postlens" in capsys.readouterr().out


def test_no_words_show_the_help_and_are_wrong_usage(capsys):
    assert run([]) == 2
    assert "analyze" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["paint"], "paint"),
        (["models"], "postlens models --help"),
        (["analyze"], "postlens analyze --help"),
        (["analyze", "x", "--foo"], "--foo"),
        (["models", "show", "resnet"], "efficientnet_lite0"),
        (["evaluate", "niche", "--data", "absent"], "absent"),
        (["info", "--settings", "--config", "absent.toml"], "absent.toml"),
    ],
)
def test_wrong_words_exit_with_two_and_one_line_that_helps(words, said, capsys):
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_square_brackets_in_an_error_are_text(capsys):
    assert run(["models", "show", "[red]x[/red]"]) == 2
    assert "[red]x[/red]" in capsys.readouterr().err


def test_ctrl_c_exits_with_130(monkeypatch):
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("postlens.vision.zoo.list_models", stop)
    assert run(["models", "list"]) == 130


class Typed(io.StringIO):
    """What is typed at a prompt; None is Ctrl-C."""

    def __init__(self, text: str | None) -> None:
        super().__init__(text or "")
        self.stops = text is None

    def readline(self, size: int = -1, /) -> str:
        if self.stops:
            raise KeyboardInterrupt
        return super().readline(size)


@pytest.mark.parametrize(("text", "code", "said"), [("n\n", 1, "Nothing"), ("", 1, "Nothing"), (None, 130, "")])
def test_no_at_a_prompt_exits_with_1_and_ctrl_c_with_130(text, code, said, sample_run, tmp_path, monkeypatch, capsys):
    store = shutil.copy(sample_run / "postlens.db", tmp_path)
    monkeypatch.setattr("sys.stdin", Typed(text))
    assert run(["forget", "sample.cats.coffee", "--store", str(store), "--out", str(tmp_path)]) == code
    out, err = capsys.readouterr()
    assert "Forgotten" not in out
    assert err.startswith(said) and err.count("\n") == bool(said)


def test_info_names_libraries_extras_models_and_providers(capsys):
    assert run(["info"]) == 0
    said = capsys.readouterr().out
    for word in (
        __version__,
        "onnxruntime",
        "polars",
        "extra train",
        "CPUExecutionProvider",
        f"{len(list_models())} models",
    ):
        assert word in said, word


def test_info_shows_every_setting_with_its_origin(elsewhere, capsys, monkeypatch):
    (elsewhere / "postlens.toml").write_text('metric = "views"\n')
    monkeypatch.setenv("POSTLENS_WORKERS", "3")
    assert run(["info", "--settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(any(name in line for line in lines) for name in Settings.model_fields)
    assert any("metric" in line and "postlens.toml" in line for line in lines)
    assert any("workers" in line and "environment" in line for line in lines)


def test_info_counts_what_a_store_holds(sample_run, capsys):
    assert run(["info", "--store", str(sample_run / "postlens.db")]) == 0
    said = capsys.readouterr().out
    assert any("creators" in line and "6" in line for line in said.splitlines())


def test_info_creates_no_store(elsewhere, capsys):
    assert run(["info", "--store", "absent.db"]) == 1
    assert "absent.db" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


def test_models_list_names_every_model_and_cuts_nothing(capsys):
    assert run(["models", "list"]) == 0
    said = capsys.readouterr().out
    for spec in list_models():
        assert spec.name in said
        assert spec.fingerprint in said


@pytest.mark.parametrize("spec", list_models(), ids=lambda spec: spec.name)
def test_models_show_prints_the_whole_card(spec, capsys):
    assert run(["models", "show", spec.name]) == 0
    said = capsys.readouterr().out
    filled = [f.name for f in fields(spec) if getattr(spec, f.name) not in ((), {}, "", None)]
    assert all(name in said for name in filled)
    assert spec.fingerprint in said
    assert "…" not in said


@pytest.mark.parametrize("columns", [40, 200])
def test_a_narrow_terminal_cuts_nothing(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["models", "show", "face_template"]) == 0
    said = "".join(capsys.readouterr().out.split())
    assert load_spec("face_template").fingerprint in said.replace("│", "")


def test_standard_output_that_closes_early_is_no_traceback():
    words = f"{sys.executable} -m postlens models list | head -n 1"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True, env=os.environ)
    assert "Traceback" not in done.stderr
