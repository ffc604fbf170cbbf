from __future__ import annotations

import pytest

from bench.chains import compare_lengths
from bench.closed import read
from bench.proc import parse_callers
from bench.series import Series
from bench.waiting import beyond


def series(*samples):
    return Series("pfserve", "requests/s", "x", samples)


@pytest.mark.parametrize("phase_s", [0.0, 0.3, 1.2])
def test_the_rate_of_waves_does_not_depend_on_where_the_window_cuts_them(phase_s):
    wave = [(number * 1.25 + phase_s - 1.25, number * 1.25 + phase_s, 200) for number in range(20)]
    reading = read(wave * 500, 5.0, 20.0)
    assert reading.requests_per_s == pytest.approx(400)
    assert (reading.p50_s, reading.p99_s) == (pytest.approx(1.25), pytest.approx(1.25))


def test_percentiles_are_of_the_answers_within_the_window():
    asked = [(0.0, 1.0, 200), (5.0, 5.2, 200), (6.0, 6.4, 200), (9.0, 19.0, 200)]
    reading = read(asked, 5.0, 10.0)
    assert reading.p50_s == pytest.approx(0.3)
    assert reading.requests_per_s == pytest.approx((1 + 1 + 0.1) / 5)


def test_every_answer_but_a_good_one_is_a_failure_wherever_it_lies():
    asked = [(0.0, 1.0, 0), (5.0, 5.2, 200), (6.0, 6.4, 429), (11.0, 12.0, 500)]
    assert read(asked, 5.0, 10.0).failures == 3


def test_no_answers_are_no_figure():
    with pytest.raises(ValueError, match="only 1 answers within 5 s"):
        read([(5.0, 5.2, 200)], 5.0, 10.0)


def test_another_node_and_the_bend():
    node, bend = compare_lengths(series(40.0, 50.0), series(120.0, 90.0), series(238.0, 298.0))
    assert node.samples == pytest.approx((2.0, 1.0))
    assert bend.samples == pytest.approx((1.0, 2.0))


@pytest.mark.parametrize(("rates", "doubts"), [((0.9, 1.0), 0), ((1.02, 1.02), 0), ((2.0, 0.9, 1.1), 1)])
def test_more_than_possible_is_a_doubt(rates, doubts):
    assert len(beyond(series(*rates))) == doubts


TCP = """\
  sl  local_address rem_address   st
   0: 0100007F:1F90 00000000:0000 0A
   1: 0100007F:1F90 0100007F:C001 01
   2: 0100007F:C001 0100007F:1F90 01
   3: 0100007F:C002 0100007F:1F90 06
   4: 0100007F:C003 0100007F:0050 01
"""


def test_callers_are_counted_once_and_the_listener_is_none():
    assert parse_callers(TCP, 8080) == {"C001", "C002"}
