"""Scores in benchmarks/results/evaluation.json to the page docs/evaluation.md; runs and measures nothing.

Imported by evaluate_all.py and by the test that the page is up to date. What the page says about each task is in
evaluation_tasks.toml.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

TASKS = Path(__file__).with_name("evaluation_tasks.toml")
RESULTS = Path(__file__).with_name("results")
LOWER_IS_BETTER = ("ece", "mae_log", "mae_log_of_model", "fnmr_at_fmr_1e2", "fnmr_at_fmr_1e3")
NONE = "–"
Scores = Mapping[str, Any]

INTRO = """\
# Evaluation

Written by `benchmarks/evaluate_all.py` from `benchmarks/results/evaluation.json`; edit neither by hand.

Each task is shown with two figures. **Held out** comes from the model's card: it was measured by the training recipe,
on sources, themes or accounts that the scoring model had not seen, and is the figure to rely on. The other one is what
`postlens evaluate TASK --data FOLDER` prints for the model that ships. Where that model was trained on the same
folder it is marked **in-sample**: it shows that the whole path from file to answer runs and gives what the recipe
gave, not how good the model is on photos of others.

In brackets: 95 % intervals by bootstrap. They draw whole groups (sources, persons, themes, accounts) and so show the
spread within this collection; with few groups they are too narrow, and they do not say how another collection would
score. The interval of ece can lie above its value: resampled rows repeat, which widens the gaps that it measures.
`postlens evaluate` scores any other folder of the same layout.
"""


@cache
def read_tasks() -> dict[str, dict[str, Any]]:
    """What is said about each task, in the page's order."""
    return tomllib.loads(TASKS.read_text(encoding="utf-8"))


def render(results: Mapping[str, Scores]) -> str:
    """The page, one section for each task with results."""
    tasks = {name: about for name, about in read_tasks().items() if name in results}
    parts = [INTRO, summary(tasks, results)]
    parts += [section(name, about, results[name]) for name, about in tasks.items()]
    return "\n".join(parts).rstrip() + "\n"


def summary(tasks: Mapping[str, Scores], results: Mapping[str, Scores]) -> str:
    """All headline scores in one table."""
    titles = ("task", "score", "held out", "shipped model", "in-sample", "n")
    rows = [
        (link(about["title"]) if i == 0 else "", f"`{score}`", held, here, *extent(results[name]))
        for name, about in tasks.items()
        for i, (score, held, here) in enumerate(headline(about, results[name]))
    ]
    return "\n".join(["## All in one table", "", *table(titles, rows), ""])


def extent(entry: Scores) -> tuple[str, str]:
    """Whether in-sample, and of how many."""
    return "yes" if is_in_sample(entry) else "no", number(scored(entry))


def section(name: str, about: Scores, entry: Scores) -> str:
    """One task: layout, meaning, scores, tables, what is weak, circumstances."""
    here = here_title(entry)
    lines = [f"## {about['title']}", "", f"`postlens evaluate {name} --data FOLDER`", ""]
    lines += [
        f"Layout: {about['layout']}",
        "",
        f"Scores: {about['meaning']}",
        "",
        f"Held out: {split(about, entry)}",
        "",
    ]
    lines += [size(entry), ""]
    lines += [*table(("score", "held out", here), headline(about, entry, mark=True)), ""]
    for one in about.get("tables", []):
        lines += breakdown(one, entry, here=here)
    for one in about.get("quoted", []):
        lines += quoted(one)
    lines += [weak(about, entry), "", circumstances(entry), ""]
    return "\n".join(lines)


def split(about: Scores, entry: Scores) -> str:
    """How the held-out figure was made and of how many, or why there is none."""
    if not about["held_out"]:
        return str(about["no_held_out"])
    n = entry["held_out"].get("n") or at(entry["held_out"], "scene_only.n")
    return (f"n = {number(n)}. " if n else "") + str(about["held_out"])


def here_title(entry: Scores) -> str:
    """Title of the column of the shipped model."""
    return f"shipped model, {'**in-sample**' if is_in_sample(entry) else 'folder not trained on'}"


def is_in_sample(entry: Scores) -> bool:
    """Whether the shipped model was trained or tuned on the very folder."""
    return bool(entry["scores"].get("in_sample"))


def size(entry: Scores) -> str:
    """How many were scored, and what could not be."""
    scores = entry["scores"]
    reasons = ", ".join(f"{name} {number(n)}" for name, n in scores.get("failures", {}).items())
    text = f"n = {number(scored(entry))}; failed: {number(scores.get('failed', 0))}"
    extra = {"n_with_faces": "photos with a face", "undetected": "without a found face, read whole"}
    extra |= {"n_padded": "photos whose face was found only with a border around them"}
    extra |= {"n_compared": "pairs with a face in both photos", "n_accounts": "accounts"}
    extra |= {"people.n": "clips with labelled persons", "people.n_persons": "persons", "duplicates.n_edits": "edits"}
    extra |= {"no_forecast": "posts without final likes or with too little known"}
    found = [f"{number(at(scores, key))} {words}" for key, words in extra.items() if at(scores, key) is not None]
    return text + (f" ({reasons})" if reasons else "") + "".join(f"; {one}" for one in found) + "."


