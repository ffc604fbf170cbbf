"""What can be set, and the grid within which it is looked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import msgspec

WORKERS_PER_CORE = 2  # Azure ML documents twice the cores as the most
SLOW_S = 0.2  # from there on Azure ML documents one request per slot
FAST_FACTOR = 2  # below, 1.5 to 2


class Setting(msgspec.Struct, frozen=True, order=True):
    """Ordered by what it costs: a worker is memory, a thread little, a place nothing."""

    workers: int
    threads: int  # of each worker
    bound: int  # max_concurrent_requests_per_instance

    @property
    def slots(self) -> int:
        """Requests that can block at once."""
        return self.workers * self.threads

    def __str__(self) -> str:
        return f"{self.workers}x{self.threads}, C={self.bound}"


class Space(msgspec.Struct, frozen=True):
    """The values of each axis, ascending."""

    workers: Sequence[int]
    threads: Sequence[int]
    bounds: Sequence[int]

    @classmethod
    def of(cls, cores: int, most_threads: int = 64, most_bound: int = 1024) -> Space:
        """All workers that are allowed; threads and bounds in powers of two."""
        threads = [1 << power for power in range(most_threads.bit_length()) if 1 << power <= most_threads]
        bounds = [1 << power for power in range(1, most_bound.bit_length()) if 1 << power <= most_bound]
        return cls(list(range(1, WORKERS_PER_CORE * cores + 1)), threads, bounds)

    def __len__(self) -> int:
        return len(self.workers) * len(self.threads) * len(self.bounds)

    def __iter__(self) -> Iterator[Setting]:
        return itertools.starmap(Setting, itertools.product(self.workers, self.threads, self.bounds))

    def snap(self, setting: Setting) -> Setting:
        """The setting of the grid that is nearest, no axis lower if there is a higher value."""
        pairs = ((self.workers, setting.workers), (self.threads, setting.threads), (self.bounds, setting.bound))
        return Setting(*(next((each for each in axis if each >= value), axis[-1]) for axis, value in pairs))

    def neighbours(self, setting: Setting) -> Iterator[Setting]:
        """One step along one axis."""
        axes = {"workers": self.workers, "threads": self.threads, "bound": self.bounds}
        for name, axis in axes.items():
            at = axis.index(getattr(setting, name))
            for index in (at - 1, at + 1):
                if 0 <= index < len(axis):
                    yield msgspec.structs.replace(setting, **{name: axis[index]})


def documented(cores: int, latency_s: float) -> Setting:
    """What Azure ML's documents say: a worker a core; at more than 200 ms one request a slot, else up to twice."""
    return Setting(cores, 1, cores if latency_s > SLOW_S else FAST_FACTOR * cores)
