"""The instance as Prometheus text, format 0.0.4: which series there are, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import msgspec

from pfserve.region import BOUNDS_S, Fact, ModelCount, Outcome
from pfserve.telemetry.look import Durations, Seen

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

_CLASSES = {
    Outcome.GONE: "gone",
    Outcome.CUT: "cut",
    Outcome.OK: "2xx",
    Outcome.CLIENT_ERROR: "4xx",
    Outcome.SERVER_ERROR: "5xx",
}
_STATES = ("booting", "live", "draining")
_STATUS_OF_CAUSE = {"full": "429", "wait": "429", "deadline": "429", "draining": "503", "bodies": "503"}

Labels = Mapping[str, str]


class Family(msgspec.Struct, frozen=True):
    """One metric: its samples are pairs of labels and value; a histogram's carry the ends of their names too."""

    name: str
    kind: str  # "counter" | "gauge" | "histogram"
    help: str
    samples: tuple[tuple[str, Labels, float], ...]  # (what follows the name, labels, value)


def exposition(seen: Seen, version: str) -> bytes:
    """The whole page."""
    return "".join(text for family in families(seen, version) for text in _written(family)).encode()


def families(seen: Seen, version: str) -> Iterator[Family]:
    """Every metric, in the order of the page."""
    facts = seen.facts
    yield _gauge("build_info", "The version that runs; always 1.", [({"version": version}, 1)])
    yield _gauge("start_time_seconds", "When the instance was started, since 1970.", [({}, seen.started_wall_s)])
    yield _gauge("live", "Whether /livez says so.", [({}, seen.live)])
    yield _gauge("ready", "Whether /readyz says so.", [({}, seen.ready)])
    yield _gauge("generation", "The generation that serves; a reload makes a new one.", [({}, seen.generation)])
    yield _gauge("ready_seconds", "From the start of that generation until it was ready.", [({}, seen.ready_after_s)])
    yield _gauge("requests_inside", "Requests inside the instance now.", [({}, seen.inside)])
    yield _gauge("requests_capacity", "How many may be inside at once.", [({}, seen.capacity)])
    yield _gauge("line_length", "Requests of them that wait for a slot.", [({}, seen.line_length)])
    yield from _of_requests(seen)
    yield from _of_models(seen)
    yield from _of_workers(seen)
    reloads = [({"result": "ok"}, facts[Fact.RELOADS_OK]), ({"result": "failed"}, facts[Fact.RELOADS_FAILED])]
    yield _counter("reloads_total", "Reloads by result.", reloads)
    yield _counter("leaders_lost_total", "Leaders that died while they served.", [({}, facts[Fact.LEADERS_LOST])])
    yield _counter("monitors_lost_total", "Monitor processes that died.", [({}, facts[Fact.MONITORS_LOST])])


def _of_requests(seen: Seen) -> Iterator[Family]:
    flow = [({"route": "score", "class": _CLASSES[d.outcome]}, sum(d.buckets)) for d in seen.durations]
    others = [({"route": "other", "class": _CLASSES[outcome]}, count) for outcome, count in seen.others.items()]
    yield _counter(
        "requests_total", "Requests that ended, by route and class of status; cut streams apart.", [*flow, *others]
    )
    causes = {cause.name.lower(): count for cause, count in seen.refusals.items()}
    refusals = [({"status": _STATUS_OF_CAUSE[cause], "cause": cause}, count) for cause, count in causes.items()]
    yield _counter("refusals_total", "Requests that were not let in, by cause.", refusals)
    handshakes: list[tuple[Labels, float]] = [({}, seen.failed_handshakes)]
    yield _counter("tls_handshakes_failed_total", "Clients that did not end their TLS handshake.", handshakes)
    samples = tuple(sample for durations in seen.durations for sample in _histogram(durations))
    told = "From the head of a request for the flow to the end of its answer, by class of status."
    yield Family("pfserve_request_duration_seconds", "histogram", told, samples)


def _of_models(seen: Seen) -> Iterator[Family]:
    models = seen.models
    counted = models[ModelCount.CALLS] - models[ModelCount.ESTIMATED_CALLS]
    calls = [({"tokens": "counted"}, counted), ({"tokens": "estimated"}, models[ModelCount.ESTIMATED_CALLS])]
    yield _counter("model_calls_total", "Model calls that were answered, by how sure their tokens are.", calls)
    tokens = [
        ({"direction": "prompt"}, models[ModelCount.PROMPT_TOKENS]),
        ({"direction": "completion"}, models[ModelCount.COMPLETION_TOKENS]),
    ]
    yield _counter("model_tokens_total", "Tokens of those calls.", tokens)
    took_s = models[ModelCount.MICROSECONDS] / 1e6
    yield _counter("model_call_seconds_total", "From asking to the end of the answer, together.", [({}, took_s)])


def _histogram(durations: Durations) -> Iterator[tuple[str, Labels, float]]:
    labels = {"class": _CLASSES[durations.outcome]}
    for bound, count in zip([*map(_number, BOUNDS_S), "+Inf"], accumulate(durations.buckets), strict=True):
        yield "_bucket", {**labels, "le": bound}, count
    yield "_sum", labels, durations.total_s
    yield "_count", labels, sum(durations.buckets)


def _of_workers(seen: Seen) -> Iterator[Family]:
    states = [({"state": state}, sum(w.state == state for w in seen.workers)) for state in _STATES]
    yield _gauge("workers", "Worker processes by state.", states)
    by_seat = [({"seat": str(worker.seat)}, worker) for worker in seen.workers]
    yield _gauge("connections", "Open connections by worker.", [(seat, w.connections) for seat, w in by_seat])
    jobs = [(seat, w.lane_jobs) for seat, w in by_seat]
    yield _gauge("lane_jobs", "Blocking jobs of a worker's thread lane, running or queued, by worker.", jobs)
    overdue = [(seat, w.overdue) for seat, w in by_seat]
    yield _gauge("lane_overdue", "Blocking calls that go on, and keep their slots, though nobody waits.", overdue)
    ages = [(seat, w.beat_age_s) for seat, w in by_seat if w.beat_age_s is not None]
    yield _gauge("worker_beat_age_seconds", "Since the event loop of a worker last turned.", ages)
    sizes = [(seat, w.resident_bytes) for seat, w in by_seat]
    yield _gauge("worker_resident_memory_bytes", "Memory of a worker, what it shares with others included.", sizes)
    yield _counter("worker_starts_total", "Worker processes started.", [({}, seen.starts)])
    departures = [({"cause": how.name.lower()}, count) for how, count in seen.departures.items()]
    yield _counter("worker_exits_total", "Worker processes that ended, by cause.", departures)


def _gauge(name: str, help_: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    return Family(f"pfserve_{name}", "gauge", help_, tuple(("", labels, value) for labels, value in samples))


def _counter(name: str, help_: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    return Family(f"pfserve_{name}", "counter", help_, tuple(("", labels, value) for labels, value in samples))


def _written(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_help(family.help)}\n# TYPE {family.name} {family.kind}\n"
    for suffix, labels, value in family.samples:
        inner = ",".join(f'{name}="{_label(text)}"' for name, text in labels.items())
        yield f"{family.name}{suffix}{{{inner}}} {_number(value)}\n" if inner else f"{family.name} {_number(value)}\n"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _label(text: str) -> str:
    return _help(text).replace('"', '\\"')
