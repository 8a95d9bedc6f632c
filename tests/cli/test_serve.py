"""`postlens serve` and its keys."""

from __future__ import annotations

import json

import pytest

from postlens.cli import serve
from postlens.cli.app import run
from postlens.serve import server
from postlens.store import Store


@pytest.fixture
def store(tmp_path):
    location = tmp_path / "new.db"
    Store.open(location).close()
    return str(location)


@pytest.fixture
def asked(monkeypatch):
    """The settings of servers that would run."""
    found: list = []

    def run_server(settings, *, tell):
        found.append(settings)
        tell(settings.port)

    monkeypatch.setattr(server, "run", run_server)
    return found


def test_flags_and_environment_become_settings(store, asked, monkeypatch, capsys):
    monkeypatch.setenv("POSTLENS_SERVE_MAX_UPLOAD_MIB", "7")
    monkeypatch.setenv("POSTLENS_SERVE_CORS_ORIGINS", "https://a.example, https://b.example")
    assert run(["serve", "--store", store, "--port", "9000", "--set", "workers=1"]) == 0
    (settings,) = asked
    assert (settings.port, settings.max_upload_mib, settings.analysis.workers) == (9000, 7, 1)
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert "http://127.0.0.1:9000" in capsys.readouterr().err


def test_the_store_may_come_from_the_environment(store, asked, monkeypatch):
    monkeypatch.setenv("POSTLENS_SERVE_STORE", store)
    assert run(["serve"]) == 0
    assert asked[0].store == store


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "store"), (["--store", "x.db", "--host", "0.0.0.0", "--no-keys"], "keys to be on"),
        (["--store", "x.db", "--port", "70000"], "port"), (["keys", "add", "me"], "--store"),
        (["keys", "list", "--store", "not-there.db"], "not-there.db"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_wrong_usage(words, said, asked, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(["serve", *words]) == 2
    assert said in capsys.readouterr().err
    assert asked == []


def test_a_missing_extra_says_what_to_install(store, asked, monkeypatch, capsys):
    monkeypatch.setattr(serve, "PARTS", ("not_a_package",))
    assert run(["serve", "--store", store]) == 2
    assert 'pip install "postlens[serve]"' in capsys.readouterr().err


def test_keys_are_made_listed_and_taken_back(store, capsys):
    assert run(["serve", "keys", "add", "the shop", "--scope", "write", "--store", store]) == 0
    key = capsys.readouterr().out.strip()
    key_id = key.split("_")[1]
    assert run(["serve", "keys", "list", "--json", "--store", store]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["key_id"], listed["name"], listed["scopes"], listed["revoked_at"]) == (
        key_id,
        "the shop",
        ["write"],
        None,
    )
    assert "digest" not in listed
    assert run(["serve", "keys", "revoke", key_id, "--store", store]) == 0
    assert run(["serve", "keys", "list", "--store", store]) == 0
    assert "the shop" in capsys.readouterr().out
    assert run(["serve", "keys", "revoke", key_id, "--store", store]) == 2
    assert run(["serve", "keys", "add", "x", "--scope", "all", "--store", store]) == 2
