"""Runs one trial: server up, generators ready, everything they say recorded, everybody gone."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import msgspec

from .. import machine, vitals
from ..blocks import Kind
from ..generator.fleet import Fleet
from ..generator.plan import Plan
from ..recorder import DiskProblem, End, Header, Writer
from ..recorder.header import FORMAT
from ..schedule import Load, Span
from ..server import Launch, Server, leash
from ..workload import Target, Workload, check, from_swagger
from . import veil
from .live import Live, live
from .target import check_limits, check_tls, resolve, swagger, wait_for

LOOK_S = 1.0
HEAR_S = 0.1
_KEPT = frozenset({Kind.SAMPLES, Kind.EVENTS, Kind.WATCH, Kind.EXCERPT})
_NOT_OURS = ("promptflow", "generator")  # facts of the comparison


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. The target is at ``url``, or what ``launch`` starts."""

    url: str = ""
    launch: Launch | None = None
    has_health: bool = True  # whether what is launched tells at /health that it is ready
    path: str = "/score"
    load: Load
    span: Span
    seed: int = 0
    bodies: tuple[str, ...] | None = None  # None: as the target's /swagger.json says
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    closes: bool = False
    generators: int = 1
    connections: int = 1000
    max_in_flight: int = 10_000
    timeout_s: float = 60.0
    retries: int = 0
    verifies_tls: bool = True
    ready_within_s: float = 30.0
    out: Path = Path("trials")


INTERRUPTED = "it was interrupted"  # in the reason of a partial record
UNWRITTEN = "the record could not be written"
Say = Callable[[str], None]
Handler = Callable[[int, FrameType | None], object]


def run(trial: Trial, say: Say) -> Path:
    """Do it; gives the record. A trial that was cut short has one too, which says so.

    Raises Mistake before anything is measured, RuntimeError if the server or a generator does not start, DiskProblem
    if there can be no record.
    """
    check_limits(trial.connections)
    check(trial.method, trial.headers)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_handled(signal.SIGTERM, signal.default_int_handler))  # the server must be stopped then too
        server = stack.enter_context(Server(_leashed(trial.launch))) if trial.launch else None
        target = Target.parse(server.address if server else trial.url, trial.path)
        address = _wait_ready(trial, server, target, say)
        workload = _workload(trial, target, address)
        writer = Writer(_file(trial))
        fleet = stack.enter_context(Fleet(_plan(trial, workload, address)))
        stops = stack.enter_context(_stops())
        writer.start(_header(trial, workload))
        say(f"recording to {writer.path}")
        end = _record(fleet, writer, server, live(sys.stderr), stops)
        writer.finish(end)
    return writer.path


def _leashed(launch: Launch) -> Launch:
    return msgspec.structs.replace(launch, argv=(*leash(), *launch.argv))


def _record(fleet: Fleet, writer: Writer, server: Server | None, line: Live, stops: list[int]) -> End:
    """From the zero to the last word."""
    began_s, used_s = time.monotonic(), time.process_time()
    try:
        _listen(fleet, writer, server, line, stops)
        reasons = [*fleet.voids, *([INTERRUPTED] if stops else [])]
    except DiskProblem as problem:
        reasons = [f"{UNWRITTEN}: {problem}"]
    line.clear()
    return End(
        complete=not reasons,
        reason="; ".join(reasons),
        voids=tuple(fleet.voids),
        recorder_cpu_s=time.process_time() - used_s,
        lasted_s=time.monotonic() - began_s,
    )


def _listen(fleet: Fleet, writer: Writer, server: Server | None, line: Live, stops: list[int]) -> None:
    zero_ns = fleet.start()
    look_ns, is_stopping = zero_ns, False
    while fleet.is_running and len(stops) < 2:
        for block in fleet.hear(HEAR_S):
            if block.kind in _KEPT:
                writer.block(block.kind, block.process, block.payload)
                line.see(block)
        now_ns = time.monotonic_ns()
        if server is not None and now_ns >= look_ns:
            seen = vitals.look(server.pid, (now_ns - zero_ns) / 1e9)
            writer.block(Kind.VITALS, 0, msgspec.json.encode(seen))
            look_ns = now_ns + int(LOOK_S * 1e9)
        line.draw(now_ns / 1e9)
        if stops and not is_stopping:
            is_stopping = True
            fleet.stop()


@contextlib.contextmanager
def _stops() -> Iterator[list[int]]:
    """The signals that ask for the end: the first ends the trial in order, the second at once."""
    came: list[int] = []
    with _handled(signal.SIGINT, note := _noting(came)), _handled(signal.SIGTERM, note):
        yield came


def _noting(came: list[int]) -> Handler:
    return lambda number, _: came.append(number)


@contextlib.contextmanager
def _handled(number: signal.Signals, handler: Handler) -> Iterator[None]:
    """A signal handled so for a while."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _wait_ready(trial: Trial, server: Server | None, target: Target, say: Say) -> str:
    if server is None:
        address = wait_for(resolve(target), target.port, trial.ready_within_s, say)
        if target.tls:
            check_tls(target, address, verifies_tls=trial.verifies_tls)
        return address
    server.wait_ready(trial.ready_within_s, is_ready=None if trial.has_health else server.takes_connections)
    return "127.0.0.1"


def _workload(trial: Trial, target: Target, address: str) -> Workload:
    bodies = trial.bodies
    if bodies is None:
        document = swagger(target, address, trial.headers, verifies_tls=trial.verifies_tls)
        bodies = from_swagger(document, target.path.partition("?")[0])
    return Workload(target, bodies, trial.method, trial.headers, trial.seed, trial.closes)


def _plan(trial: Trial, workload: Workload, address: str) -> Plan:
    return Plan(
        load=trial.load,
        span=trial.span,
        workload=workload,
        address=address,
        seed=trial.seed,
        processes=trial.generators,
        connections=trial.connections,
        max_in_flight=trial.max_in_flight,
        timeout_s=trial.timeout_s,
        retries=trial.retries,
        verifies_tls=trial.verifies_tls,
    )


def _header(trial: Trial, workload: Workload) -> Header:
    target = workload.target
    scheme = "https" if target.tls else "http"
    return Header(
        format=FORMAT,
        target=f"{scheme}://{target.authority}{veil.path(target.path)}",
        method=trial.method,
        load=trial.load,
        span=trial.span,
        seed=trial.seed,
        processes=trial.generators,
        connections=trial.connections,
        max_in_flight=trial.max_in_flight,
        timeout_s=trial.timeout_s,
        retries=trial.retries,
        headers=[name for name, _ in trial.headers],
        bodies=len(workload.bodies),
        bodies_sha256=hashlib.sha256("\n".join(workload.bodies).encode()).hexdigest(),
        closes=trial.closes,
        verifies_tls=trial.verifies_tls,
        machine={name: fact for name, fact in machine.facts().items() if name not in _NOT_OURS},
        system=veil.command(trial.launch.argv) if trial.launch else (),
    )


def _file(trial: Trial) -> Path:
    now = datetime.datetime.now(datetime.UTC)
    return trial.out / f"{now:%Y%m%dT%H%M%S}-{now.microsecond // 1000:03d}-seed{trial.seed}.pftrial"
