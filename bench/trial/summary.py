"""What a record tells, as figures. Everything here is computed from the record alone."""

from __future__ import annotations

import array
import itertools
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from ..blocks import EVENTS_HEAD, Block, Kind
from ..cgroup import Throttling
from ..histogram import Histogram
from ..mistake import Mistake
from ..recorder import End, Header, Record
from ..recorder.read import decode_end
from ..sample import LAYOUT, NEVER, NOT_TOLD, Cause, Outcome, Sample
from ..vitals import Vitals, ended, throttled
from . import doubts
from .spread import Point, Spread, curve

_NS = 1_000_000_000
# Plain numbers: comparing members would be the slowest step.
_SUCCESS, _REFUSED, _DROPPED = int(Outcome.SUCCESS), int(Outcome.REFUSED), int(Outcome.DROPPED)


class Second(msgspec.Struct, frozen=True):
    """What was meant to begin in one second of the trial."""

    offered: int
    succeeded: int
    refused: int
    p50_s: float | None
    p99_s: float | None


class GeneratorUse(msgspec.Struct, frozen=True):
    """What one generator process used."""

    cores: float
    cpu_s: float
    most_open: int


class ServerUse(msgspec.Struct, frozen=True):
    """What the server used while it was measured."""

    cores: float
    cpu_per_success_s: float | None
    pss_bytes: int  # the largest seen
    voluntary_per_s: float
    involuntary_per_s: float
    ended: int  # processes
    is_gone: bool = False  # all of them, at the end
    throttling: Throttling | None = None  # by the CPU limit of its cgroup; None: not to be seen


class Summary(msgspec.Struct, frozen=True):
    """A trial in figures. Requests of the warm-up are in none but ``warm_up``."""

    header: Header
    complete: bool
    reason: str
    voids: Sequence[str]  # why the figures must not be believed
    doubts: Sequence[str]  # what to keep in mind
    measured_s: float
    offered: int
    offered_per_s: float
    answered_per_s: float  # successes that ended within the measured time
    outcomes: Mapping[str, int]
    statuses: Mapping[str, int]
    causes: Mapping[str, int]
    latency: Mapping[str, Spread]  # by outcome, from the intended start
    curves: Mapping[str, Sequence[Point]]  # the same as lines
    service: Spread | None  # of successes, from the real start
    first_byte: Spread | None  # of successes, from the real start
    first_event: Spread | None
    gaps: Spread | None  # between events of one stream
    events: int
    tokens: int
    retries: int
    lateness: Spread | None
    seconds: Sequence[Second]
    warm_up: Mapping[str, int]
    generators: Sequence[GeneratorUse]
    recorder_cpu_s: float
    recorder_cores: float
    server: ServerUse | None
    excerpts: Sequence[tuple[int, str]]
    queue: Spread | None = None  # of successes, as the server tells: before they ran
    run: Spread | None = None  # the same: while they ran
    reply: Spread | None = None  # what is left of the service time of those of which both are told


