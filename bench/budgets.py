"""The budgets that the comparison can judge, as data. Their text is the project's; the verdict is computed here."""

from __future__ import annotations

import enum

import msgspec

from .series import Series


class Sense(enum.Enum):
    """On which side of the limit the figure has to be."""

    AT_LEAST = ">="
    AT_MOST = "<="


class Budget(msgspec.Struct, frozen=True):
    """One line that has to be reached."""

    key: str  # its number, and a word that is unique among the lines
    what: str
    how: str
    sense: Sense
    limit: float
    unit: str

    @property
    def number(self) -> str:
        """``P1`` of ``P1.async``."""
        return self.key.partition(".")[0]


class Verdict(msgspec.Struct, frozen=True):
    """A budget and what was measured for it."""

    budget: Budget
    measured: Series

    @property
    def met(self) -> bool:
        """Whether the median keeps the limit. The limit itself does."""
        median, limit = self.measured.median, self.budget.limit
        return median >= limit if self.budget.sense is Sense.AT_LEAST else median <= limit


_CHAIN = "added CPU per request, 41 nodes against 1, over 40; 1 worker, wrk with 16 connections"
_PARALLEL = "3 x 250 ms at once, then 1 s of {}; closed loop, C=1000, {}"
_ASYNC = _PARALLEL.format("stub model", "2 workers, 500 clients")
_FLEX = _PARALLEL.format("stub model, asked by a client per request", "2 workers, 500 clients")
_SYNC = _PARALLEL.format("blocking", "8x4, 64 clients")
_MATCHED = _PARALLEL.format("blocking", "8x63, 500 clients")
_MIXED = "20 ms blocking, 1 s stub model, 1 ms blocking; 2x1, C=200, 100 clients in a closed loop"
_MODEL = "one model node, 2 workers, 16 connections, stub model without latency"
_OWN = "1 generator process and the recorder, by their CPU time; null server; 64 users, Poisson"
_BACK = "the worst of 12 settings of three flows, forecasts written before they are measured"
_GRID = "medians of 5 in turn; or the end of its 95 % interval, over the same"
_STREAMS = "200 streams of 50 tokens/s, 2 workers; stub and readers on the same machine"
_QUEUE = "100 ms blocking, Poisson arrivals over 64 connections; the worst of 4x2, 2x4 and 8x1"
_FLOOD = "Poisson arrivals at twice the peak; 2 workers, C=64, 100 ms {}"
_AWAITED, _SLEPT = _FLOOD.format("awaited"), _FLOOD.format("blocking, 64 slots")
_BUSY = "Poisson arrivals at twice the peak; 1 worker, C=2M, tens of ms of Python a request; {}"
_LOADED = "2 workers, C=64, wrk with 16 connections; median of the rounds' ratios of requests/s"
_COMPUTED = "tens of ms of Python a request, 8 connections, 2 cores; the generator's own CPU accounted for"

