"""Closed forms against printed tables.

* Hillier and Lieberman, Introduction to Operations Research, chapter "Queueing Theory", the County Hospital: patients
  come at 2 an hour, a doctor treats 3 an hour. One doctor: P(wait) 0.667, Wq 2/3 h; two: 0.167, 1/24 h.
* Erlang B as in every traffic table: 1 % are lost at 4.461 erlangs on 10 lines, 37.901 on 50, 84.064 on 100.
* Gross and Harris, Fundamentals of Queueing Theory: M/D/1 waits half as long as M/M/1; M/M/1/K in closed form.
* M/D/c by another way than Crommelin's sum: the roots of z^c = exp(load (z - 1)) within the unit circle, from which
  the generating function of the number of customers gives the mean (Saaty, Elements of Queueing Theory, 1961).
"""

from __future__ import annotations

import cmath
import itertools
import math
from fractions import Fraction

import pytest

from bench.capacity import queueing


@pytest.mark.parametrize("lines, load", [(10, 4.461), (50, 37.901), (100, 84.064)])
def test_erlang_b(lines, load):
    assert queueing.erlang_b(lines, load) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("doctors, waits, hours", [(1, 2 / 3, 2 / 3), (2, 1 / 6, 1 / 24)])
def test_the_county_hospital(doctors, waits, hours):
    assert queueing.erlang_c(doctors, 2 / 3) == pytest.approx(waits)
    assert queueing.wait_mmc(doctors, 2 / 3) / 3 == pytest.approx(hours)


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9, 0.99])
def test_one_server_with_even_service_is_pollaczek_and_khinchine(load):
    assert queueing.wait_mdc(1, load) == pytest.approx(load / 2 / (1 - load), rel=1e-5)


def by_roots(servers, load):
    """The mean wait of M/D/c: of the number inside Q(z) = N(z) / D(z), N vanishing at the roots, take Q'(1)."""
    inside = -((servers - load) ** 2 - servers) / (2 * (servers - load))
    for number in range(1, servers):
        turn = cmath.exp(2j * math.pi * number / servers)
        root = turn / 2
        for _ in range(100):  # Newton
            image = turn * cmath.exp(load / servers * (root - 1))
            root -= (root - image) / (1 - load / servers * image)
        inside += (1 / (1 - root)).real
    return (inside - load) / load


@pytest.mark.parametrize("servers", [1, 2, 4, 8, 16, 64])
@pytest.mark.parametrize("busy", [0.5, 0.8, 0.9])
def test_even_service_is_crommelins_to_nine_tenths_of_full_load(servers, busy):
    expected = by_roots(servers, servers * busy)
    assert queueing.wait_mdc(servers, servers * busy) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("servers", [1, 2, 4, 8, 16, 64])
@pytest.mark.parametrize("busy", [0.95, 0.99, 0.999])
def test_even_service_is_within_a_hundredth_beyond(servers, busy):
    assert queueing.wait_mdc(servers, servers * busy) == pytest.approx(by_roots(servers, servers * busy), rel=0.01)


@pytest.mark.parametrize("servers, places, load", [(2, 4, 1), (3, 7, 4), (4, 4, 2)])
def test_a_bounded_line_by_balance_in_whole_numbers(servers, places, load):
    weights = list(
        itertools.accumulate(range(1, places + 1), lambda w, n: w * load / min(n, servers), initial=Fraction(1))
    )
    refused = weights[-1] / sum(weights)
    waiting = sum((inside - servers) * weight for inside, weight in enumerate(weights) if inside > servers) / sum(
        weights
    )
    assert queueing.bounded(servers, load, places) == pytest.approx(
        (float(refused), float(waiting / (load * (1 - refused)))), rel=1e-12
    )


@pytest.mark.parametrize("variation2", [0.0, 0.25, 1.0, 4.0])
@pytest.mark.parametrize("load", [0.3, 0.8])
def test_general_service_on_one_server_is_exact(variation2, load):
    exact = load * (1 + variation2) / 2 / (1 - load)
    assert queueing.wait_mgc(1, load, variation2) == pytest.approx(exact, rel=1e-5)


def test_the_interpolation_is_exact_at_both_ends():
    assert queueing.wait_mgc(8, 6.4, 0) == pytest.approx(queueing.wait_mdc(8, 6.4))
    assert queueing.wait_mgc(8, 6.4, 1) == pytest.approx(queueing.wait_mmc(8, 6.4))


@pytest.mark.parametrize("load", [0.5, 0.9, 1.5])
def test_a_bounded_line_of_one_server(load):
    places = 5
    refused, _ = queueing.bounded(1, load, places)
    assert refused == pytest.approx(load**places * (1 - load) / (1 - load ** (places + 1)))


def test_bounded_without_a_line_is_erlang_b_and_with_an_endless_one_erlang_c():
    assert queueing.bounded(10, 8, 10)[0] == pytest.approx(queueing.erlang_b(10, 8))
    refused, wait = queueing.bounded(10, 8, 2000)
    assert refused < 1e-9 and wait == pytest.approx(queueing.wait_mmc(10, 8))


def test_a_thousand_places_beyond_full_load_do_not_overflow():
    refused, wait = queueing.bounded(4, 400, 1000)
    assert refused == pytest.approx(0.99, abs=1e-3) and wait == pytest.approx(996 / 4, rel=1e-2)


def test_full_load_waits_for_ever():
    waits = queueing.wait_mmc(2, 2), queueing.wait_mdc(2, 2), queueing.wait_mgc(2, 2, 1)
    assert set(waits) == {math.inf}


def test_fewer_places_than_servers_are_no_queue():
    with pytest.raises(ValueError, match="3 places for 4 servers"):
        queueing.bounded(4, 1, 3)
