"""A stub model as an upstream, and P13: how many connections and handshakes it takes and what a call of it costs."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from . import contest, flows, proc, systems
from .budgets import judge
from .certificates import Certificates, issue, over_tls
from .contest import CPU_PER_REQUEST, Contest
from .part import Part, Say, Settings
from .series import Series
from .server import Server
from .throughput import BODY, WORKERS
from .wrk import Load

CONNECTION_FILE = "connection.yaml"
LEAST_S = 10  # a worker opens at once as many as it has clients: that is to be little beside the calls
SECRET = f"{systems.PFSERVE}, model over TLS"


class Stats(msgspec.Struct, frozen=True):
    """What the stub counted."""

    calls: int
    tls_handshakes: int


class Calls(msgspec.Struct, frozen=True):
    """One run of the generator, and what it meant to the stub."""

    sample: contest.Sample
    calls: int
    handshakes: int
    connections: int

    def per_worker_and_1000(self, count: int) -> float:
        """How many of something there were for each worker and a thousand calls."""
        return count / WORKERS / (self.calls / 1000)


@contextlib.contextmanager
def stub_model(home: Path, latency_ms: int, certificates: Certificates | None = None) -> Iterator[Server]:
    """A running stub; CONNECTION_FILE in ``home`` leads to it."""
    launch = systems.stub(latency_ms)
    with Server(over_tls(launch, certificates) if certificates else launch) as stub:
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
    """P13: the model without TLS and with it, in turn. The stub counts, from before the server's first call on."""
    plain: list[Calls] = []
    secret: list[Calls] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        flow, certificates = flows.model(home / "model"), issue(home)
        for _ in range(settings.rounds):
            plain.append(_run(home, flow, settings, None))
            secret.append(_run(home, flow, settings, certificates))
            _tell(say, plain[-1], secret[-1])
    held = Contest("model calls", {name: [one.sample for one in runs] for name, runs in _named(plain, secret)})
    connections = _per_1000("connections", systems.PFSERVE, plain, [one.connections for one in plain])
    handshakes = _per_1000("TLS handshakes", SECRET, secret, [one.handshakes for one in secret])
    cost = held.of(systems.PFSERVE, CPU_PER_REQUEST)
    cost = msgspec.structs.replace(cost, unit="ms", samples=tuple(sample / 1e3 for sample in cost.samples))
    verdicts = (judge("P13.connections", connections), judge("P13.handshakes", handshakes), judge("P13.cpu", cost))
    return Part((*held.series(), connections, handshakes), verdicts, held.voids())


def _run(home: Path, flow: Path, settings: Settings, certificates: Certificates | None) -> Calls:
    with stub_model(home, 0, certificates) as stub:
        before = stats(stub)
        known = proc.callers(stub.port)
        launch = systems.pfserve(flow, WORKERS, 64, *connections_option(home))
        trust = certificates.trust if certificates else {}
        with Server(msgspec.structs.replace(launch, environment=trust)) as server:
            server.wait_ready()
            sample = contest.measure(server, Load(16, max(LEAST_S, settings.seconds), BODY), [stub])
            connections = len(proc.callers(stub.port) - known)
        after = stats(stub)
    handshakes = after.tls_handshakes - before.tls_handshakes - (certificates is not None)  # the one that asks now
    return Calls(sample, after.calls - before.calls, handshakes, connections)


def stats(stub: Server) -> Stats:
    """What the stub has counted so far; over TLS, the asking itself is among the handshakes."""
    return msgspec.json.decode(stub.ask("GET", "/stats")[1], type=Stats)


def _tell(say: Say, plain: Calls, secret: Calls) -> None:
    say(
        f"model calls  {systems.PFSERVE}: {plain.connections} connections for {plain.calls:,} calls; "
        f"over TLS {secret.handshakes} handshakes for {secret.calls:,}"
    )


def _named(plain: list[Calls], secret: list[Calls]) -> tuple[tuple[str, list[Calls]], ...]:
    return (systems.PFSERVE, plain), (SECRET, secret)


def _per_1000(what: str, system: str, runs: list[Calls], counts: list[int]) -> Series:
    samples = tuple(run.per_worker_and_1000(count) for run, count in zip(runs, counts, strict=True))
    return Series(system, f"{what} per worker and 1,000 calls", "", samples)
