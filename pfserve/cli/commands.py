"""The commands: what each takes, and whom it asks. Errors become one line and an exit code here."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from pfserve import __version__
from pfserve.cli.control import reload_command, status_command
from pfserve.cli.fetch_encodings import fetch_encodings
from pfserve.cli.options import as_flags, flow_options, serve_options
from pfserve.cli.parity import parity
from pfserve.cli.stub_llm import stub_llm
from pfserve.config import ServeConfig, load_config, show_config, snapshot
from pfserve.errors import BootError, CompileError

_FLOW_ARGUMENT = click.argument("flow", required=False)
_TIMEOUT_HELP = "How long to wait for the server, each time. [default: 300]"


class _Commands(click.Group):
    """A group whose commands end on a boot error with its text and its exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CompileError as problem:
            click.echo(f"pfserve: error: the flow does not compile\n{problem}", err=True)
            ctx.exit(problem.exit_code)
        except BootError as problem:
            click.echo(f"pfserve: error: {problem}", err=True)
            ctx.exit(problem.exit_code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="pfserve %(version)s")
def main() -> None:
    """Serve a prompt flow folder at POST /score."""


@main.command(
    epilog="Exit codes: 0 stopped as asked, 2 configuration error, 3 the flow does not compile,"
    " 4 a worker could not boot, 5 port in use or not permitted, 6 crash loop."
)
@_FLOW_ARGUMENT
@serve_options
@click.option("--show-config", "only_show", is_flag=True, help="Print every setting with its origin, and exit.")
def serve(only_show: bool, **given: str | tuple[str, ...] | bool | None) -> None:
    """Serve FLOW until a signal ends it.

    FLOW is a folder or a file; without it PROMPTFLOW_PROJECT_PATH, then AZUREML_MODEL_DIR, then '.' count.
    An option wins over the environment variable named beside it, and that over the default.
    """
    config = load_config(as_flags(given), snapshot())
    if only_show:
        _print_config(config)
        return
    if sys.platform != "linux":
        click.echo(f"pfserve: error: serve needs Linux, this is {sys.platform}; run it in a container", err=True)
        sys.exit(2)
    from pfserve.master import run_master

    sys.exit(run_master(config))


@main.command()
@_FLOW_ARGUMENT
@flow_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def check(as_json: bool, **given: str | tuple[str, ...] | bool | None) -> None:
    """Compile FLOW and report every mistake at once, with file and line, and the connections it uses.

    The flow's code is imported. Exits with 0, with 3 when there is a mistake, with 2 when there is no such FLOW.
    FLOW is a folder or a file; without it PROMPTFLOW_PROJECT_PATH, then AZUREML_MODEL_DIR, then '.' count.
    """
    from pfserve.cli.check import compile_apart, report

    outcome = compile_apart(load_config(as_flags(given), snapshot()))
    click.echo(report(outcome, as_json=as_json))
    sys.exit(0 if outcome.is_good else CompileError.exit_code)


@main.command()
@_FLOW_ARGUMENT
@flow_options
@click.option(
    "--format", "form", type=click.Choice(["text", "mermaid", "json"]), default="text", help="How to print it."
)
def explain(form: str, **given: str | tuple[str, ...] | bool | None) -> None:
    """Print the compiled plan of FLOW: steps, lanes, chains and bindings.

    FLOW is a folder or a file; without it PROMPTFLOW_PROJECT_PATH, then AZUREML_MODEL_DIR, then '.' count.
    """
    from pfserve.cli.check import compile_apart

    outcome = compile_apart(load_config(as_flags(given), snapshot()), form)
    if not outcome.is_good:
        raise CompileError(list(outcome.mistakes), outcome.warnings)
    click.echo(outcome.explained, nl=False)


@main.command()
@click.argument("url")
@click.argument("pairs", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--request-file", metavar="FILE", type=click.File("rb"), help="Send the bytes of FILE; - is stdin.")
@click.option("--data", metavar="JSON", help="Send this text.")
@click.option("--stream", is_flag=True, help="Ask for server-sent events and print their data as it arrives.")
@click.option("--key", metavar="KEY", help="Send 'Authorization: Bearer KEY'.")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Send this header too. Repeatable.")
@click.option("--timeout-s", metavar="S", type=click.FloatRange(0.001, 86_400), default=300.0, help=_TIMEOUT_HELP)
def invoke(
    *,
    url: str,
    pairs: tuple[str, ...],
    request_file: BinaryIO | None,
    data: str | None,
    stream: bool,
    key: str | None,
    headers: tuple[str, ...],
    timeout_s: float,
) -> None:
    """Send one request to URL and print the answer.

    URL may be just host:port, then /score is added. A VALUE that is JSON is sent as such, any other as text.
    Exits with 0 for a 2xx status, 1 for any other and when no answer comes, 2 for wrong usage.
    """
    from pfserve.cli.client import Unanswered, send
    from pfserve.cli.request import build_request

    try:
        request = build_request(url, _body(pairs, request_file, data), headers, key=key, stream=stream)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    try:
        sys.exit(0 if send(request, sys.stdout.buffer, timeout_s=timeout_s) else 1)
    except Unanswered as problem:
        click.echo(f"pfserve: error: {problem}", err=True)
        sys.exit(1)


main.add_command(fetch_encodings)
main.add_command(parity)
main.add_command(stub_llm)
main.add_command(reload_command)
main.add_command(status_command)


def _body(pairs: tuple[str, ...], request_file: BinaryIO | None, data: str | None) -> bytes:
    from pfserve.cli.request import body_of_pairs

    if sum((bool(pairs), request_file is not None, data is not None)) > 1:
        raise ValueError("give one of --request-file, --data and KEY=VALUE")
    if request_file is not None:
        return request_file.read()
    return data.encode("utf-8", "surrogateescape") if data is not None else body_of_pairs(pairs)


def _print_config(config: ServeConfig) -> None:
    click.echo(show_config(config))
    for line in (*(f"warning: {warning}" for warning in config.warnings), *config.notices):
        click.echo(f"pfserve: {line}", err=True)
