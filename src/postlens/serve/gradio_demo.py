"""One image in, five answers out: a page made by Gradio, to show what postlens reads.

    postlens demo --gradio

It listens at loopback alone, is not shared, takes no fonts from other hosts and reports nothing to Gradio's makers.
Needs the extra `demo`. In a notebook: `with answering(Settings.load()) as answer: launch(answer)`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any, Final

from postlens.config import Settings
from postlens.errors import MissingExtraError
from postlens.serve.one_image import QUESTIONS, Answer, answering

HOST: Final = "127.0.0.1"
MOST_BYTES: Final = 32 << 20  # of an image, as the server takes
# Gradio reads these when it is imported and when it starts.
QUIET: Final = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
FONTS: Final = ("system-ui", "sans-serif")
MONO_FONTS: Final = ("ui-monospace", "monospace")
TITLE: Final = "postlens: one image, five answers"
PROMISE: Final = "Nothing leaves this machine. What is uploaded is deleted when this page is stopped."


def run(settings: Settings, *, port: int, started: Callable[[str], None]) -> None:
    """Show the page until stopped; `started` is told its address.

    Raises:
        MissingExtraError: Gradio is not installed.
        SettingsError, ModelError: the settings or the models cannot be used.
    """
    expect_extra()
    with answering(settings) as answer, TemporaryDirectory(prefix="postlens-gradio-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # its copies of uploads go with it
        page = launch(answer, port=port)
        started(f"http://{HOST}:{port}")
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)


def expect_extra() -> None:
    """Raise `MissingExtraError` unless Gradio is installed."""
    if importlib.util.find_spec("gradio") is None:
        raise MissingExtraError("demo", needed_for="postlens demo --gradio")


def launch(answer: Answer, *, port: int | None = None) -> Any:
    """The running page (`gradio.Blocks`) that asks `answer`; `port`: default the first free one from 7860 on."""
    page = build(answer)
    import gradio as gr

    page.launch(
        server_name=HOST,
        server_port=port,
        share=False,
        inbrowser=False,
        prevent_thread_lock=True,
        quiet=True,
        max_file_size=MOST_BYTES,
        theme=gr.themes.Default(font=list(FONTS), font_mono=list(MONO_FONTS)),
        footer_links=[],
        enable_monitoring=False,
        ssr_mode=False,
    )
    return page


def build(answer: Answer) -> Any:
    """The page: an image on the left, a box for each question on the right."""
    os.environ.update(QUIET)  # before the import, which reads it
    import gradio as gr

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{PROMISE}")
        with gr.Row():
            image = gr.Image(type="filepath", label="Image", sources=["upload", "clipboard"], height=420)
            with gr.Column():
                boxes = [gr.Textbox(label=question, lines=2, interactive=False) for question in QUESTIONS]
        image.change(answer, image, boxes, show_progress="minimal", api_name="answers", concurrency_limit=1)
    return page
