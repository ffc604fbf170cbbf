"""Records made by hand, with figures that can be told beforehand, and the pages made of them."""

from __future__ import annotations

import array
import functools

import msgspec
import pytest

from bench.blocks import EVENTS_HEAD, HEAD, Kind
from bench.cgroup import Throttling
from bench.mistake import Mistake
from bench.recorder import End, read
from bench.recorder.header import MAGIC
from bench.sample import LAYOUT, NEVER, Cause, Outcome
from bench.schedule import Closed, Open, Segment, Shape, Trace
from bench.trial import page, summarise
from bench.vitals import Vitals
from records import MS, sample, told_by


@pytest.fixture
def told(tmp_path):
    """Writes a record and tells what it says."""
    return functools.partial(told_by, tmp_path / "a.pftrial")


def test_rates_shares_and_times(told):
    summary = told([sample(1000 + 10 * number, latency_ms=number + 1, waits_ms=0.5) for number in range(1000)])
    assert (summary.offered, summary.offered_per_s, summary.outcomes["success"]) == (1000, 100, 1000)
    latency, service = summary.latency["success"], summary.service
    assert latency.percentiles_s["50"] == pytest.approx(0.5, rel=2e-3)
    assert latency.percentiles_s["99"] == pytest.approx(0.99, rel=2e-3)
    assert latency.max_s == pytest.approx(1, rel=2e-3)
    assert latency.mean_s == pytest.approx(0.5005, rel=2e-3)
    assert service.percentiles_s["50"] == pytest.approx(0.4995, rel=2e-3)
    assert (summary.voids, summary.complete) == ([], True)


def test_answers_count_when_they_came_within_the_measured_time(told):
    late = told([sample(10_990, latency_ms=20), sample(1500)])
    assert (late.offered, late.answered_per_s) == (2, 0.1)


def test_the_warm_up_is_apart(told):
    summary = told([sample(999), sample(10, outcome=Outcome.FAILED, status=500), sample(1000)])
    assert summary.warm_up == {"success": 1, "failed": 1}
    assert (summary.offered, summary.statuses) == (1, {"200": 1})


def test_a_refusal_is_neither_success_nor_failure(told):
    kinds = [
        sample(1000),
        sample(1001, outcome=Outcome.REFUSED, status=429),
        sample(1002, outcome=Outcome.TIMED_OUT, status=408),
        sample(1003, outcome=Outcome.TIMED_OUT, status=0, cause=Cause.CLIENT_TIMEOUT),
        sample(1004, outcome=Outcome.FAILED, status=502),
        sample(1005, outcome=Outcome.CONNECTION, status=200, cause=Cause.CUT),
        sample(1006, outcome=Outcome.DROPPED, status=0, cause=Cause.IN_FLIGHT_LIMIT, sent_ns=NEVER, first_ns=NEVER),
    ]
    summary = told(kinds)
    assert summary.outcomes == {
        "success": 1, "refused": 1, "timed_out": 2, "failed": 1, "connection": 1, "dropped": 1,
    }  # fmt: skip
    assert summary.causes == {"client_timeout": 1, "cut": 1, "in_flight_limit": 1}
    assert "dropped" not in summary.latency
    assert summary.service.count == 1
    assert summary.doubts == [
        "1 requests (14.3%) were never sent: 100 were in flight already (--max-in-flight)",
        "the latency of successes leaves out 83.3% of what was sent",
    ]


def test_a_late_generator_voids_the_trial(told):
    summary = told([sample(1000 + number, late_ns=3 * MS if number < 2 else 0) for number in range(100)])
    [void] = summary.voids
    assert void.startswith("the generator was late: 1 % of the requests began more than 3 ms after their time, 2 ms is")


def test_lateness_is_seen_beside_the_latency(told):
    assert told([sample(1000 + number, latency_ms=100, late_ns=9 * MS) for number in range(100)]).voids == []


def test_retries_are_never_late_but_counted(told):
    summary = told([sample(1000), sample(1001, late_ns=0, attempt=1)])
    assert (summary.retries, summary.lateness.count) == (1, 1)


def watch(at_s: float, cpu_s: float) -> tuple[Kind, bytes]:
    return Kind.WATCH, msgspec.json.encode({"at_s": at_s, "cpu_s": cpu_s, "most_open": 12})


