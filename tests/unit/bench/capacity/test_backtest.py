from __future__ import annotations

import math

import pytest

from bench.capacity.backtest import AROUND, OVERLOAD, Foretold, Seen, foretell, judge, reached
from bench.capacity.demand import Demand, Phase, Times
from bench.capacity.instance import Shape
from bench.capacity.queueing import erlang_b
from bench.capacity.slo import Slo
from bench.mistake import Mistake

SLO = Slo(95, 0.1, 0.01)


def seen(per_s, p95_s=0.05, refused=0.0):
    return Seen(per_s, p95_s, refused)


def test_the_promise_breaks_where_the_line_between_two_trials_crosses_it():
    assert reached([seen(80), seen(90, 0.08), seen(100, 0.12)], SLO) == pytest.approx(95)
    assert reached([seen(80), seen(90), seen(100, refused=0.04)], SLO) == pytest.approx(92.5)


def test_whichever_breaks_first_counts_and_no_answer_at_all_breaks_it():
    assert reached([seen(90), seen(100, 0.15, 0.05)], SLO) == pytest.approx(92)
    assert reached([seen(90), seen(100, math.inf, 1.0)], SLO) == 90


def test_a_promise_kept_or_broken_everywhere_gives_the_end_of_the_range():
    assert reached([seen(90), seen(100)], SLO) == 100
    assert reached([seen(90, 0.2), seen(100, 0.2)], SLO) == 90


def test_erlangs_table_is_foretold_within_what_chance_does():
    # 1 % are lost at 4.461 erlangs on 10 lines
    asks = Demand((Phase(Times((0.1,)), blocking=False),))
    said = foretell("lines", asks, Shape(1, 1, 10), Slo(95, 0.2, 0.01), lasts_s=150, seed=3)
    assert said.per_s == pytest.approx(44.61, rel=0.05)
    assert said.azure_per_s == pytest.approx(0.7 * 10 / 0.1)
    flooded = said.at[-1]
    assert flooded.per_s == pytest.approx(OVERLOAD * said.per_s)
    assert flooded.refusal_rate == pytest.approx(erlang_b(10, flooded.per_s * 0.1), rel=0.1)


def test_a_promise_that_no_rate_keeps_is_not_measured():
    asks = Demand((Phase(Times((0.2,)), blocking=False),))
    with pytest.raises(Mistake, match="lines: no rate keeps the promise"):
        foretell("lines", asks, Shape(1, 1, 10), SLO, lasts_s=4, seed=3)


def test_errors_are_shares_of_what_was_measured_and_a_point_of_refusals_is_free():
    rates = [100 * share for share in (*AROUND, OVERLOAD)]
    said = Foretold("x", SLO, 100, 150, [seen(rate) for rate in rates])
    measured = [seen(rate, 0.05 * (1.25 if rate == 150 else 1), 0.005 if rate < 99 else 0.02) for rate in rates]
    judged = judge(said, measured)
    assert judged.measured_per_s == pytest.approx(90 + 12 / 3)
    assert judged.rate_error == pytest.approx(100 / judged.measured_per_s - 1)
    assert judged.azure_error == pytest.approx(150 / judged.measured_per_s - 1)
    assert judged.p95_error == pytest.approx(-0.2)
    assert judged.refusal_excess == pytest.approx(2.0)  # two points, where one is allowed
