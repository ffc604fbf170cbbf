"""``pfserve reload`` and ``pfserve status``: they ask a running server's master over its control socket."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import click

from pfserve.config import snapshot

_MOST_BYTES = 1 << 22
_DEFAULT_PORT = 8080

Command = TypeVar("Command", bound=Callable[..., None])


class NoServer(Exception):
    """Nobody answers; the text says what was tried and what to do."""


def _which_server(command: Command) -> Command:
    options = [
        click.option("--pidfile", metavar="PATH", help="Of the server that has this pid file. [PFSERVE_PIDFILE]"),
        click.option("--port", metavar="N", type=click.IntRange(1, 65_535), help="Of the server on this port, started "
                     "by the same user. [PFSERVE_PORT; default: 8080]"),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command("reload")
@_which_server
@click.option(
    "--timeout-s", metavar="S", type=click.FloatRange(0.1, 86_400), default=600.0, help="How long to wait. [600]"
)
def reload_command(pidfile: str | None, port: int | None, timeout_s: float) -> None:
    """Load the flow of a running server anew, and wait until the new generation serves.

    Exits with 0 when it does; with 1 and the reason when it does not: the old generation then goes on serving.
    """
    _end_with(_ask("reload", pidfile, port, timeout_s), "the new generation does not serve")


@click.command("status")
@_which_server
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document that /status has.")
def status_command(pidfile: str | None, port: int | None, as_json: bool) -> None:
    """Show how a running server is: its generations, workers and requests.

    Exits with 0 when it answers, whatever it says; with 1 when no server does.
    """
    from pfserve.telemetry.status import status_table

    answer = _ask("status", pidfile, port, timeout_s=10.0)
    document = answer.get("status")
    if not isinstance(document, dict):
        _end_with(answer, "the server gives no status")
        return
    click.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else status_table(document))


def socket_path(pidfile: str | None, port: int | None) -> str:
    """The control socket of the server that is meant: flags first, then the variables that ``serve`` reads.

    Raises:
        NoServer: it would be in a folder that others may write to: whoever answers there need not be our server.
    """
    from pfserve.master.control_paths import beside, by_port, require_private

    variables = snapshot()
    if port is None and (pidfile or (pidfile := variables.get("PFSERVE_PIDFILE"))):
        return beside(pidfile)
    path = by_port(variables.get("XDG_RUNTIME_DIR", ""), port or _port_of(variables.get("PFSERVE_PORT", "")))
    try:
        require_private(os.path.dirname(path))
    except OSError as problem:
        raise NoServer(_nobody(path, problem)) from None
    return path


def _port_of(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and int(text) else _DEFAULT_PORT


def _ask(what: str, pidfile: str | None, port: int | None, timeout_s: float) -> dict[str, object]:
    """The final answer; what is told before goes to stderr."""
    try:
        for message in messages(what, socket_path(pidfile, port), timeout_s):
            if message.get("done"):
                return message
            click.echo(f"pfserve: {message.get('tell')}", err=True)
    except NoServer as problem:
        click.echo(f"pfserve: error: {problem}", err=True)
        sys.exit(1)
    raise AssertionError("messages() ends with the final one or raises")


def messages(what: str, path: str, timeout_s: float) -> Iterator[dict[str, object]]:
    """What the server says to the question, to its final answer.

    Raises:
        NoServer: there is none at ``path``, or it does not answer in time.
    """
    from pfserve.master.control_paths import short

    deadline_s = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(min(timeout_s, 5.0))
        try:
            with short(path) as name:
                connection.connect(name)
            connection.send(json.dumps({"ask": what}).encode())
        except OSError as problem:
            raise NoServer(_nobody(path, problem)) from None
        done = False
        while not done:
            message = _received(connection, deadline_s, timeout_s)
            done = bool(message.get("done"))
            yield message


def _received(connection: socket.socket, deadline_s: float, timeout_s: float) -> dict[str, object]:
    left_s = deadline_s - time.monotonic()
    try:
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        data = connection.recv(_MOST_BYTES)
    except TimeoutError:
        raise NoServer(f"the server has not answered within {timeout_s:g} s") from None
    except OSError:
        data = b""
    if not data:
        raise NoServer("the server ended before it answered; its log says why")
    message: dict[str, object] = json.loads(data)
    return message


def _nobody(path: str, problem: OSError) -> str:
    reason = problem.strerror or str(problem)
    return (
        f"no server answers at {path} ({reason}). Name the server by --pidfile FILE, as it was started with, "
        "or by --port N, as the user that it runs as"
    )


def _end_with(answer: dict[str, object], failure: str) -> None:
    message = answer.get("message", "")
    if answer.get("ok"):
        click.echo(str(message))
        return
    click.echo(f"pfserve: error: {failure}: {message}", err=True)
    sys.exit(1)
