"""One run: every request to both servers, what differs is told as it is found, and summed up in the end."""

from __future__ import annotations

import json
import statistics
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from pfserve.cli.parity.compare import Answer, Difference, Path, compare
from pfserve.cli.parity.recorded import Recorded
from pfserve.cli.parity.send import Server, send

_SHOWN = 10  # differences of one request; JSON has all


class Outcome(msgspec.Struct, frozen=True):
    """Both answers to one request, and what differs."""

    request: Recorded
    a: Answer
    b: Answer
    differences: tuple[Difference, ...]


class Summary:
    """Counts outcomes and tells of those that differ."""

    def __init__(self, report: Callable[[Outcome], str], tell: Callable[[str], None]) -> None:
        self.requests = 0
        self.different = 0
        self._report = report
        self._tell = tell
        self._kinds: Counter[str] = Counter()
        self._took_s: tuple[list[float], list[float]] = ([], [])

    def take(self, outcome: Outcome) -> None:
        """Count one, and tell of it if its answers differ."""
        self.requests += 1
        for took_s, answer in zip(self._took_s, (outcome.a, outcome.b), strict=True):
            if not answer.failure:
                took_s.append(answer.took_s)
        if outcome.differences:
            self.different += 1
            self._kinds.update({"body" if one.place.startswith("$") else one.place for one in outcome.differences})
            self._tell(self._report(outcome))

    def facts(self) -> dict[str, object]:
        """The sum, for machines."""
        a, b = map(_milliseconds, self._took_s)
        return {
            "requests": self.requests,
            "different": self.different,
            "by_kind": dict(self._kinds),
            "a_ms": a,
            "b_ms": b,
        }

    def text(self) -> str:
        """The sum, in one line."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self._kinds.items()))
        differ = f"{self.different} differ ({kinds})" if self.different else "none differs"
        a, b = map(_milliseconds, self._took_s)
        return (
            f"{self.requests} requests: {self.requests - self.different} alike, {differ}; "
            f"A {_shown_ms(a)}, B {_shown_ms(b)}"
        )


def outcomes(
    servers: tuple[Server, Server], requests: Iterable[Recorded], masks: list[Path], concurrency: int, timeout_s: float
) -> Iterator[Outcome]:
    """In the order of the requests. Each goes to A, then to B: no server meets more than ``concurrency`` at a time."""

    def ask(request: Recorded) -> Outcome:
        a, b = (send(server, request, timeout_s) for server in servers)
        return Outcome(request, a, b, tuple(compare(a, b, masks)))

    with ThreadPoolExecutor(concurrency) as pool:
        under_way: deque[Future[Outcome]] = deque()
        for request in requests:
            under_way.append(pool.submit(ask, request))
            if len(under_way) > 4 * concurrency:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def report_text(outcome: Outcome) -> str:
    """The request, and a line for each of its first differences."""
    shown = [f"  {one}" for one in outcome.differences[:_SHOWN]]
    if more := len(outcome.differences) - len(shown):
        shown.append(f"  and {more} more")
    return "\n".join([outcome.request.title, *shown])


def report_json(outcome: Outcome) -> str:
    """The request and all differences, as one line of JSON."""
    request = outcome.request
    facts = {"line": request.line, "name": request.name, "method": request.method, "path": request.path}
    return json.dumps({**facts, "differences": msgspec.to_builtins(outcome.differences)})


def _milliseconds(took_s: list[float]) -> float | None:
    """The median."""
    return round(statistics.median(took_s) * 1000, 1) if took_s else None


def _shown_ms(median_ms: float | None) -> str:
    return "gave no answer" if median_ms is None else f"median {median_ms:g} ms"
