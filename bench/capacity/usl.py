"""The universal scalability law: what more workers, threads or users bring, and when they take.

    X(N) = rate * N / (1 + contention * (N - 1) + coherency * N * (N - 1))

N. J. Gunther, Guerrilla Capacity Planning, Springer 2007: ``rate`` is his gamma, ``contention`` his sigma or alpha,
``coherency`` his kappa or beta.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec

from ..mistake import Mistake
from .student import CONFIDENCE, quantile

LEAST_LEVELS = 4
ADVISED_LEVELS = 6
_NAMES = ("rate", "contention", "coherency")
_STEPS = 200

Point = tuple[float, float]  # N and the throughput there
_Parameters = tuple[float, float, float]


class Parameter(msgspec.Struct, frozen=True):
    """A fitted value and its confidence interval."""

    value: float
    low: float
    high: float


class Usl(msgspec.Struct, frozen=True):
    """A fit."""

    rate: Parameter  # throughput at N = 1
    contention: Parameter
    coherency: Parameter
    residuals: tuple[float, ...]  # measured less fitted, in the order of the points
    r2: float
    range: tuple[float, float]  # of N that was measured

    def at(self, n: float) -> float:
        """The throughput at N, also outside the range: ask :meth:`is_measured` and say so."""
        return _at((self.rate.value, self.contention.value, self.coherency.value), n)

    def is_measured(self, n: float) -> bool:
        """Whether N lies in the range that the fit knows."""
        return self.range[0] <= n <= self.range[1]

    @property
    def peak_n(self) -> float:
        """Where throughput is highest; infinite if nothing takes from it."""
        if self.coherency.value <= 0:
            return math.inf
        return math.sqrt(max(0.0, 1 - self.contention.value) / self.coherency.value)

    @property
    def is_sure(self) -> bool:
        """Whether there were as many levels as are advised."""
        return len(self.residuals) >= ADVISED_LEVELS


def fit(points: Sequence[Point]) -> Usl:
    """Least squares in throughput, contention and coherency not below 0. Raises Mistake if it cannot be done.

    A parameter that lies at 0 because it may not be less has no interval of its own: its bounds are 0.
    """
    _check(points)
    fits = [_fit(points, free) for free in ((0, 1, 2), (0, 1), (0, 2), (0,))]
    legal = [found for found in fits if found[0][0] > 0 and min(found[0][1:]) >= 0]
    if not legal:
        raise Mistake("the throughputs do not follow the universal scalability law: no fit with parameters above 0")
    best = min(_squares(points, found[0]) for found in legal)
    noise = 1e-18 * math.fsum(x * x for _, x in points)  # of floating point: what is no better has no more parameters
    as_good = [found for found in legal if _squares(points, found[0]) <= best * (1 + 1e-9) + noise]
    parameters, free = min(as_good, key=lambda found: len(found[1]))
    reaches = _reaches(points, parameters, free)
    mean = math.fsum(x for _, x in points) / len(points)
    spread = math.fsum((x - mean) ** 2 for _, x in points)
    rate, contention, coherency = (Parameter(v, v - r, v + r) for v, r in zip(parameters, reaches, strict=True))
    return Usl(
        rate,
        contention,
        coherency,
        residuals=tuple(x - _at(parameters, n) for n, x in points),
        r2=1 - _squares(points, parameters) / spread if spread else 1.0,
        range=(min(n for n, _ in points), max(n for n, _ in points)),
    )


def _check(points: Sequence[Point]) -> None:
    if not all(math.isfinite(n) and math.isfinite(x) and n >= 1 and x > 0 for n, x in points):
        raise Mistake("the universal scalability law needs N of 1 or more and throughputs above 0")
    levels = len({n for n, _ in points})
    if levels < LEAST_LEVELS:
        raise Mistake(
            f"the universal scalability law has 3 parameters: {levels} levels of N are too few, "
            f"measure {LEAST_LEVELS}, better {ADVISED_LEVELS}"
        )


def _at(parameters: _Parameters, n: float) -> float:
    rate, contention, coherency = parameters
    return rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


def _squares(points: Sequence[Point], parameters: _Parameters) -> float:
    return math.fsum((x - _at(parameters, n)) ** 2 for n, x in points)


def _slopes(parameters: _Parameters, n: float) -> _Parameters:
    """How throughput at N moves with each parameter."""
    x = _at(parameters, n)
    loss = x * x / (parameters[0] * n)
    return x / parameters[0], -loss * (n - 1), -loss * n * (n - 1)


def _fit(points: Sequence[Point], free: tuple[int, ...]) -> tuple[_Parameters, tuple[int, ...]]:
    """Levenberg and Marquardt's way down, only the ``free`` parameters moving; the others are 0."""
    found: _Parameters = (max(x / n for n, x in points), 0.01 if 1 in free else 0.0, 1e-4 if 2 in free else 0.0)
    caution = 1e-3
    for _ in range(_STEPS):
        normal, pull = _normal(points, found, free)
        eased = [[cell * (1 + caution * (r == c)) for c, cell in enumerate(row)] for r, row in enumerate(normal)]
        step = _solve(eased, pull)
        tried = list(found)
        for index, move in zip(free, step, strict=True):
            tried[index] += move
        better: _Parameters = (tried[0], tried[1], tried[2])
        if _is_sane(better, points) and _squares(points, better) <= _squares(points, found):
            done = all(abs(move) <= 1e-12 * (abs(found[index]) + 1e-12) for index, move in zip(free, step, strict=True))
            found, caution = better, caution / 5
            if done:
                break
        else:
            caution *= 4
    return found, free


def _is_sane(parameters: _Parameters, points: Sequence[Point]) -> bool:
    rate, contention, coherency = parameters
    return rate > 0 and all(1 + contention * (n - 1) + coherency * n * (n - 1) > 0 for n, _ in points)


def _normal(
    points: Sequence[Point], parameters: _Parameters, free: tuple[int, ...]
) -> tuple[list[list[float]], list[float]]:
    rows = [[_slopes(parameters, n)[index] for index in free] for n, _ in points]
    rests = [x - _at(parameters, n) for n, x in points]
    normal = [[math.fsum(row[a] * row[b] for row in rows) for b in range(len(free))] for a in range(len(free))]
    return normal, [math.fsum(row[a] * rest for row, rest in zip(rows, rests, strict=True)) for a in range(len(free))]


def _reaches(points: Sequence[Point], parameters: _Parameters, free: tuple[int, ...]) -> list[float]:
    """Half the width of each parameter's confidence interval."""
    freedom = len(points) - len(free)
    normal, _ = _normal(points, parameters, free)
    variance = _squares(points, parameters) / freedom
    reaches = [0.0] * len(_NAMES)
    for place, index in enumerate(free):
        unit = [float(place == other) for other in range(len(free))]
        reaches[index] = quantile(CONFIDENCE, freedom) * math.sqrt(variance * _solve(normal, unit)[place])
    return reaches


def _solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Gauss's elimination, after scaling: the parameters differ by orders of magnitude."""
    size = len(right)
    scale = [math.sqrt(abs(matrix[i][i])) or 1.0 for i in range(size)]
    rows = [[matrix[i][j] / scale[i] / scale[j] for j in range(size)] + [right[i] / scale[i]] for i in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        if abs(rows[i][i]) < 1e-300:
            rows[i][i] = 1e-300
        for r in itertools.chain(range(i), range(i + 1, size)):
            factor = rows[r][i] / rows[i][i]
            rows[r] = [cell - factor * above for cell, above in zip(rows[r], rows[i], strict=True)]
    return [rows[i][size] / rows[i][i] / scale[i] for i in range(size)]
