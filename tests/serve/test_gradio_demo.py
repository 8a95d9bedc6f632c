"""The page made by Gradio: on this machine alone, and silent; skipped where the extra `demo` is missing."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from postlens.config import Settings
from postlens.errors import MissingExtraError
from postlens.serve import gradio_demo
from postlens.serve.one_image import QUESTIONS

has_gradio = importlib.util.find_spec("gradio") is not None


def test_a_missing_gradio_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"postlens\[demo\]"):
        gradio_demo.run(Settings(workers=1), port=1, started=print)


def test_gradio_is_told_to_be_silent():
    assert gradio_demo.QUIET["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert gradio_demo.QUIET["GRADIO_SHARE"] == "False"


# In a process of its own, since Gradio leaves sockets to the garbage collector.
SCRIPT = """
import json, sys
hosts = []
sys.addaudithook(lambda name, args: hosts.append(str(args[0])) if name == "socket.getaddrinfo" else None)
import httpx
from postlens.serve.gradio_demo import launch
from postlens.serve.one_image import Answers
page = launch(lambda path: Answers(*["said"] * 5))
config = httpx.get(f"{page.local_url}config").json()
text = httpx.get(page.local_url).text
page.close(verbose=False)
print(json.dumps({"url": page.local_url, "share": page.share_url, "config": config, "text": text, "hosts": hosts}))
"""


@pytest.mark.skipif(not has_gradio, reason="needs the extra demo: pip install 'postlens[demo]'")
def test_the_page_shows_the_questions_and_nobody_else_hears_of_it():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert urlsplit(found["url"]).hostname == gradio_demo.HOST
    assert found["share"] is None
    assert found["config"]["analytics_enabled"] is False
    assert set(QUESTIONS) <= {one["props"].get("label") for one in found["config"]["components"]}
    assert "fonts.googleapis.com" not in found["text"]
    assert set(found["hosts"]) <= {gradio_demo.HOST, "localhost"}
