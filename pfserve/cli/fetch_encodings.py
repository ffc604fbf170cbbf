"""``pfserve fetch-encodings``: fills tiktoken's cache while an image is built, so that serving never has to."""

from __future__ import annotations

import os
import sys

import click

_USUAL = ("o200k_base", "cl100k_base")  # of the models that chat flows call


@click.command("fetch-encodings")
@click.argument("names", metavar="[MODEL|ENCODING]...", nargs=-1)
@click.option(
    "--dir", "folder", metavar="DIR", help="Put them here. Set TIKTOKEN_CACHE_DIR to it where the flow is served."
)
def fetch_encodings(*, names: tuple[str, ...], folder: str | None) -> None:
    """Fetch the tokenisers of models into tiktoken's cache. Needs the internet; serving does not.

    A name is a model's (gpt-4o) or a tokeniser's (o200k_base); without any, those of today's chat models.
    They go to DIR, else to TIKTOKEN_CACHE_DIR. Exits with 1 when one cannot be had.
    """
    from pfserve.llm.encodings import fetch

    folder = folder or os.environ.get("TIKTOKEN_CACHE_DIR")  # noqa: TID251 - tiktoken has no other way to be told
    if not folder:
        raise click.UsageError("where to? give --dir DIR, or set TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = folder  # noqa: TID251
    failures = 0
    for name in dict.fromkeys(map(_encoding, names or _USUAL)):
        try:
            fetch(name)
            click.echo(f"{name}: in {folder}")
        except (OSError, ValueError) as problem:  # requests' errors are OSErrors
            failures += 1
            click.echo(f"pfserve: error: {name}: {_first_line(problem)}", err=True)
    sys.exit(1 if failures else 0)


def _encoding(name: str) -> str:
    """A model's tokeniser; any other name is taken for a tokeniser's."""
    import tiktoken

    try:
        return tiktoken.encoding_name_for_model(name)
    except KeyError:
        return name


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