def test_a_generator_that_was_the_limit_itself_voids_the_trial(told):
    busy = told([sample(1000)], watch(0, 0.1), watch(10, 9.8))
    assert busy.generators[0].cores == pytest.approx(0.97)
    assert busy.voids == ["generator process 0 used 0.97 cores and was the limit itself: use more --generators"]
    assert told([sample(1000)], watch(0, 0.1), watch(10, 5)).voids == []


@pytest.mark.parametrize(
    ("cause", "said"), [(Cause.OUT_OF_FILES, "no file descriptors"), (Cause.OUT_OF_PORTS, "no ephemeral ports")]
)
def test_what_the_machine_ran_out_of_voids_the_trial(told, cause, said):
    assert said in told([sample(1000, outcome=Outcome.CONNECTION, status=0, cause=cause), sample(1001)]).voids[0]


def test_nothing_measured_is_void(told):
    assert told([]).voids == ["no request was measured"]


def test_a_record_without_its_end_is_partial_and_measured_to_its_last_request(told):
    summary = told([sample(1000 + 10 * number) for number in range(101)], end=None)
    assert (summary.complete, summary.reason) == (False, "the record ends before the trial did")
    assert summary.measured_s == pytest.approx(1)
    interrupted = told([sample(1000), sample(3000)], end=End(complete=False, reason="it was interrupted"))
    assert (interrupted.complete, interrupted.reason, interrupted.measured_s) == (False, "it was interrupted", 2)


def test_what_the_running_trial_saw_is_kept(told):
    assert told([sample(1000)], end=End(complete=False, voids=("process 1 died",))).voids == ["process 1 died"]


def events(intended_ms: int, *offsets_ms: int) -> tuple[Kind, bytes]:
    offsets = array.array("I", [offset * 1000 for offset in offsets_ms]).tobytes()
    return Kind.EVENTS, EVENTS_HEAD.pack(intended_ms * MS, 0, 0, len(offsets_ms)) + offsets


def test_streams(told):
    streams = [events(1000, 100, 120, 160), events(1001, 200), events(1002), events(10, 900, 990)]
    summary = told([sample(1000, events=3, tokens=5), sample(1001, events=1, tokens=1)], *streams)
    assert (summary.events, summary.tokens) == (4, 6)
    assert (summary.first_event.count, summary.first_event.max_s) == (2, pytest.approx(0.2, rel=1e-3))
    assert (summary.gaps.count, summary.gaps.max_s) == (2, pytest.approx(0.04, rel=1e-3))


def vitals(
    at_s: float, cpu_s: float, members: list[tuple[int, int]], throttling: Throttling | None = None
) -> tuple[Kind, bytes]:
    look = Vitals(at_s, cpu_s, round(at_s * 10), round(at_s * 100), round(at_s), members, throttling)
    return Kind.VITALS, msgspec.json.encode(look)


def test_the_server_is_seen_from_the_end_of_the_warm_up(told):
    looks = [
        vitals(0, 0, [(1, 5)]),
        vitals(1, 9, [(1, 5), (2, 6)]),
        vitals(6, 12, [(1, 5), (3, 9)]),
        vitals(11, 14, [(1, 5), (3, 9)]),
    ]
    use = told([sample(2000 + number) for number in range(10)], *looks).server
    assert (use.cores, use.cpu_per_success_s, use.pss_bytes, use.ended) == (0.5, 0.5, 110, 1)
    assert (use.voluntary_per_s, use.involuntary_per_s) == (100, 1)


def test_a_throttled_server_is_warned_of(told):
    periods = [(0, 1), (1, 5), (6, 9), (11, 15)]
    looks = [vitals(at_s, at_s, [(1, 5)], Throttling(count, count / 100)) for at_s, count in periods]
    summary = told([sample(2000)], *looks)
    assert summary.server.throttling == Throttling(10, pytest.approx(0.1))
    assert summary.doubts == [
        "the server was throttled: the CPU limit of its cgroup stopped it in 10 periods, for 100 ms over all processors"
    ]
    assert "throttled by its cgroup: in 10 periods, for 100 ms" in page.text(summary)