class _Collected:
    """What one pass over the blocks gathers."""

    def __init__(self, header: Header) -> None:
        self.begin_ns = int(header.span.warm_up_s * _NS)
        self.outcomes: Counter[int] = Counter()
        self.warm_up: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()
        self.causes: Counter[int] = Counter()
        self.latency = {int(outcome): Histogram() for outcome in Outcome}
        self.service, self.first_byte, self.lateness = Histogram(), Histogram(), Histogram()
        self.first_event, self.gaps = Histogram(), Histogram()
        self.queue, self.run, self.reply = Histogram(), Histogram(), Histogram()
        self.seconds: dict[int, tuple[Histogram, Counter[int]]] = {}
        self.success_ends_ns = array.array("q")
        self.events = self.tokens = self.retries = 0
        self.last_ns = 0
        self.watches: dict[int, list[dict[str, float]]] = {}
        self.vitals: list[Vitals] = []
        self.excerpts: list[tuple[int, str]] = []
        self.end: End | None = None

    def take(self, block: Block) -> None:
        """One block."""
        if block.kind == Kind.SAMPLES:
            for fields in LAYOUT.iter_unpack(block.payload):
                self._sample(Sample._make(fields))
        elif block.kind in _TAKES:
            _TAKES[Kind(block.kind)](self, block)

    def _sample(self, sample: Sample) -> None:
        outcome = sample.outcome
        is_warm = sample.intended_ns < self.begin_ns
        if outcome == _SUCCESS and sample.end_ns >= self.begin_ns:
            self.success_ends_ns.append(sample.end_ns)
        if is_warm:
            self.warm_up[outcome] += 1
            return
        self.last_ns = max(self.last_ns, sample.intended_ns)
        self.outcomes[outcome] += 1
        if sample.status:
            self.statuses[sample.status] += 1
        if sample.cause:
            self.causes[sample.cause] += 1
        if sample.attempt:
            self.retries += 1
        else:
            self.lateness.record(sample.late_ns)
        self._times(sample, outcome)

    def _times(self, sample: Sample, outcome: int) -> None:
        second = sample.intended_ns // _NS
        if second not in self.seconds:
            self.seconds[second] = (Histogram(), Counter())
        latencies, counts = self.seconds[second]
        counts[outcome] += 1
        if outcome != _DROPPED:
            self.latency[outcome].record(sample.latency_ns)
        if outcome != _SUCCESS:
            return
        latencies.record(sample.latency_ns)
        self.service.record(sample.service_ns)
        if sample.first_ns != NEVER:
            self.first_byte.record(sample.first_ns - sample.sent_ns)
        if sample.queue_us != NOT_TOLD or sample.run_us != NOT_TOLD:
            self._told(sample)
        self.events += sample.events
        self.tokens += sample.tokens

    def _told(self, sample: Sample) -> None:
        if sample.queue_us != NOT_TOLD:
            self.queue.record(sample.queue_us * 1000)
        if sample.run_us != NOT_TOLD:
            self.run.record(sample.run_us * 1000)
        if (reply_ns := sample.reply_ns) is not None:
            self.reply.record(reply_ns)

    def _stream(self, block: Block) -> None:
        if EVENTS_HEAD.unpack_from(block.payload)[0] < self.begin_ns:
            return
        offsets = array.array("I", block.payload[EVENTS_HEAD.size :])
        if offsets:
            self.first_event.record(offsets[0] * 1000)
        for before, after in itertools.pairwise(offsets):
            self.gaps.record((after - before) * 1000)

    def _watch(self, block: Block) -> None:
        self.watches.setdefault(block.process, []).append(msgspec.json.decode(block.payload))

    def _vitals(self, block: Block) -> None:
        self.vitals.append(msgspec.json.decode(block.payload, type=Vitals))

    def _excerpt(self, block: Block) -> None:
        told = msgspec.json.decode(block.payload)
        self.excerpts.append((told["status"], told["text"]))

    def _end(self, block: Block) -> None:
        self.end = decode_end(block)


_TAKES: dict[Kind, Callable[[_Collected, Block], None]] = {
    Kind.EVENTS: _Collected._stream,
    Kind.WATCH: _Collected._watch,
    Kind.VITALS: _Collected._vitals,
    Kind.EXCERPT: _Collected._excerpt,
    Kind.END: _Collected._end,
}


def summarise(record: Record) -> Summary:
    """The figures of a record, also of a partial one. Raises Mistake if it is damaged."""
    try:
        collected = _Collected(record.header)
        for block in record.blocks():
            collected.take(block)
        return _summary(record.header, collected)
    except (struct.error, LookupError, ValueError, TypeError) as problem:
        raise Mistake(f"{record.path}: it is damaged: {problem!r}") from problem


