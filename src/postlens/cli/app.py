"""Command-line words to verbs, and errors to exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import typer
from rich.console import Console

from postlens.cli import (
    EXIT_DONE,
    EXIT_NOTHING,
    EXIT_STOPPED,
    EXIT_USAGE,
    analyze,
    catalog,
    clean,
    demo,
    enroll,
    evaluate,
    extract,
    features,
    forecast,
    forget,
    identify,
    info,
    inspect,
    models,
    people,
    predict,
    preprocess,
    react,
    recommend,
    sample,
    serve,
    train,
    train_creator,
    train_engagement,
    train_products,
    train_reactions,
    verify,
    version,
)
from postlens.cli.console import plain
from postlens.errors import PostlensError, UsageError

app = typer.Typer(
    name="postlens",
    help="Visual intelligence for influencer marketing: niche, people, products, engagement and reactions.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("analyze")(analyze.analyze)
app.command("clean")(clean.clean)
app.command("demo")(demo.demo)
app.command("info")(info.info)
app.add_typer(models.app, name="models")
app.command("evaluate")(evaluate.evaluate)
app.command("sample")(sample.sample)
app.command("preprocess")(preprocess.preprocess)
app.command("inspect")(inspect.inspect)
train.app.command("creator")(train_creator.creator)
train.app.command("engagement")(train_engagement.engagement)
train.app.command("products")(train_products.products)
train.app.command("reactions")(train_reactions.reactions)
app.add_typer(train.app, name="train")
app.command("predict")(predict.predict)
app.command("recommend")(recommend.recommend)
app.command("react")(react.react)
app.command("forecast")(forecast.forecast)
app.command("extract")(extract.extract)
app.command("features")(features.features)
app.add_typer(people.app, name="people")
app.add_typer(catalog.app, name="catalog")
app.command("enroll")(enroll.enroll)
app.command("identify")(identify.identify)
app.command("verify")(verify.verify)
app.command("forget")(forget.forget)
app.add_typer(serve.app, name="serve")
app.command("version")(version.version)


def run(words: Sequence[str]) -> int:
    """Run one command; errors of ours become one line on standard error and an exit code. No word at all: the help."""
    try:
        result = _main(words or ["--help"])
    except typer.TyperException as error:
        _tell(f"{error.format_message()} Try: {_verb(error)} --help")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_STOPPED
    except typer.Abort as abort:
        return _aborted(abort)
    except PostlensError as error:
        _tell(str(error))
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_NOTHING
    if not words:
        return EXIT_USAGE
    return result if isinstance(result, int) else EXIT_DONE


def _main(words: Sequence[str]) -> object:
    return _command().main(args=list(words), prog_name="postlens", standalone_mode=False)


@cache
def _command() -> Any:  # a class of click's, which typer does not name
    """All verbs with their options, read once: it takes 35 ms."""
    return typer.main.get_command(app)


def _aborted(abort: typer.Abort) -> int:
    """Code of a prompt that was stopped by Ctrl-C, or answered with no, or put where there is nobody to ask."""
    if isinstance(abort.__context__, KeyboardInterrupt):
        return EXIT_STOPPED
    Console(stderr=True).print("Nothing was done.")
    return EXIT_NOTHING


def _verb(error: typer.TyperException) -> str:
    """The command whose words are wrong."""
    return str(getattr(getattr(error, "ctx", None), "command_path", "postlens"))


def _tell(message: str) -> None:
    Console(stderr=True).print(f"[red]error[/red] {plain(message)}", highlight=False, soft_wrap=True)
