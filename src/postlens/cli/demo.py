"""`postlens demo`: the main job on the bundled sample campaign (about 15 s on two cores), and pages that show it.

`--serve` shows the web page on it, `--gradio` a page that answers about one image.
"""

from __future__ import annotations

import signal
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.config import Settings

NOTE = "Sample campaign: the photos are real, the accounts, captions and performance figures are invented."
PORT, GRADIO_PORT = 8000, 7860
HOST = "127.0.0.1"
LONGEST_START_S = 120.0  # then no browser is opened


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report, the tables and the store.")] = Path("postlens-demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Then show the web page on it, at this machine alone. Needs [serve].")
    ] = False,
    gradio: Annotated[
        bool, typer.Option("--gradio", help="Show a page that answers about one image instead. Needs [demo].")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the page. Default: 8000, of --gradio 7860.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser once it is there.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log on the terminal.")] = False,
) -> int:
    """Analyze the sample campaign that ships with postlens, and say where the report is; or show it as a page."""
    from postlens.config import Settings

    if serve and gradio:
        raise UsageError("expected --serve or --gradio, got both")
    if (port or open_page) and not (serve or gradio):
        raise UsageError("--port and --open are of a page; add --serve or --gradio")
    settings = Settings.load()
    if gradio:
        return _show_gradio(settings, port=port or GRADIO_PORT, open_page=open_page)
    if serve:
        return _serve(out, settings, port=port or PORT, open_page=open_page, verbose=verbose)
    return _analyze(out, settings, verbose=verbose)


def _analyze(out: Path, settings: Settings, *, verbose: bool) -> int:
    from postlens.cli.console import run_and_report
    from postlens.pipelines.sample import POSTS_TABLE

    return run_and_report([str(POSTS_TABLE)], out=out, settings=settings, verbose=verbose, notes=(NOTE,))


def _serve(out: Path, settings: Settings, *, port: int, open_page: bool, verbose: bool) -> int:
    """Show the web page until stopped, on the campaign analyzed before or now."""
    from postlens.cli.serve import expect_extra

    expect_extra()
    if not (out / "report.html").is_file() and (code := _analyze(out, settings, verbose=verbose)):
        return code
    from postlens.serve.server import run
    from postlens.serve.settings import ServeSettings

    given: dict[str, Any] = {"store": str(out / "postlens.db"), "host": HOST, "port": port, "keys": False}
    _say(f"http://{HOST}:{port}")
    if open_page:
        _open_when_ready(f"http://{HOST}:{port}")
    run(ServeSettings.load(analysis=settings, **given))
    return EXIT_DONE


def _show_gradio(settings: Settings, *, port: int, open_page: bool) -> int:
    from postlens.serve.gradio_demo import run

    def started(address: str) -> None:
        _say(address)
        if open_page:
            _open(address)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uploads are deleted then, too
    run(settings, port=port, started=started)
    return EXIT_DONE


def _say(address: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"{address}  (Ctrl-C stops it)")


def _open_when_ready(address: str) -> None:
    """Open the page in the browser as soon as the server answers; without waiting here."""

    def wait() -> None:
        if _answers(f"{address}/health"):
            _open(address)

    threading.Thread(target=wait, daemon=True).start()


def _answers(url: str) -> bool:
    """Whether the server answers in time."""
    waiting, pause = threading.Event(), 0.2
    for _ in range(int(LONGEST_START_S / pause)):
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own address
                return True
        except OSError:  # not listening yet, or loading models: 503
            waiting.wait(pause)
    return False


def _open(address: str) -> None:
    import webbrowser

    webbrowser.open(address)
