from __future__ import annotations

import pytest

from pfserve.region import BOUNDS_S, Departure, Fact, Ledger, Life, Outcome, Page, PlanFacts, Refusal


def test_a_request_is_counted_by_outcome_and_duration() -> None:
    page = Page()
    for status, took_s in [
        (200, 0.0001),
        (200, 0.00025),
        (200, 0.0003),
        (429, 400.0),
        (-1, 1.0),
        (503, 2.0),
        (-2, 3.0),
    ]:
        page.count_scored(status, took_s)
    assert page.buckets(Outcome.OK)[:3] == [2, 1, 0]  # a bound belongs to the bucket below it
    assert page.buckets(Outcome.CLIENT_ERROR)[-1] == 1
    assert page.buckets(Outcome.GONE)[BOUNDS_S.index(1.0)] == 1
    assert sum(page.buckets(Outcome.SERVER_ERROR)) == 1
    assert page.buckets(Outcome.CUT)[BOUNDS_S.index(5.0)] == sum(page.buckets(Outcome.CUT)) == 1
    assert page.answered == 7


def test_durations_are_summed_at_the_flush_and_lose_nothing_to_rounding() -> None:
    page = Page()
    for _ in range(1000):
        page.count_scored(200, 0.0000123)
        page.flush()
    assert page.microseconds(Outcome.OK) in (12299, 12300)
    assert page.microseconds(Outcome.CLIENT_ERROR) == 0


def test_no_count_overlaps_another() -> None:
    page = Page()
    page.count_scored(599, 1e9)
    page.count_other(-1)
    for cause in Refusal:
        page.count_refusal(cause)
    for how in Departure:
        page.count_departure(how)
    page.count_start()
    assert [page.refusals(cause) for cause in Refusal] == [1] * len(Refusal)
    assert [page.departures(how) for how in Departure] == [1] * len(Departure)
    assert (page.starts, page.answered, page.others(Outcome.GONE), page.others(Outcome.OK)) == (1, 1, 1, 0)
    assert page.microseconds(Outcome.SERVER_ERROR) == 0


def test_the_pages_of_seats_and_the_words_of_the_master_are_apart() -> None:
    ledger = Ledger(seats=3, blocks=2)
    for seat, page in enumerate(ledger.pages):
        for _ in range(seat + 1):
            page.count_start()
    for fact in Fact:
        ledger.facts[fact] = 100 + fact
    for block in range(2):
        ledger.generations[block], ledger.lives[block], ledger.leaders[block] = 7 + block, Life.LIVE, 9 + block
    assert [page.starts for page in ledger.pages] == [1, 2, 3]
    assert list(ledger.facts) == [100 + fact for fact in Fact]
    assert (list(ledger.generations), list(ledger.leaders)) == ([7, 8], [9, 10])


@pytest.mark.parametrize("name", ["echo", "ü" * 5000, ""])
def test_what_a_generation_serves(name: str) -> None:
    ledger = Ledger(seats=1, blocks=2)
    assert ledger.plan(1) == PlanFacts()
    ledger.tell_plan(1, PlanFacts(name, "dag", "abc", 3))
    assert ledger.plan(1) == PlanFacts(name if len(name) < 100 else name[:100], "dag", "abc", 3)
    assert ledger.plan(0) == PlanFacts()
    ledger.forget_plan(1)
    assert ledger.plan(1) == PlanFacts()
