"""What Azure Machine Learning's managed online endpoints say and set: its formula, quota, limits and machines.

From Microsoft's documentation as of January 2026 (limits, quota), September 2026 (retirements) and its CoreMark table
of 2020 for Linux machines (speed). Prices are regional and change: bring your own.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

import msgspec

MOST_REQUESTS_PER_S = 500  # of an endpoint, all its deployments together
MOST_NEW_CONNECTIONS_PER_S = 500
MOST_CONNECTIONS = 500  # a stream holds one as long as it lasts
MOST_BYTES_PER_S = 5_000_000  # beyond, answers are delayed
MOST_INSTANCES = 50  # of a deployment
LEAST_INSTANCES = 3  # for high availability
SCALE_OUT_S = (12 * 60.0, 18 * 60.0)  # from a threshold passed to an instance that serves, as was observed
LONGEST_TIMEOUT_MS = 300_000  # of a flow
_BUSY = 0.7
_QUICK_S = 0.2


class Sku(msgspec.Struct, frozen=True):
    """A machine without GPU. ``speed``: one vCPU beside one of Standard_F4s_v2, on the slowest host seen."""

    name: str
    cores: int
    memory_gib: float
    speed: float | None  # None: nobody has published one
    retires: datetime.date | None = None
    is_restricted: bool = False  # new subscriptions cannot have it, old ones cannot have more


def _family(
    pattern: str,
    sizes: Mapping[int, float],
    speed: float | None,
    retires: datetime.date | None = None,
    *,
    restricted: bool = False,
) -> list[Sku]:
    return [
        Sku(pattern.format(name), cores, gib, speed, retires, restricted)
        for name, (cores, gib) in zip(_names(pattern, sizes), sizes.items(), strict=True)
    ]


def _names(pattern: str, sizes: Mapping[int, float]) -> list[int]:
    return list(range(1, len(sizes) + 1)) if "_DS" in pattern else list(sizes)


_STORAGE = {8: 64, 16: 128, 32: 256, 48: 384, 64: 512, 80: 640}
SKUS: tuple[Sku, ...] = (
    *_family("Standard_D{}as_v4", {2: 8, 4: 16, 8: 32, 16: 64, 32: 128, 48: 192, 64: 256, 96: 384}, 1.09),
    *_family("Standard_D{}a_v4", {2: 8, 4: 16, 8: 32, 16: 64, 32: 128, 48: 192, 64: 256, 96: 384}, 1.09),
    *_family(
        "Standard_DS{}_v2", {1: 3.5, 2: 7, 4: 14, 8: 28, 16: 56}, 1.10, datetime.date(2028, 5, 1), restricted=True
    ),
    *_family(
        "Standard_E{}s_v3",
        {2: 16, 4: 32, 8: 64, 16: 128, 32: 256, 48: 384, 64: 432},
        0.74,
        datetime.date(2029, 11, 15),
        restricted=True,
    ),
    *_family(
        "Standard_F{}s_v2",
        {2: 4, 4: 8, 8: 16, 16: 32, 32: 64, 48: 96, 64: 128, 72: 144},
        1.0,
        datetime.date(2028, 11, 15),
        restricted=True,
    ),
    *_family("Standard_FX{}mds", {4: 84, 12: 252, 24: 504, 36: 756, 48: 1008}, None),
    *_family("Standard_L{}as_v3", _STORAGE, None),
    *_family("Standard_L{}s_v3", _STORAGE, None),
    *_family("Standard_L{}s_v2", _STORAGE, None, datetime.date(2028, 11, 15), restricted=True),
)
SMALL = ("Standard_DS1_v2", "Standard_F2s_v2")  # may run out of memory or disk, or fail their probes


def sku(name: str) -> Sku | None:
    """The machine of this name."""
    return next((each for each in SKUS if each.name.lower() == name.lower()), None)


def warnings(machine: Sku) -> list[str]:
    """What speaks against it."""
    found = [f"retires on {machine.retires.isoformat()}"] if machine.retires else []
    if machine.is_restricted:
        found.append("new subscriptions cannot deploy it")
    if machine.name in SMALL:
        found.append("too small for some images: memory, disk, probes")
    if machine.speed is None:
        found.append("no published speed: measure on it")
    return found


def quota(instances: int, cores: int) -> int:
    """The cores that are charged to the quota of the family: 20 % more, kept for upgrades."""
    return math.ceil(1.2 * instances - 1e-9) * cores


def concurrency(slots: int, places: int, *, blocking: bool, latency_s: float) -> int:
    """What one node can really process at once, which is what the formula asks for.

    As Azure's page for flows sets it: workers times threads, and half as much again below 200 ms; for a flow that holds
    no slot the places.
    """
    if not blocking:
        return places
    return math.ceil(slots * 1.5) if latency_s <= _QUICK_S else slots


def formula(per_s: float, latency_s: float, concurrent: int) -> int:
    """Azure's one line: rate times latency / 0.7 / concurrent requests of one instance, rounded up."""
    return max(1, math.ceil(per_s * latency_s / _BUSY / concurrent - 1e-9))


def formula_per_s(latency_s: float, concurrent: int) -> float:
    """What that line thinks an instance can take."""
    return _BUSY * concurrent / latency_s


class Ceiling(msgspec.Struct, frozen=True):
    """A limit of the endpoint, as requests a second."""

    name: str
    per_s: float


def ceilings(mean_s: float, bytes_per_request: float, *, new_connections: bool) -> list[Ceiling]:
    """Every limit of a managed endpoint, the one that binds first in front.

    ``mean_s`` is what a request lasts in the mean, with its stream.
    """
    found = [
        Ceiling(f"{MOST_REQUESTS_PER_S} requests/s", MOST_REQUESTS_PER_S),
        Ceiling(f"{MOST_CONNECTIONS} active connections", MOST_CONNECTIONS / mean_s),
    ]
    if new_connections:
        found.append(Ceiling(f"{MOST_NEW_CONNECTIONS_PER_S} new connections/s", MOST_NEW_CONNECTIONS_PER_S))
    if bytes_per_request:
        found.append(Ceiling("5 MB/s of bandwidth", MOST_BYTES_PER_S / bytes_per_request))
    return sorted(found, key=lambda ceiling: ceiling.per_s)