def scored(entry: Scores) -> int:
    """How many photos, pairs, clips or posts the scores are of."""
    return int(entry["scores"]["n"])


def headline(about: Scores, entry: Scores, *, mark: bool = False) -> list[tuple[str, str, str]]:
    """(name, held out, here) of the task's scores; `mark` quotes the name and says which are better when low."""
    rows = []
    for name in about["scores"]:
        low = mark and name.rpartition(".")[2] in LOWER_IS_BETTER
        title = f"`{name}`" + (" (lower is better)" if low else "") if mark else name
        rows.append((title, shown(entry["held_out"], name), shown(entry["scores"], name)))
    return rows


def breakdown(one: Scores, entry: Scores, *, here: str) -> list[str]:
    """One table by class, source, edit or size, under its title."""
    names = row_names(one["at"], entry)
    titles = ["", "n", *(f"{name}, held out" for name in one["held_out"]), *(f"{name}, {here}" for name in one["here"])]
    rows = [row(name, one, entry) for name in names]
    return [f"### {one['title']}", "", *table(titles, rows), ""] if rows else []


def quoted(one: Scores) -> list[str]:
    """A table of a file of benchmarks/results that another benchmark wrote, under its title."""
    with (RESULTS / one["file"]).open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    rows = [(line[one["name"]], *(from_csv(line, score) for score in one["scores"])) for line in found]
    titles = ("", *(f"`{score}`" for score in one["scores"]))
    return [f"### {one['title']}", "", str(one["words"]), "", *table(titles, rows), ""]


def from_csv(line: Mapping[str, str], score: str) -> str:
    """A cell as `shown`; whole numbers and intervals are read as JSON."""
    found = {key: json.loads(line[key]) for key in (score, f"{score}_ci") if line.get(key)}
    return shown(found, score)


def row_names(place: str, entry: Scores) -> list[str]:
    """Names of the rows of a table, those of the shipped model first."""
    found = [*(at(entry["scores"], place) or {}).items(), *(at(entry["held_out"], place) or {}).items()]
    return list(dict.fromkeys(name for name, value in found if isinstance(value, Mapping) and "n" in value))


def row(name: str, one: Scores, entry: Scores) -> list[str]:
    """Cells of one row; n of the shipped model, and that held out where it differs."""
    held, here = (member(entry[part], one["at"], name) for part in ("held_out", "scores"))
    n = counted(here or held)
    if here and held and counted(held) != n:
        n += f"; held out {counted(held)}"
    cells = [shown(held, score) for score in one["held_out"]] + [shown(here, score) for score in one["here"]]
    return [name, n, *cells]


def counted(scores: Scores) -> str:
    """n, with the positives behind it where they are counted."""
    return number(scores.get("n")) + (f" ({number(scores['n_pos'])} positive)" if "n_pos" in scores else "")


def weak(about: Scores, entry: Scores) -> str:
    """One paragraph: the lowest scores, why, and the cards' limits."""
    limits = " ".join(f"Card `{name}`: {model['limits']}" for name, model in entry["models"].items())
    return f"**What is weak.** {lowest(about, entry)}{about['weak']} {limits}"


def lowest(about: Scores, entry: Scores) -> str:
    """The lowest rows of the task's table, held out where that is known."""
    if "weakest" not in about:
        return ""
    place, score, n = (about["weakest"][key] for key in ("at", "score", "n"))
    part = "held_out" if about["held_out"] else "scores"
    rows = {name: member(entry[part], place, name) for name in row_names(place, entry)}
    known = sorted((name for name in rows if rows[name].get(score) is not None), key=lambda name: rows[name][score])
    listed = ", ".join(f"{name} {shown(rows[name], score)}" for name in known[:n])
    return f"Lowest {score}{', held out' if about['held_out'] else ''}: {listed}. "


def circumstances(entry: Scores) -> str:
    """Of what, when and where."""
    run = entry["run"]
    models = ", ".join(f"{name} `{model['fingerprint']}`" for name, model in entry["models"].items())
    where = f"{run['seconds']:.0f} s, {run['machine']}, {run['versions']}"
    return f"Run {run['at']} at commit {run['commit']}, {where}; {models}."


# --- values ---------------------------------------------------------------------------------------------------------


def at(scores: Scores, name: str) -> Any:
    """The value under a dotted name, the scores themselves for an empty one; None where there is none."""
    value: Any = scores
    for part in name.split(".") if name else ():
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def member(scores: Scores, place: str, name: str) -> Scores:
    """A row's scores (its name may hold dots), empty where there is none."""
    return (at(scores, place) or {}).get(name) or {}


def shown(scores: Scores, name: str) -> str:
    """A score with its interval: `0.873 (0.830 to 0.915)`."""
    value, interval = at(scores, name), at(scores, f"{name}_ci")
    if value is None:
        return NONE
    return number(value) + (f" ({number(interval[0])} to {number(interval[1])})" if interval else "")


def number(value: Any) -> str:
    """Three decimals, or a count with thousands marked."""
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield line(titles)
    yield line(["---"] * len(titles))
    yield from map(line, rows)


def line(cells: Sequence[str]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def link(title: str) -> str:
    """A heading of the page as a link to it, by the address that GitHub makes."""
    address = "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
    return f"[{title}](#{address})"