def test_throttling_that_did_not_happen_or_cannot_be_seen_is_no_warning(told):
    for throttling, said in ((Throttling(3, 0.5), "never"), (None, "cannot be seen here")):
        summary = told([sample(2000)], *(vitals(at_s, at_s, [(1, 5)], throttling) for at_s in (1, 11)))
        assert summary.doubts == []
        assert f"throttled by its cgroup: {said}" in page.text(summary)


def test_by_the_second(told):
    summary = told([sample(1100), sample(1200, outcome=Outcome.REFUSED), sample(3100, latency_ms=50)])
    assert [(second.offered, second.succeeded) for second in summary.seconds] == [(2, 1), (0, 0), (1, 1)]
    assert summary.seconds[1].p99_s is None


def test_what_the_server_tells_of_its_time(told):
    """Of 100 ms of service, sent 1 ms late, it waited 20 and ran 70."""
    both = [sample(1000 + number, latency_ms=101, queue_us=20_000, run_us=70_000) for number in range(9)]
    stream = sample(1010, latency_ms=301, queue_us=40_000)
    refused = sample(1011, queue_us=1000, outcome=Outcome.REFUSED, status=429)
    summary = told([*both, stream, sample(1012), refused])
    assert (summary.queue.count, summary.run.count, summary.reply.count) == (10, 9, 9)
    for spread, seconds in ((summary.queue, 0.02), (summary.run, 0.07), (summary.reply, 0.01)):
        assert spread.percentiles_s["50"] == pytest.approx(seconds, rel=2e-3)
    assert summary.queue.max_s == pytest.approx(0.04, rel=2e-3)
    rows = {row[0].strip(): row[2] for part in page.parts(summary) if part.title == "Latency" for row in part.rows}
    assert rows["success, from the real start"] == "100 ms"
    assert rows["in the queue, as the server tells"] == "20 ms"
    assert rows["running, as the server tells"] == "70.1 ms"  # of its bucket the largest
    assert rows["reply: the rest of it"] == "10 ms"


def test_a_server_that_tells_nothing_has_no_such_rows(told):
    summary = told([sample(1000)])
    assert (summary.queue, summary.run, summary.reply) == (None, None, None)
    assert "as the server tells" not in page.text(summary)


PAGE = """\
VOID: these figures must not be believed
  generator process 0 died (killed by signal 9); its last samples are lost
  the trial was cut short
  the latency of successes leaves out 50.0% of what was sent

Asked
  POST http://127.0.0.1:8080/score
  open loop, 100 requests/s, poisson spacing, 1 s after 1 s of warm-up, seed 7
  2 bodies (sha256 abababababab), timeout 60 s, at most 64 connections and 100 requests in flight
  headers: none of its own; connections are kept; Retry-After obeyed up to 1 times; 1 generator

Outcome
                         requests   share
  offered                       2   2.0/s
  success                       1  50.00%
  failed                        1  50.00%
  answered with success             1.0/s
  status 200                    1
  status 500                    1

Latency
                                   mean   p50   p75   p90   p95   p99  p99.9   max
  success, from the intended start  5 ms  5 ms  5 ms  5 ms  5 ms  5 ms   5 ms  5 ms
"""


def test_a_record_cut_anywhere_is_reported_as_partial(told, tmp_path):
    """A process that was killed leaves one; half of the first block of samples is no sample."""
    whole = told([sample(1000 + number) for number in range(30)], watch(0, 0.1), watch(10, 5))
    path = tmp_path / "a.pftrial"
    data = path.read_bytes()
    header = len(MAGIC) + HEAD.size + HEAD.unpack_from(data, len(MAGIC))[2]
    seen = set()
    for cut in range(header, len(data), 97):
        path.write_bytes(data[:cut])
        summary = summarise(read(path))
        assert (summary.complete, summary.reason) == (False, "the record ends before the trial did")
        assert page.text(summary)
        seen.add(summary.offered)
    assert (seen, whole.offered) == ({0, 30}, 30)


