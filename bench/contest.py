"""Servers side by side: all of them up, loaded in turn, round after round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import msgspec

from . import closed, proc, wrk
from .part import Say
from .series import Series
from .server import Launch, Server

GENERATOR_LIMIT = 0.95  # cores, of its one thread: above, the figure is wrk's and not the server's
FOREIGN_LIMIT = 0.1  # cores: above, the machine was busy with something else
WARM_UP_S = 1


class Sample(msgspec.Struct, frozen=True):
    """One run of the generator against one server."""

    reading: wrk.Reading
    server_cores: float
    foreign_cores: float  # what everything else on the machine used meanwhile


REQUESTS_PER_S = "requests/s"
P50 = "p50"
P99 = "p99"
CPU_PER_REQUEST = "server CPU per request"  # moves less with other people's load than requests/s do

QUANTITIES: dict[str, tuple[str, Callable[[Sample], float]]] = {
    REQUESTS_PER_S: ("/s", lambda sample: sample.reading.requests_per_s),
    P50: ("ms", lambda sample: sample.reading.p50_s * 1e3),
    P99: ("ms", lambda sample: sample.reading.p99_s * 1e3),
    CPU_PER_REQUEST: ("us", lambda sample: sample.server_cores / sample.reading.requests_per_s * 1e6),
    "CPU of the server": ("cores", lambda sample: sample.server_cores),
    "CPU of the generator": ("cores", lambda sample: sample.reading.generator_cores),
    "CPU of everything else": ("cores", lambda sample: sample.foreign_cores),
}


class Contest(msgspec.Struct, frozen=True):
    """What every server gave, one sample a round."""

    title: str
    samples: dict[str, list[Sample]]

    def of(self, system: str, quantity: str) -> Series:
        """One quantity of one system."""
        unit, figure = QUANTITIES[quantity]
        return Series(system, f"{self.title}: {quantity}", unit, tuple(map(figure, self.samples[system])))

    def series(self) -> tuple[Series, ...]:
        """Every quantity of every system."""
        return tuple(self.of(system, quantity) for system in self.samples for quantity in QUANTITIES)

    def voids(self) -> tuple[str, ...]:
        """What makes samples unbelievable: failed requests, a busy machine, a generator that was the limit itself."""
        return tuple(
            f"{self.title}, {system}: {reason}"
            for system in self.samples
            for reason in self._doubts(self.samples[system])
        )

    def _doubts(self, samples: list[Sample]) -> list[str]:
        failures = sum(sample.reading.failures for sample in samples)
        busiest = max(sample.reading.generator_cores for sample in samples)
        foreign = statistics.median(sample.foreign_cores for sample in samples)
        doubts = [f"{failures} requests failed"] if failures else []
        if foreign > FOREIGN_LIMIT:
            doubts.append(f"others used {foreign:.2f} cores of this machine meanwhile")
        if busiest > GENERATOR_LIMIT:
            doubts.append(f"the generator used {busiest:.2f} cores and was the limit itself")
        return doubts


def hold(
    title: str, launches: Sequence[Launch], load: wrk.Load, rounds: int, *, probe: Callable[[], str], say: Say
) -> Contest:
    """Start every server, warm them, then load them in turn, round by round.

    ``probe`` gives a body that no server has seen: before the rounds and after them, all must answer it alike.
    """
    contest = Contest(title, {launch.system: [] for launch in launches})
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(launch)) for launch in launches]
        for server in servers:
            server.wait_ready()
            wrk.run(server.address, msgspec.structs.replace(load, seconds=WARM_UP_S))
        check_answers(servers, probe())
        for round_number in range(1, rounds + 1):
            for server in servers:
                sample = measure(server, load)
                contest.samples[server.launch.system].append(sample)
                rate = sample.reading.requests_per_s
                say(f"{title} {round_number}/{rounds}  {server.launch.system}: {rate:,.0f} requests/s")
        check_answers(servers, probe())
    return contest


def measure(server: Server, load: wrk.Load | closed.ClosedLoad, helpers: Sequence[Server] = ()) -> Sample:
    """One run. The CPU of the helpers, such as an upstream, is nobody's."""
    busy_before_s, began_s = proc.machine_busy_s(), time.monotonic()
    cpu_before_s, helped_before_s = server.cpu_s(), _cpu_s(helpers)
    reading = wrk.run(server.address, load) if isinstance(load, wrk.Load) else closed.run(server.address, load)
    lasted_s = time.monotonic() - began_s
    server_cores = (server.cpu_s() - cpu_before_s) / lasted_s
    known_cores = server_cores + reading.generator_cores + (_cpu_s(helpers) - helped_before_s) / lasted_s
    busy_cores = (proc.machine_busy_s() - busy_before_s) / lasted_s
    return Sample(reading, server_cores, max(0.0, busy_cores - known_cores))


def _cpu_s(servers: Sequence[Server]) -> float:
    return sum(server.cpu_s() for server in servers)


def check_answers(servers: Sequence[Server], body: str) -> None:
    """Nobody wins by doing less. Raises RuntimeError with all answers if they differ."""
    answers = {server.launch.system: server.ask("POST", "/score", body.encode()) for server in servers}
    decoded = {system: msgspec.json.decode(body) for system, (status, body) in answers.items() if status == 200}
    if len(decoded) < len(answers) or any(answer != next(iter(decoded.values())) for answer in decoded.values()):
        raise RuntimeError(f"the systems do not answer alike: {answers}")
