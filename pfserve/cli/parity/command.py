"""The command: what it takes. What it does is imported when it is called."""

from __future__ import annotations

import json
import sys
from typing import TextIO

import click


@click.command()
@click.argument("url_a")
@click.argument("url_b")
@click.option("--requests", "requests_file", required=True, metavar="FILE", type=click.File(encoding="utf-8"),
              help="The requests: a JSON object a line; - is stdin.")  # fmt: skip
@click.option("--mask", "masks", metavar="PATH", multiple=True,
              help="Leave out what is at or below this path of the body: usage, items[*].id. Repeatable.")  # fmt: skip
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True,
              help="Send this header with every request, to both. Repeatable.")  # fmt: skip
@click.option("--key", metavar="KEY", help="Send 'Authorization: Bearer KEY', to both.")
@click.option("--key-b", metavar="KEY", help="Send this one to URL_B instead.")
@click.option(
    "--concurrency", metavar="N", type=click.IntRange(1, 256), default=4, help="Requests at a time. [default: 4]"
)
@click.option("--timeout-s", metavar="S", type=click.FloatRange(0.001, 86_400), default=300.0,
              help="How long to wait for a server, each time. [default: 300]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a request that differs, and one in the end.")
def parity(
    *,
    url_a: str,
    url_b: str,
    requests_file: TextIO,
    masks: tuple[str, ...],
    headers: tuple[str, ...],
    key: str | None,
    key_b: str | None,
    concurrency: int,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Send the same requests to URL_A and URL_B and report where the answers differ.

    A line of FILE has "json", "body" or "body_base64", and may have "path" (/score), "method", "headers", "name".
    Statuses, content types and bodies are compared; streams by what their events add up to.
    Exits with 0 when all answers are alike, 1 when one differs, 2 for wrong usage.
    """
    from pfserve.cli.parity.compare import read_mask
    from pfserve.cli.parity.recorded import BadRecording, read_requests
    from pfserve.cli.parity.run import Summary, outcomes, report_json, report_text
    from pfserve.cli.parity.send import server_at

    try:
        servers = server_at(url_a, key), server_at(url_b, key_b or key)
        paths = [read_mask(mask) for mask in masks]
        requests = list(read_requests(requests_file, dict(map(_header, headers))))
        if not requests:
            raise BadRecording("no requests")
    except ValueError as problem:
        prefix = f"{requests_file.name}: " if isinstance(problem, BadRecording) else ""
        raise click.UsageError(f"{prefix}{problem}") from None
    summary = Summary(report_json if as_json else report_text, click.echo)
    for outcome in outcomes(servers, requests, paths, concurrency, timeout_s):
        summary.take(outcome)
    click.echo(json.dumps(summary.facts()) if as_json else summary.text())
    sys.exit(1 if summary.different else 0)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name or not name.isascii() or " " in name or not (name + value).isprintable():
        raise ValueError(f"expected a header as 'NAME: VALUE', not {text!r}")
    return name, value
