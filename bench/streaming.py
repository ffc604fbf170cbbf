"""P8: tokens of many streams at once, through us and from the stub alone; and what a stream that is held costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import flows, proc, systems
from .budgets import judge
from .contest import FOREIGN_LIMIT
from .listener import Heard, Wanted
from .memory import SETTLE_S, raise_file_limit
from .part import Part, Say, Settings
from .series import Series
from .server import Server
from .throughput import WORKERS
from .upstream import connections_option, lead_to

STREAMS = 200
RATE = 50.0  # tokens/s of each
LEAST_S = 8
SLOW_STREAMS = 2_000
SLOW_RATE = 1.0
WARMING = 20
SLOW_TOKENS = 90  # seconds: longer than it takes to begin and to look
TEXT = '{"text": "How do streams run?"}'
ASKED = '{"model": "stub", "stream": true, "messages": [{"role": "user", "content": "How do streams run?"}]}'
ALONE = "stub alone"
KB = 1e3


class Sample(msgspec.Struct, frozen=True):
    """One run of the listener."""

    heard: Heard
    cpu_s: float  # of the server that was asked
    foreign_cores: float

    @property
    def first_ms(self) -> float:
        """How long the first token took: the median."""
        return statistics.median(self.heard.first_us) / 1e3

    @property
    def late_ms(self) -> float:
        """How late tokens came: the 99th percentile."""
        return statistics.quantiles(self.heard.late_us, n=100, method="inclusive")[98] / 1e3

    @property
    def cpu_us(self) -> float:
        """What a token cost the server."""
        return self.cpu_s / len(self.heard.late_us) * 1e6


def streaming(settings: Settings, say: Say) -> Part:
    """P8: all four clauses, for a flow of one model node."""
    raise_file_limit()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        flow = flows.streaming(home / "streaming")
        alone, through = _tokens(settings, home, flow, say)
        held = _held(min(settings.rounds, 3), home, flow, say)
    late = _series("tokens later at p99 than from the stub alone", "ms", _minus(through, alone, "late_ms"))
    first = _series("first token later at p50", "ms", _minus(through, alone, "first_ms"))
    cpu = _series("server CPU per token", "us", [sample.cpu_us for sample in through])
    told = [
        Series(system, quantity, "ms", tuple(getattr(sample, name) for sample in samples))
        for system, samples in ((ALONE, alone), (systems.PFSERVE, through))
        for name, quantity in (("first_ms", "first token, p50"), ("late_ms", "tokens late, p99"))
    ]
    verdicts = (judge("P8.late", late), judge("P8.first", first), judge("P8.cpu", cpu), judge("P8.memory", held))
    return Part((*told, late, first, cpu, held), verdicts, tuple(_doubts([*alone, *through])))


def _tokens(settings: Settings, home: Path, flow: Path, say: Say) -> tuple[list[Sample], list[Sample]]:
    """The same streams, in turn from the stub and through us."""
    alone, through = [], []
    seconds = max(settings.seconds, LEAST_S)
    with Server(systems.stub(0, round(RATE * seconds), RATE)) as stub:
        lead_to(stub, home)
        with Server(systems.pfserve(flow, WORKERS, STREAMS + 1, *connections_option(home))) as server:
            stub.wait_ready()
            server.wait_ready()
            _listen(server, [stub], "/score", TEXT)  # warms all three up
            for number in range(1, settings.rounds + 1):
                alone.append(_listen(stub, [], "/v1/chat/completions", ASKED))
                through.append(_listen(server, [stub], "/score", TEXT))
                for system, sample in ((ALONE, alone[-1]), (systems.PFSERVE, through[-1])):
                    say(
                        f"streams {number}/{settings.rounds}  {system}: first {sample.first_ms:.2f} ms, late "
                        f"{sample.late_ms:.2f} ms at p99, {sample.cpu_us:.1f} us a token"
                    )
    return alone, through


def _listen(server: Server, helpers: Sequence[Server], path: str, body: str) -> Sample:
    wanted = Wanted(server.port, path, body, STREAMS, 1.0, RATE)
    busy_before_s, began_s, cpu_before_s = proc.machine_busy_s(), time.monotonic(), server.cpu_s()
    known_before_s = _cpu_s(helpers)
    with _listener(wanted) as listener:
        assert listener.stdout is not None
        said = listener.stdout.read()
        listener_s = proc.cpu_s(listener.pid)
    if listener.returncode != 0:
        raise RuntimeError(f"the reader of {server.launch.system}'s streams ended with {listener.returncode}")
    lasted_s = time.monotonic() - began_s
    cpu_s = server.cpu_s() - cpu_before_s
    known_s = cpu_s + listener_s + _cpu_s(helpers) - known_before_s
    foreign = (proc.machine_busy_s() - busy_before_s - known_s) / lasted_s
    return Sample(msgspec.json.decode(said, type=Heard), cpu_s, max(0.0, foreign))


def _listener(wanted: Wanted) -> subprocess.Popen[bytes]:
    program = Path(__file__).parent / "listener.py"
    argv = [sys.executable, str(program), msgspec.json.encode(wanted).decode()]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _cpu_s(servers: Sequence[Server]) -> float:
    return sum(server.cpu_s() for server in servers)


def _held(rounds: int, home: Path, flow: Path, say: Say) -> Series:
    """How the tree grows by slow streams, each."""
    samples = []
    with Server(systems.stub(0, SLOW_TOKENS, SLOW_RATE)) as stub:
        lead_to(stub, home)
        stub.wait_ready()
        for _ in range(rounds):
            with Server(systems.pfserve(flow, WORKERS, SLOW_STREAMS + WARMING, *connections_option(home))) as server:
                server.wait_ready()
                _hold(server, WARMING)
                before_bytes = server.pss_bytes()
                samples.append((_hold(server, SLOW_STREAMS) - before_bytes) / SLOW_STREAMS / KB)
            say(f"streams  {systems.PFSERVE}: {samples[-1]:.1f} KB for each of {SLOW_STREAMS:,} slow streams")
    return _series(f"PSS of each of {SLOW_STREAMS:,} slow streams", "KB", samples)


def _hold(server: Server, streams: int) -> int:
    """The memory of the tree while it has that many streams."""
    wanted = Wanted(server.port, "/score", TEXT, streams, streams / 400, SLOW_RATE, hold=True)
    with _listener(wanted) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        if (said := listener.stdout.readline()) != f"held {streams}\n".encode():
            raise RuntimeError(f"{server.launch.system}: {said!r} of {streams:,} streams:\n{server.log_tail()}")
        time.sleep(SETTLE_S)
        held_bytes = server.pss_bytes()
        listener.stdin.close()
    return held_bytes


def _series(quantity: str, unit: str, samples: Sequence[float]) -> Series:
    return Series(systems.PFSERVE, quantity, unit, tuple(samples))


def _minus(ours: Sequence[Sample], theirs: Sequence[Sample], name: str) -> list[float]:
    return [getattr(one, name) - getattr(other, name) for one, other in zip(ours, theirs, strict=True)]


def _doubts(samples: Sequence[Sample]) -> list[str]:
    failures = sum(sample.heard.failures for sample in samples)
    foreign = statistics.median(sample.foreign_cores for sample in samples)
    doubts = [f"streams: {failures} of them failed"] if failures else []
    if foreign > FOREIGN_LIMIT:
        doubts.append(f"streams: others used {foreign:.2f} cores of this machine meanwhile")
    return doubts
