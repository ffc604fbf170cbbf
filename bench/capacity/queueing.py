"""Waiting lines in closed form: what the simulation is held against, and what a plan shows beside it.

``load`` is in erlangs everywhere: arrivals per second times mean service in seconds. Waits are in units of the mean
service time, so multiply by it.
"""

from __future__ import annotations

import math

_ENOUGH = 1e-9
_SUMMED = 0.9


def erlang_b(servers: int, load: float) -> float:
    """The share that is lost where nobody waits (M/G/c/c)."""
    lost = 1.0
    for server in range(1, servers + 1):
        lost = load * lost / (server + load * lost)
    return lost


def erlang_c(servers: int, load: float) -> float:
    """The share that has to wait (M/M/c). 1 from full load on."""
    if load >= servers:
        return 1.0
    lost = erlang_b(servers, load)
    return lost / (1 - load / servers * (1 - lost))


def wait_mmc(servers: int, load: float) -> float:
    """The mean wait of M/M/c; infinite from full load on."""
    return erlang_c(servers, load) / (servers - load) if load < servers else math.inf


def wait_mdc(servers: int, load: float) -> float:
    """The mean wait of M/D/c: Crommelin's sum (Post Office Electrical Engineers' Journal 25, 1932).

    Beyond 0.9 of full load, where the sum hardly ends, its share of the wait of M/M/c goes evenly to a half.
    """
    if load >= servers or load <= 0:
        return math.inf if load > 0 else 0.0
    busy = load / servers
    if busy <= _SUMMED:
        return _crommelin(servers, load)
    share = _crommelin(servers, servers * _SUMMED) / wait_mmc(servers, servers * _SUMMED)
    return wait_mmc(servers, load) * (share + (0.5 - share) * (busy - _SUMMED) / (1 - _SUMMED))


def _crommelin(servers: int, load: float) -> float:
    total, turn = 0.0, 1
    while True:
        mean, first = turn * load, turn * servers
        term = _poisson_at(first, mean) + (1 - servers / load) * _poisson_beyond(first, mean)
        total += term
        if term < _ENOUGH * max(total, _ENOUGH):
            return total
        turn += 1


def wait_mgc(servers: int, load: float, variation2: float) -> float:
    """The mean wait of M/G/c, ``variation2`` being the squared coefficient of variation of the service time.

    Kimura's interpolation between M/D/c and M/M/c, exact at both: T. Kimura, Operations Research 34 (1986), 757-763.
    """
    if load >= servers:
        return math.inf
    even, random = wait_mdc(servers, load), wait_mmc(servers, load)
    if random == 0 or even == 0:
        return random * (1 + variation2) / 2
    return (1 + variation2) / (2 * variation2 / random + (1 - variation2) / even)


def bounded(servers: int, load: float, places: int) -> tuple[float, float]:
    """M/M/c/K, ``places`` counting those who are served too: the share refused, and the mean wait of those let in.

    Raises ValueError if there are fewer places than servers.
    """
    if places < servers:
        raise ValueError(f"{places} places for {servers} servers")
    weights = [1.0]
    for inside in range(1, places + 1):
        weights.append(weights[-1] * load / min(inside, servers))
        if weights[-1] > 1e200:
            weights = [weight / 1e200 for weight in weights]
    whole = math.fsum(weights)
    refused = weights[-1] / whole
    waiting = math.fsum((inside - servers) * weights[inside] for inside in range(servers, places + 1)) / whole
    return refused, waiting / (load * (1 - refused)) if load else 0.0


def _poisson_at(count: int, mean: float) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))


def _poisson_beyond(count: int, mean: float) -> float:
    """The chance of more than ``count`` (which is above the mean)."""
    term, total, index = _poisson_at(count, mean), 0.0, count
    while term > _ENOUGH * 1e-3 * (total or 1e-300):
        index += 1
        term *= mean / index
        total += term
    return total
