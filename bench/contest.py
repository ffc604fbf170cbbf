"""Servers side by side: all of them up, loaded in turn, round after round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import msgspec

from . import proc, wrk
from .part import Say
from .series import Series
from .server import Launch, Server
from .systems import JSON_ONLY

GENERATOR_LIMIT = 0.95  # of a core per thread: above, the figure is wrk's and not the server's
FOREIGN_LIMIT = 0.1  # cores: above, the machine was busy with something else
WARM_UP_S = 1


class Sample(msgspec.Struct, frozen=True):
    """One run of the generator against one server."""

    reading: wrk.Reading
    server_cores: float
    foreign_cores: float  # what everything else on the machine used meanwhile

    @property
    def cpu_us(self) -> float:
        """CPU time of the server per request: moves less with other people's load than requests/s do."""
        return self.server_cores / self.reading.requests_per_s * 1e6


class Contest(msgspec.Struct, frozen=True):
    """What every server gave, one sample a round."""

    title: str
    load: wrk.Load
    samples: dict[str, list[Sample]]

    def requests_per_s(self, system: str) -> Series:
        """The throughput of one system."""
        return self._series(system, "requests/s", "/s", [s.reading.requests_per_s for s in self.samples[system]])

    def p50_ms(self, system: str) -> Series:
        """The median latency of one system."""
        return self._series(system, "p50", "ms", [s.reading.p50_s * 1e3 for s in self.samples[system]])

    def p99_ms(self, system: str) -> Series:
        """The 99th percentile of the latency of one system."""
        return self._series(system, "p99", "ms", [s.reading.p99_s * 1e3 for s in self.samples[system]])

    def cpu_us(self, system: str) -> Series:
        """The CPU time of one system per request."""
        return self._series(system, "server CPU per request", "us", [s.cpu_us for s in self.samples[system]])

    def series(self) -> tuple[Series, ...]:
        """Every quantity of every system."""
        return tuple(series for system in self.samples for series in self._all(system))

    def voids(self) -> tuple[str, ...]:
        """What makes samples unbelievable: failed requests, a busy machine, a generator that was the limit itself."""
        return tuple(
            f"{self.title}, {system}: {reason}"
            for system in self.samples
            for reason in self._doubts(self.samples[system])
        )

    def _all(self, system: str) -> tuple[Series, ...]:
        samples = self.samples[system]
        return (
            self.requests_per_s(system),
            self.p50_ms(system),
            self.p99_ms(system),
            self.cpu_us(system),
            self._series(system, "CPU of the server", "cores", [s.server_cores for s in samples]),
            self._series(system, "CPU of the generator", "cores", [s.reading.generator_cores for s in samples]),
            self._series(system, "CPU of everything else", "cores", [s.foreign_cores for s in samples]),
        )

    def _doubts(self, samples: list[Sample]) -> list[str]:
        failures = sum(sample.reading.failures for sample in samples)
        busiest = max(sample.reading.generator_cores for sample in samples)
        foreign = statistics.median(sample.foreign_cores for sample in samples)
        doubts = [f"{failures} requests failed"] if failures else []
        if foreign > FOREIGN_LIMIT:
            doubts.append(f"others used {foreign:.2f} cores of this machine meanwhile")
        if busiest > GENERATOR_LIMIT * self.load.threads:
            doubts.append(f"the generator used {busiest:.2f} cores and was the limit itself")
        return doubts

    def _series(self, system: str, quantity: str, unit: str, samples: list[float]) -> Series:
        return Series(system, f"{self.title}: {quantity}", unit, tuple(samples))


def hold(
    title: str, launches: Sequence[Launch], load: wrk.Load, rounds: int, *, probe: Callable[[], str], say: Say
) -> Contest:
    """Start every server, warm them, then load them in turn, round by round.

    ``probe`` gives a body that no server has seen: before the rounds and after them, all must answer it alike.
    """
    contest = Contest(title, load, {launch.system: [] for launch in launches})
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(launch)) for launch in launches]
        for server in servers:
            server.wait_ready()
            wrk.run(server.address, msgspec.structs.replace(load, seconds=WARM_UP_S))
        check_answers(servers, load.path, probe())
        for round_number in range(1, rounds + 1):
            for server in servers:
                sample = measure(server, load)
                contest.samples[server.launch.system].append(sample)
                rate = sample.reading.requests_per_s
                say(f"{title} {round_number}/{rounds}  {server.launch.system}: {rate:,.0f} requests/s")
        check_answers(servers, load.path, probe())
    return contest


def measure(server: Server, load: wrk.Load) -> Sample:
    """One run."""
    busy_before_s, cpu_before_s, began_s = proc.machine_busy_s(), server.cpu_s(), time.monotonic()
    reading = wrk.run(server.address, load)
    lasted_s = time.monotonic() - began_s
    server_cores = (server.cpu_s() - cpu_before_s) / lasted_s
    busy_cores = (proc.machine_busy_s() - busy_before_s) / lasted_s
    return Sample(reading, server_cores, max(0.0, busy_cores - server_cores - reading.generator_cores))


def check_answers(servers: Sequence[Server], path: str, body: str) -> None:
    """Nobody wins by doing less, but for the JSON-only server, which is there to show what the rest costs.

    Raises RuntimeError with all answers if they differ.
    """
    alike = [server for server in servers if server.launch.system != JSON_ONLY]
    answers = {server.launch.system: server.ask("POST", path, body.encode()) for server in alike}
    decoded = {system: msgspec.json.decode(body) for system, (status, body) in answers.items() if status == 200}
    if len(decoded) < len(answers) or any(answer != next(iter(decoded.values())) for answer in decoded.values()):
        raise RuntimeError(f"the systems do not answer alike: {answers}")
