"""``pfserve-bench run``."""

from __future__ import annotations

import functools
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from . import launches, systems
from .durations import seconds
from .mistake import Mistake
from .recorder import DiskProblem, read
from .report_command import json
from .schedule import Closed, Load, Open, Spacing, Span, Think
from .schedule.shape import parse as parse_rate
from .schedule.trace import read as read_trace
from .trial import Keeping, Promise, Summary, Trial, keeping, page, run, summarise
from .workload import from_file
from .workload.template import Template

DEFAULT_LENGTH_S = 30.0


_PAGES: dict[str, Callable[[Summary], str]] = {"text": page.text, "markdown": page.markdown, "json": json}
_FILE = click.Path(path_type=Path)


class Unstarted(click.ClickException):
    """Nothing could be measured; the message may be the server's own words."""

    exit_code = 2


class Length(click.ParamType[float]):
    """A length of time."""

    name = "TIME"

    def __init__(self, *, may_be_none: bool = True) -> None:
        self._may_be_none = may_be_none

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """In seconds."""
        if isinstance(value, float):
            return value
        try:
            length_s = seconds(str(value))
        except Mistake as mistake:
            self.fail(str(mistake), param, ctx)
        if not length_s and not self._may_be_none:
            self.fail(f"{value!r} is no time at all", param, ctx)
        return length_s


SOME_TIME = Length(may_be_none=False)


