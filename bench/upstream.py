"""A stub model as an upstream, and P13: how many connections it takes and what a call of it costs."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from . import contest, flows, proc, systems
from .budgets import judge
from .contest import CPU_PER_REQUEST, Contest
from .part import Part, Say, Settings
from .series import Series
from .server import Server
from .throughput import BODY, WORKERS
from .wrk import Load

CONNECTION_FILE = "connection.yaml"


@contextlib.contextmanager
def stub_model(home: Path, latency_ms: int) -> Iterator[Server]:
    """A running stub; CONNECTION_FILE in ``home`` leads to it."""
    with Server(systems.stub(latency_ms)) as stub:
        stub.wait_ready()
        lead_to(stub, home)
        yield stub


def lead_to(stub: Server, home: Path) -> None:
    """Write CONNECTION_FILE."""
    connection = {"name": flows.CONNECTION, "type": "open_ai", "api_key": "none", "base_url": f"{stub.address}/v1"}
    (home / CONNECTION_FILE).write_bytes(msgspec.json.encode(connection))


def connections_option(home: Path) -> tuple[str, str]:
    """What tells pfserve of the stub."""
    return "--connections", str(home / CONNECTION_FILE)


def upstream(settings: Settings, say: Say) -> Part:
    """P13. Every connection since the start counts, but only the calls of the measured run."""
    contested, counts = Contest("model calls", {systems.PFSERVE: []}), []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        flow = flows.model(home / "model")
        for _ in range(settings.rounds):
            with stub_model(home, latency_ms=0) as stub:
                before = proc.callers(stub.port)
                with Server(systems.pfserve(flow, WORKERS, 64, *connections_option(home))) as server:
                    server.wait_ready()
                    sample = contest.measure(server, Load(16, settings.seconds, BODY), [stub])
                    opened = len(proc.callers(stub.port) - before)
            calls = sample.reading.requests_per_s * settings.seconds
            contested.samples[systems.PFSERVE].append(sample)
            counts.append(opened / WORKERS / (calls / 1000))
            say(f"model calls  {systems.PFSERVE}: {opened} connections for {calls:,.0f} calls")
    connections = Series(systems.PFSERVE, "connections per worker and 1,000 calls", "", tuple(counts))
    cost = contested.of(systems.PFSERVE, CPU_PER_REQUEST)
    cost = msgspec.structs.replace(cost, unit="ms", samples=tuple(sample / 1e3 for sample in cost.samples))
    verdicts = (judge("P13.connections", connections), judge("P13.cpu", cost))
    return Part((*contested.series(), connections), verdicts, contested.voids())