BUDGETS = (
    Budget("P1.async", "async echo flow / hand-written async server", _LOADED, Sense.AT_LEAST, 0.90, "x"),
    Budget("P1.async-flask", "async echo flow / promptflow Flask", _LOADED, Sense.AT_LEAST, 45, "x"),
    Budget("P1.sync", "sync echo flow / hand-written server with one hop", _LOADED, Sense.AT_LEAST, 0.90, "x"),
    Budget("P1.sync-flask", "sync echo flow / promptflow Flask", _LOADED, Sense.AT_LEAST, 35, "x"),
    Budget("P1.tls", "async echo flow over TLS / without", _LOADED, Sense.AT_LEAST, 0.5, "x"),
    Budget("P2.p50", "one connection, async echo: p50", "wrk with 1 connection", Sense.AT_MOST, 0.15, "ms"),
    Budget("P2.tail", "one connection, async echo: p99 / p50", "wrk with 1 connection", Sense.AT_MOST, 4, "x"),
    Budget("P3.rate", "async benchmark: of 400 requests/s", _ASYNC, Sense.AT_LEAST, 0.97, "x"),
    Budget("P3.p99", "async benchmark: p99 / 1.25 s", _ASYNC, Sense.AT_MOST, 1.10, "x"),
    Budget("P3.memory", "async benchmark: the whole tree", f"PSS after load; {_ASYNC}", Sense.AT_MOST, 160, "MB"),
    Budget("P3.flex-rate", "async benchmark, flex flow: of 400 requests/s", _FLEX, Sense.AT_LEAST, 0.97, "x"),
    Budget("P3.flex-p99", "async benchmark, flex flow: p99 / 1.25 s", _FLEX, Sense.AT_MOST, 1.10, "x"),
    Budget("P3.flex-memory", "async benchmark, flex flow: the whole tree", f"PSS; {_FLEX}", Sense.AT_MOST, 160, "MB"),
    Budget("P4.rate", "sync benchmark: of 25.6 requests/s", _SYNC, Sense.AT_LEAST, 0.97, "x"),
    Budget("P4.threads", "sync benchmark, threads to match: of 400 requests/s", _MATCHED, Sense.AT_LEAST, 0.90, "x"),
    Budget("P5.async", "another async node in a chain", _CHAIN, Sense.AT_MOST, 5, "us"),
    Budget("P5.prompt", "another prompt node in a chain", _CHAIN, Sense.AT_MOST, 15, "us"),
    Budget("P5.sync", "another fused sync node in a chain", _CHAIN, Sense.AT_MOST, 10, "us"),
    Budget("P5.linear", "100 nodes / the line through 1 and 41", "the worst kind of chain", Sense.AT_MOST, 2, "x"),
    Budget(
        "P6.worker", "an extra worker", "slope of the tree's PSS after load, 1, 2, 4 workers", Sense.AT_MOST, 9, "MB"
    ),
    Budget(
        "P6.idle", "10,000 idle keep-alive connections", "growth of the tree's PSS, 2 workers", Sense.AT_MOST, 150, "MB"
    ),
    Budget(
        "P6.drift",
        "RSS drift over 1,000,000 requests",
        "growth of the tree's PSS, without files",
        Sense.AT_MOST,
        2,
        "%",
    ),
    Budget("P7.ready", "cold start to ready", "spawn to the first 200 on /health", Sense.AT_MOST, 0.5, "s"),
    Budget("P7.import", "import pfserve.cli", "a new interpreter, its own start included", Sense.AT_MOST, 0.15, "s"),
    Budget("P8.late", "tokens later at p99 than from the stub alone", _STREAMS, Sense.AT_MOST, 20, "ms"),
    Budget("P8.first", "first token later at p50 than from the stub", _STREAMS, Sense.AT_MOST, 2, "ms"),
    Budget("P8.cpu", "a token that is passed on", _STREAMS, Sense.AT_MOST, 40, "us"),
    Budget("P8.memory", "a stream that is held", "growth of PSS, 2,000 of 1 token/s", Sense.AT_MOST, 60, "KB"),
    Budget("P9.50%", "mean wait / (1.25 x one queue + 3 ms), at 50 %", _QUEUE, Sense.AT_MOST, 1, "x"),
    Budget("P9.80%", "mean wait / (1.25 x one queue + 3 ms), at 80 %", _QUEUE, Sense.AT_MOST, 1, "x"),
    Budget("P10.async-goodput", "overload, async flow: goodput / peak", _AWAITED, Sense.AT_LEAST, 0.95, "x"),
    Budget("P10.async-p99", "overload, async flow: p99 of accepted / at capacity", _AWAITED, Sense.AT_MOST, 1.2, "x"),
    Budget("P10.async-refusal", "overload, async flow: p99 of refusals", _AWAITED, Sense.AT_MOST, 2, "ms"),
    Budget("P10.async-health", "overload, async flow: p99 of /health", _AWAITED, Sense.AT_MOST, 100, "ms"),
    Budget("P10.sleeping-goodput", "overload, sleeping flow: goodput / peak", _SLEPT, Sense.AT_LEAST, 0.95, "x"),
    Budget(
        "P10.sleeping-p99", "overload, sleeping flow: p99 of accepted / at capacity", _SLEPT, Sense.AT_MOST, 1.2, "x"
    ),
    Budget("P10.sleeping-refusal", "overload, sleeping flow: p99 of refusals", _SLEPT, Sense.AT_MOST, 2, "ms"),
    Budget("P10.sleeping-health", "overload, sleeping flow: p99 of /health", _SLEPT, Sense.AT_MOST, 100, "ms"),
    Budget(
        "P10.computing-refusal", "overload, CPU-bound: p99 of refusals", _BUSY.format("M=1"), Sense.AT_MOST, 5, "ms"
    ),
    Budget(
        "P10.computing-health",
        "overload, CPU-bound: p99 of /health",
        _BUSY.format("M=1 and 4"),
        Sense.AT_MOST,
        100,
        "ms",
    ),
    Budget(
        "P11.metrics", "async echo flow, metrics asked for / not", f"every second; {_LOADED}", Sense.AT_LEAST, 0.95, "x"
    ),
    Budget("P11.log", "async echo flow with access log / without", _LOADED, Sense.AT_LEAST, 0.85, "x"),
    Budget("P12.scaling", "2 workers / 1 worker, counting in a loop", _COMPUTED, Sense.AT_LEAST, 1.9, "x"),
    Budget("P12.documents", "2 workers / 1 worker, JSON out and in", _COMPUTED, Sense.AT_LEAST, 1.9, "x"),
    Budget("P13.connections", "upstream connections per worker and 1,000 calls", _MODEL, Sense.AT_MOST, 1, ""),
    Budget("P13.handshakes", "TLS handshakes per worker and 1,000 calls", _MODEL, Sense.AT_MOST, 1, ""),
    Budget("P13.cpu", "a model call, the request around it included", _MODEL, Sense.AT_MOST, 0.3, "ms"),
    Budget("P14.rate", "mixed flow: of min(slots/sync time, clients/latency)", _MIXED, Sense.AT_LEAST, 0.9, "x"),
    Budget("P14.flask", "mixed flow / promptflow Flask at 2x1", _MIXED, Sense.AT_LEAST, 10, "x"),
    Budget("P15.time", "5 MB picture / bare aiohttp handler", "p50, 1 worker, 1 connection", Sense.AT_MOST, 1.3, "x"),
    Budget("B1.rate", "our load generator: requests of one core", _OWN, Sense.AT_LEAST, 40_000, "/s"),
    Budget("B1.quiet", "our load generator: at 2,000 requests/s", _OWN, Sense.AT_MOST, 0.2, "cores"),
    Budget("B2.goodput", "tune: goodput / 0.95 of the best of a grid of 30", _GRID, Sense.AT_LEAST, 1, "x"),
    Budget("B2.trials", "tune: its trials / those of the grid", "its look at the flow is one", Sense.AT_MOST, 20, "%"),
    Budget("B3.rate", "capacity: error of the rate at the promise", _BACK, Sense.AT_MOST, 10, "%"),
    Budget("B3.p95", "capacity: error of the p95, kept and flooded", _BACK, Sense.AT_MOST, 10, "%"),
    Budget("B3.refusal", "capacity: error of refusals / 10 % or a point", _BACK, Sense.AT_MOST, 1, "x"),
)
NUMBERS = tuple(dict.fromkeys(budget.number for budget in BUDGETS))


def judge(key: str, measured: Series) -> Verdict:
    """The verdict on the line ``key``. Raises KeyError if there is no such line."""
    return Verdict({budget.key: budget for budget in BUDGETS}[key], measured)