@click.command("run")
@click.argument("url", required=False)
@click.option(
    "--serve", type=click.Path(exists=True, path_type=Path), help="Start a server with this flow, and stop it."
)
@click.option(
    "--system", type=click.Choice(launches.SYSTEMS), default="pfserve", show_default=True, help="Which server."
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Of the server started.")
@click.option("--threads", type=click.IntRange(1), help="Of each worker of pfserve.")
@click.option("--max-concurrent-requests", type=click.IntRange(1), default=64, show_default=True, help="C of pfserve.")
@click.option("--serve-arg", multiple=True, metavar="ARG", help="One more argument of pfserve serve. Repeatable.")
@click.option("--command", help="Start this instead; {port} is where it must listen.")
@click.option("--promptflow-python", type=_FILE, help="An interpreter that has promptflow.")
@click.option("--peer-python", type=_FILE, help="An interpreter that has Mosec or LitServe. [default: this one]")
@click.option("--rate", metavar="RATE", help="Open loop: 200, a ramp 10..500, or steps 100x10s,1000x2s,100..300x10s.")
@click.option(
    "--arrivals", type=click.Choice([spacing.value for spacing in Spacing]), default="constant", show_default=True
)
@click.option("--trace", type=_FILE, help="Open loop: replay the timestamps of a JSON lines or CSV file.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="Of the trace.")
@click.option(
    "--users", type=click.IntRange(1), help="Closed loop: so many ask, wait for the answer, think, ask again."
)
@click.option("--think", default="0s", show_default=True, metavar="TIME", help="2s, or exp:2s for exponential times.")
@click.option(
    "--duration",
    type=SOME_TIME,
    help="What is measured, after the warm-up. [default: 30s, or the steps' own]",
)
@click.option("--count", type=click.IntRange(1), help="End after so many measured requests instead.")
@click.option("--warm-up", type=Length(), default="0s", show_default=True, help="Comes first and is recorded apart.")
@click.option(
    "--payload", type=_FILE, help="Bodies: .jsonl, .csv, or JSON such as samples.json. [default: /swagger.json]"
)
@click.option("--data", metavar="JSON", multiple=True, help="A body. Repeatable.")
@click.option("--path", default="/score", show_default=True, help="Where the URL has none.")
@click.option("--method", default="POST", show_default=True)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Repeatable.")
@click.option("--key", metavar="KEY", envvar="PFSERVE_BENCH_KEY", help="Sent as Authorization: Bearer KEY.")
@click.option("--stream", is_flag=True, help="Ask for server-sent events; times of each event are recorded.")
@click.option("--connections", type=click.IntRange(1), default=1000, show_default=True, help="At most; others wait.")
@click.option(
    "--max-in-flight", type=click.IntRange(1), default=10_000, show_default=True, help="Beyond, drop and say so."
)
@click.option("--new-connections", is_flag=True, help="A connection for every request.")
@click.option("--timeout", type=SOME_TIME, default="60s", show_default=True, help="The client's patience.")
@click.option("--retry-after", type=click.IntRange(0), default=0, metavar="N", help="Obey Retry-After up to N times.")
@click.option("--insecure", is_flag=True, help="Accept any certificate.")
@click.option("--ready-within", type=Length(), default="30s", show_default=True, help="Wait so long for the target.")
@click.option("--generators", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that send.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--slo", "promises", multiple=True, metavar="'p95<2s'", help="Exit 1 unless it is kept. Repeatable.")
@click.option("--out", type=_FILE, default=Path("trials"), show_default=True, help="Folder of the record.")
@click.option("--format", "kind", type=click.Choice(list(_PAGES)), default="text", show_default=True)
def run_command(*, kind: str, promises: tuple[str, ...], **options: object) -> None:
    """Load URL, or a server that is started for it, and report.

    \b
    pfserve-bench run http://127.0.0.1:8080 --rate 200 --arrivals poisson --duration 30s
    pfserve-bench run --serve examples/async-echo --users 16 --count 10000 --data '{"text": "hello"}'
    pfserve-bench run https://x.example/score --key $KEY --trace azure.csv --speed 10 --payload questions.jsonl

    Latency counts from the time at which a request was meant to begin, so that a server that stalls is seen to.
    Bodies may hold {{seq}}, {{uuid}}, {{random.int 1 9}}, {{random.float 0 1}}, {{random.words 20}},
    {{random.choice a b}}.
    Everything is recorded to one file; pfserve-bench report FILE makes every figure again.

    --slo 'p95<2s': of all requests 95 % are answered well within 2 s; one that is refused or fails is not.

    Exits 0 if the trial is whole, can be believed and keeps every --slo, 1 if not, 2 if something has to be mended
    first: an option, a file, a target that is not there, a server that does not start.
    """  # noqa: D301
    try:
        wanted = [Promise.parse(text) for text in promises]
        with tempfile.TemporaryDirectory(prefix="pfserve-bench-") as home:
            trial = _trial(home=Path(home), **options)  # type: ignore[arg-type]
            record = run(trial, functools.partial(click.echo, err=True))
        summary = summarise(read(record))
        keepings = [keeping(read(record), promise) for promise in wanted]
    except Mistake as mistake:
        raise click.UsageError(str(mistake)) from mistake
    except (RuntimeError, DiskProblem) as problem:
        raise Unstarted(str(problem)) from problem
    _show(summary, keepings, kind)


def _show(summary: Summary, keepings: Sequence[Keeping], kind: str) -> None:
    click.echo(_PAGES[kind](summary), nl=False)
    for found in keepings:
        click.echo(str(found), err=True)
    sys.exit(0 if summary.complete and not summary.voids and all(found.is_kept for found in keepings) else 1)


def _trial(
    *,
    home: Path,
    url: str | None,
    serve: Path | None,
    system: str,
    workers: int,
    threads: int | None,
    max_concurrent_requests: int,
    serve_arg: tuple[str, ...],
    command: str | None,
    promptflow_python: Path | None,
    peer_python: Path | None,
    warm_up: float,
    payload: Path | None,
    data: tuple[str, ...],
    path: str,
    method: str,
    headers: tuple[str, ...],
    key: str | None,
    stream: bool,
    connections: int,
    max_in_flight: int,
    new_connections: bool,
    timeout: float,
    retry_after: int,
    insecure: bool,
    ready_within: float,
    generators: int,
    seed: int,
    out: Path,
    **when: object,
) -> Trial:
    if [bool(url), bool(serve), bool(command)].count(True) != 1:
        raise Mistake("say what to load: a URL, or --serve FLOW, or --command")
    if min(connections, max_in_flight) < generators:
        raise Mistake(f"--connections and --max-in-flight must give each of {generators} generators at least one")
    load, span = _when(warm_up=warm_up, **when)  # type: ignore[arg-type]
    if isinstance(load, Closed) and load.users < generators:
        raise Mistake(f"--users must give each of {generators} generators at least one")
    launch = None
    if command:
        launch = launches.command(command)
    elif serve and system == launches.PFSERVE:
        more = (*(("--threads", str(threads)) if threads else ()), *serve_arg)
        launch = systems.pfserve(serve, workers, max_concurrent_requests, "--server-timing", *more)
    elif serve and system in (launches.FLASK, launches.FASTAPI):
        launch = launches.promptflow(system, serve, workers, promptflow_python, home)
    elif serve:
        launch = launches.echo(system, serve, workers, peer_python)
    return Trial(
        url=url or "",
        launch=launch,
        has_health=not command,
        path=path,
        load=load,
        span=span,
        seed=seed,
        bodies=bodies(payload, data, method.upper()),
        method=method.upper(),
        headers=_headers(headers, key, stream=stream),
        closes=new_connections,
        generators=generators,
        connections=max(connections, load.users) if isinstance(load, Closed) else connections,
        max_in_flight=max_in_flight,
        timeout_s=timeout,
        retries=retry_after,
        verifies_tls=not insecure,
        ready_within_s=ready_within,
        out=out,
    )


def _when(
    *,
    rate: str | None,
    arrivals: str,
    trace: Path | None,
    speed: float,
    users: int | None,
    think: str,
    duration: float | None,
    count: int | None,
    warm_up: float,
) -> tuple[Load, Span]:
    if [rate is not None, trace is not None, users is not None].count(True) != 1:
        raise Mistake("say how requests come: one of --rate, --trace, --users")
    if duration is not None and count is not None:
        raise Mistake("--duration and --count exclude each other")
    if not math.isfinite(speed):
        raise Mistake(f"--speed {speed}: that is no speed")
    if trace is not None:
        return read_trace(trace, speed), Span(warm_up, duration, count)
    length_s = duration if duration is not None or count is not None else DEFAULT_LENGTH_S
    if users is not None:
        return Closed(users, Think.parse(think)), Span(warm_up, length_s, count)
    assert rate is not None
    if "x" in rate and duration is not None:
        raise Mistake(f"--rate {rate} has its own lengths: leave out --duration")
    if ".." in rate and "x" not in rate and count is not None:
        raise Mistake(f"--rate {rate} --count {count}: over what time? Write {rate}x60s")
    shape = parse_rate(rate, length_s if count is None else 1e9)
    return Open(shape, Spacing(arrivals)), Span(warm_up, None if count is not None else shape.lasts_s, count)


def bodies(payload: Path | None, data: tuple[str, ...], method: str) -> tuple[str, ...] | None:
    """The bodies asked for; None: as the target says. Raises Mistake."""
    if payload and data:
        raise Mistake("--payload and --data exclude each other")
    if payload:
        return from_file(payload)
    for body in data:
        Template(body)
    return data or (None if method == "POST" else ())


def _headers(lines: tuple[str, ...], key: str | None, *, stream: bool) -> tuple[tuple[str, str], ...]:
    headers = [line.partition(":") for line in lines]
    for name, colon, _ in headers:
        if not colon or not name.strip():
            raise Mistake(f"--header {name!r}: write 'NAME: VALUE'")
    found = [(name.strip(), value.strip()) for name, _, value in headers]
    found += [("Authorization", f"Bearer {key}")] if key else []
    found += [("Accept", "text/event-stream")] if stream else []
    return tuple(found)