@pytest.mark.parametrize(
    "block",
    [
        (Kind.SAMPLES, b"half a sample"),
        (Kind.SAMPLES, LAYOUT.pack(*sample(1000, outcome=77))),
        (Kind.SAMPLES, LAYOUT.pack(*sample(1000, cause=77))),
        (Kind.EVENTS, b""),
        (Kind.WATCH, b"{}"),
        (Kind.WATCH, b"nonsense"),
        (Kind.VITALS, b"[]"),
        (Kind.EXCERPT, b"[]"),
        (Kind.END, b"null"),
    ],
)
def test_a_damaged_record_is_a_mistake_that_names_the_file(told, block):
    with pytest.raises(Mistake, match=r"a\.pftrial: it is damaged: "):
        told([sample(1000)], block)


def test_not_one_success_is_said_and_has_no_latency(told):
    refusals = [sample(1000 + number, outcome=Outcome.REFUSED, status=429) for number in range(10)]
    unsent = {"status": 0, "sent_ns": NEVER, "first_ns": NEVER}
    lost = sample(1100, outcome=Outcome.CONNECTION, cause=Cause.CONNECT_REFUSED, **unsent)
    summary = told([*refusals, lost])
    assert summary.doubts == ["not one request succeeded"]
    assert (summary.answered_per_s, summary.service, summary.first_byte) == (0, None, None)
    assert set(summary.latency) == set(summary.curves) == {"refused", "connection"}
    assert [second.p99_s for second in summary.seconds] == [None]
    for made in (page.text(summary), page.markdown(summary)):
        assert "success, from" not in made
        assert "refused, from the intended start" in made


def test_a_server_whose_processes_end_is_warned_of(told):
    replaced = [vitals(1, 1, [(1, 5), (2, 6)]), vitals(11, 2, [(1, 5), (3, 9)])]
    assert told([sample(2000)], *replaced).doubts == ["1 processes of the server ended while it was measured"]
    gone = told([sample(2000)], vitals(1, 1, [(1, 5), (2, 6)]), vitals(11, 2, []))
    assert (gone.server.ended, gone.server.is_gone) == (2, True)
    assert gone.doubts == ["the server ended while it was loaded"]


def test_the_page(told):
    died = ("generator process 0 died (killed by signal 9); its last samples are lost",)
    end = End(complete=False, reason="the trial was cut short", voids=died)
    summary = told([sample(1000), sample(2000, outcome=Outcome.FAILED, status=500)], end=end)
    lines, wanted = page.text(summary).splitlines(), PAGE.splitlines()
    assert lines[:19] == wanted[:19]
    assert [line.split() for line in lines[20:23]] == [line.split() for line in wanted[20:23]]


def test_markdown_has_the_same_in_tables(told):
    made = page.markdown(told([sample(1000)]))
    assert "### Outcome\n\n|  | requests | share |\n| --- | ---: | ---: |\n| offered | 1 | 0.1/s |" in made
    assert "- POST http://127.0.0.1:8080/score" in made


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Open(Shape((Segment(1, 1, 5), Segment(1, 9, 9)))), "open loop, 1..5x1s,9x1s requests/s, constant spacing"),
        (Closed(8), "closed loop, 8 users, no thinking"),
        (Trace((0.0, 1.0)), "replay of 2 requests"),
    ],
)
def test_loads_are_named(told, load, said):
    assert said in page.text(told([sample(1000)], load=load))


def test_every_setting_is_told(told):
    summary = told([sample(1000)])
    asked = {"headers": ["Accept", "X-A"], "closes": True, "retries": 0, "processes": 3, "verifies_tls": False}
    summary = msgspec.structs.replace(summary, header=msgspec.structs.replace(summary.header, **asked))
    assert (
        "  headers: Accept, X-A; a connection for every request; Retry-After not obeyed; 3 generators; any certificate "
        "accepted\n"
    ) in page.text(summary)


def test_a_long_list_of_steps_is_cut(told):
    steps = Open(Shape(tuple(Segment(60, rate, rate) for rate in range(1, 27))))
    assert ",24x60s and 2 more requests/s" in page.text(told([sample(1000)], load=steps))


def test_a_closed_loop_says_what_it_hides(told):
    assert "closed loop: a slow server is asked less often" in told([sample(1000)], load=Closed(8)).doubts[0]


def test_sparks():
    assert page.sparks([0, 1, 7]) == "▁▂█"
    assert page.sparks([0, 0]) == "▁▁"
    assert page.sparks([]) == ""
