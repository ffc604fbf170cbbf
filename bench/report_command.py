"""``pfserve-bench report``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from .mistake import Mistake
from .recorder import read
from .report import html, markdown, trials
from .trial import Summary, page, summarise

_FILE = click.Path(path_type=Path)
_KINDS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json", ".txt": "text"}

Named = Sequence[tuple[str, Summary]]


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
    """Make the report of recorded trials again, from nothing but their FILEs.

    html is one file that needs no network: plots, tables, and sliders that ask a model what would be if.

    Exits 0 if every trial is whole and can be believed, 1 if not, 2 if a FILE is no record.
    """
    try:
        named = [(file.stem, summarise(read(file))) for file in files]
        text = _page(named, kind or (_KINDS.get(output.suffix, "text") if output else "text"))
        if output:
            output.write_text(text, encoding="utf-8")
    except Mistake as mistake:
        raise click.UsageError(str(mistake)) from mistake
    except OSError as problem:
        raise click.ClickException(f"{output}: {problem.strerror}") from problem
    if not output:
        click.echo(text, nl=False)
    sys.exit(0 if all(summary.complete and not summary.voids for _, summary in named) else 1)


def _page(named: Named, kind: str) -> str:
    if kind == "html":
        return html.page(trials.document(named))
    if kind == "markdown":
        return markdown.page(trials.document(named))
    if kind == "text":
        return "\n".join(page.text(summary) for _, summary in named)
    return json(named[0][1] if len(named) == 1 else [summary for _, summary in named])


def json(told: object) -> str:
    """Every figure."""
    return msgspec.json.format(msgspec.json.encode(told)).decode() + "\n"