def _summary(header: Header, seen: _Collected) -> Summary:
    end = seen.end or End(complete=False, reason="the record ends before the trial did")
    window_s = header.span.measured_s if end.complete else None
    measured_s = window_s or max(0.0, (seen.last_ns - seen.begin_ns) / _NS)
    offered = sum(seen.outcomes.values())
    limit_ns = seen.begin_ns + measured_s * _NS
    answered = sum(end_ns <= limit_ns for end_ns in seen.success_ends_ns)
    generators = [_generator_use(watches) for _, watches in sorted(seen.watches.items())]
    lateness = Spread.of(seen.lateness)
    latency = {o.name.lower(): spread for o in Outcome if (spread := Spread.of(seen.latency[o]))}
    server = _server_use(seen, answered)
    curves = {o.name.lower(): curve(seen.latency[o]) for o in Outcome if seen.latency[o].counts}
    return Summary(
        header=header,
        complete=end.complete,
        reason=end.reason,
        voids=[
            *end.voids,
            *doubts.voids(lateness, latency.get("success"), [use.cores for use in generators], seen.causes, offered),
        ],
        doubts=[
            *doubts.doubts(seen.outcomes, offered, header),
            *(doubts.ended(server.ended, is_gone=server.is_gone) if server else []),
            *doubts.throttled(server.throttling if server else None),
        ],
        measured_s=measured_s,
        offered=offered,
        offered_per_s=offered / measured_s if measured_s else 0.0,
        answered_per_s=answered / measured_s if measured_s else 0.0,
        outcomes={outcome.name.lower(): seen.outcomes[outcome] for outcome in Outcome},
        statuses={str(status): count for status, count in sorted(seen.statuses.items())},
        causes={Cause(cause).name.lower(): count for cause, count in sorted(seen.causes.items())},
        latency=latency,
        curves=curves,
        service=Spread.of(seen.service),
        first_byte=Spread.of(seen.first_byte),
        first_event=Spread.of(seen.first_event),
        gaps=Spread.of(seen.gaps),
        events=seen.events,
        tokens=seen.tokens,
        retries=seen.retries,
        lateness=lateness,
        seconds=_seconds(seen),
        warm_up={outcome.name.lower(): count for outcome in Outcome if (count := seen.warm_up[outcome])},
        generators=generators,
        recorder_cpu_s=end.recorder_cpu_s,
        recorder_cores=end.recorder_cpu_s / end.lasted_s if end.lasted_s else 0.0,
        server=server,
        excerpts=seen.excerpts,
        queue=Spread.of(seen.queue),
        run=Spread.of(seen.run),
        reply=Spread.of(seen.reply),
    )


def _seconds(seen: _Collected) -> list[Second]:
    if not seen.seconds:
        return []
    nothing: tuple[Histogram, Counter[int]] = (Histogram(), Counter())
    rows = [seen.seconds.get(second, nothing) for second in range(min(seen.seconds), max(seen.seconds) + 1)]
    return [
        Second(counts.total(), counts[_SUCCESS], counts[_REFUSED], _of(latencies, 50), _of(latencies, 99))
        for latencies, counts in rows
    ]


def _of(histogram: Histogram, percent: float) -> float | None:
    return histogram.percentile(percent) / _NS if histogram.counts else None


def _generator_use(watches: Sequence[Mapping[str, float]]) -> GeneratorUse:
    """Over its whole run: from the first watch, at the zero, to the last, after the last answer."""
    first, last = watches[0], watches[-1]
    lasted_s = last["at_s"] - first["at_s"]
    used_s = last["cpu_s"] - first["cpu_s"]
    return GeneratorUse(used_s / lasted_s if lasted_s > 0 else 0.0, used_s, int(last["most_open"]))


def _server_use(seen: _Collected, answered: int) -> ServerUse | None:
    """From the looks within the measured time, the last before it included."""
    looks = seen.vitals
    start = max((index for index, look in enumerate(looks) if look.at_s * _NS <= seen.begin_ns), default=0)
    looks = looks[start:]
    if len(looks) < 2 or (lasted_s := looks[-1].at_s - looks[0].at_s) <= 0:
        return None
    used_s = looks[-1].cpu_s - looks[0].cpu_s
    return ServerUse(
        cores=used_s / lasted_s,
        cpu_per_success_s=used_s / answered if answered else None,
        pss_bytes=max(look.pss_bytes for look in looks),
        voluntary_per_s=max(0.0, (looks[-1].voluntary - looks[0].voluntary) / lasted_s),
        involuntary_per_s=max(0.0, (looks[-1].involuntary - looks[0].involuntary) / lasted_s),
        ended=ended(looks),
        is_gone=not looks[-1].members,
        throttling=throttled(looks),
    )
