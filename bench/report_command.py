"""``pfserve-bench report``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from .mistake import Mistake
from .recorder import read
from .report import html, markdown, trials, tuning
from .report.document import Document
from .trial import page, summarise
from .tuning import NAME, Tuning
from .tuning import read as read_tuning

_FILE = click.Path(path_type=Path)
_KINDS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json", ".txt": "text"}


@click.command("report")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option("--output", "-o", type=_FILE, help="Write there instead of to the terminal.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "markdown", "json", "html"]),
    help="[default: by the name of --output, else text]",
)
def report_command(*, files: tuple[Path, ...], output: Path | None, kind: str | None) -> None:
    """Make the report of recorded trials again, from nothing but their FILEs; or of a tuning, from its folder.

    html is one file that needs no network: plots, tables, and sliders that ask a model what would be if.

    Exits 0 if every trial is whole and can be believed, 1 if not, 2 if a FILE is no record or the report cannot be
    written.
    """
    if output and any(output.exists() and file.exists() and output.samefile(file) for file in files):
        raise click.UsageError(f"--output {output}: that is the record itself")
    kind = kind or (_KINDS.get(output.suffix, "text") if output else "text")
    try:
        text, is_good = _tuning(files[0], kind) if _is_tuning(files) else _trials(files, kind)
        if output:
            output.write_text(text, encoding="utf-8")
    except Mistake as mistake:
        raise click.UsageError(str(mistake)) from mistake
    except OSError as problem:
        raise click.UsageError(f"--output {output}: {problem.strerror}") from problem
    if not output:
        click.echo(text, nl=False)
    sys.exit(0 if is_good else 1)


def _is_tuning(files: Sequence[Path]) -> bool:
    is_one = [file.is_dir() or file.name == NAME for file in files]
    if any(is_one) and len(files) > 1:
        raise Mistake("a tuning is reported alone")
    if files[0].is_dir() and not (files[0] / NAME).exists():
        raise Mistake(f"{files[0]}: no tuning is in this folder; trials are named one by one, as {files[0]}/*.pftrial")
    return is_one[0]


def _tuning(file: Path, kind: str) -> tuple[str, bool]:
    found: Tuning = read_tuning(file)
    return json(found) if kind == "json" else _set(tuning.document(found), kind), found.verdict is not None


def _trials(files: Sequence[Path], kind: str) -> tuple[str, bool]:
    named = [(file.stem, summarise(read(file))) for file in files]
    is_good = all(summary.complete and not summary.voids for _, summary in named)
    if kind == "text":
        return "\n".join(page.text(summary) for _, summary in named), is_good
    if kind == "json":
        return json(named[0][1] if len(named) == 1 else [summary for _, summary in named]), is_good
    return _set(trials.document(named), kind), is_good


def _set(document: Document, kind: str) -> str:
    return html.page(document) if kind == "html" else markdown.page(document)


def json(told: object) -> str:
    """Every figure."""
    return msgspec.json.format(msgspec.json.encode(told)).decode() + "\n"
