"""Command-line words to verbs, and errors to exit codes."""

from __future__ import annotations

from collections.abc import Sequence

import click
import typer
from rich.console import Console
from rich.markup import escape

from postlens.cli import analyze, demo, evaluate, forget, info, models, version
from postlens.errors import PostlensError, UsageError

EXIT_DONE, EXIT_NOTHING, EXIT_USAGE, EXIT_STOPPED = 0, 1, 2, 130

app = typer.Typer(
    name="postlens",
    help="Visual intelligence for influencer marketing: niche, people, products, engagement and reactions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("analyze")(analyze.analyze)
app.command("demo")(demo.demo)
app.command("info")(info.info)
app.add_typer(models.app, name="models")
app.command("evaluate")(evaluate.evaluate)
app.command("forget")(forget.forget)
app.command("version")(version.version)


def run(words: Sequence[str]) -> int:
    """Run one command; errors of ours become one line on standard error and an exit code."""
    try:
        result = typer.main.get_command(app).main(args=list(words), prog_name="postlens", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (KeyboardInterrupt, click.exceptions.Abort):
        return EXIT_STOPPED
    except PostlensError as error:
        Console(stderr=True).print(f"[red]error[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_NOTHING
    return result if isinstance(result, int) else EXIT_DONE
