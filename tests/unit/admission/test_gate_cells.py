from __future__ import annotations

from collections.abc import Iterator

import pytest

from pfserve.admission import Gate
from pfserve.region import Region


def test_the_bound_is_one_for_all_seats() -> None:
    region = Region(capacity=3, seats=4)
    gates = [Gate(region, seat) for seat in range(4)]
    assert [gate.admit() for gate in gates] == [True, True, True, False]
    assert all(gate.full() for gate in gates) and gates[0].inside() == 3
    gates[1].release()
    assert not any(gate.full() for gate in gates) and gates[0].inside() == 2
    assert [gate.admit() for gate in reversed(gates)] == [True, False, False, False]
    assert list(region.tickets) == [1, 0, 1, 1]


def test_a_refusal_takes_nothing_and_leaves_the_lock_free() -> None:
    region = Region(capacity=1, seats=2)
    gate = Gate(region, 0)
    assert gate.admit()
    assert not any(gate.admit() for _ in range(5))
    assert list(region.tickets) == [1, 0] and region.lock.holder() == 0


def test_a_dead_seats_tickets_are_free_when_it_is_vacated() -> None:
    region = Region(capacity=2, seats=2)
    dead, gate = Gate(region, 0), Gate(region, 1)
    assert dead.admit() and dead.admit() and gate.full()
    region.vacate(0)
    assert gate.admit() and gate.admit() and not gate.admit()


def test_one_release_too_many_is_an_error_not_a_place() -> None:
    gate = Gate(Region(capacity=1, seats=1), 0)
    with pytest.raises(ValueError):
        gate.release()
    assert gate.inside() == 0


class MovingTickets:
    """One request that a sum without the lock meets twice: it leaves cell 0, and another comes to cell 1."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.confirmed = False

    def __iter__(self) -> Iterator[int]:
        if self._region.lock.holder():
            self.confirmed = True
            return iter((0, 1))
        return iter((1, 1))


def test_a_look_that_says_full_is_confirmed_under_the_lock() -> None:
    region = Region(capacity=2, seats=2)
    tickets = MovingTickets(region)
    region.tickets = tickets  # type: ignore[assignment]
    gate = Gate(region, 0)
    assert sum(tickets) == 2 and not gate.full()
    assert tickets.confirmed


def test_retry_after_follows_what_the_instance_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 50.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    monkeypatch.setattr("time.monotonic_ns", lambda: int(now_s * 1e9))
    region = Region(capacity=1, seats=3)
    region.served[0] = 1000  # long ago
    gate = Gate(region, 0)
    assert gate.admit()
    for second in range(1, 11):
        now_s = 50.0 + second
        region.served[1] += 1  # other workers
        region.served[2] += 1
        gate.tick(now_s, [])
    assert gate.retry_after_s([]) == pytest.approx(0.5)


def test_retry_after_is_when_the_first_of_all_requests_should_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 50.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    monkeypatch.setattr("time.monotonic_ns", lambda: int(now_s * 1e9))
    region = Region(capacity=4, seats=2)
    mine, other = Gate(region, 0), Gate(region, 1)
    for gate in (mine, mine, other, other):
        assert gate.admit()
    assert mine.retry_after_s([0.3, 0.1]) == pytest.approx(0.3), "nothing has ended yet"
    for _ in range(10):
        region.ledger.pages[1].count_scored(200, 2.0)
    region.ledger.pages[1].flush()
    mine.tick(now_s, [])
    other.tick(now_s, [])
    assert mine.retry_after_s([0.5, 0.1]) == pytest.approx(1.5)
    assert other.retry_after_s([1.2, 0.1]) == pytest.approx(0.8)
    assert mine.retry_after_s([0.5, 0.1]) == pytest.approx(0.8), "the other one's ends first"
    now_s = 51.0
    assert mine.retry_after_s([1.5, 1.1]) == pytest.approx(0.5), "what the other one said is over, its next one later"
    other.tick(now_s, [1.9])
    assert mine.retry_after_s([1.5, 1.1]) == pytest.approx(0.1), "it has told on its beat"
    other.release()
    other.release()
    assert mine.retry_after_s([1.6, 1.1]) == pytest.approx(0.4)


def test_retry_after_knows_how_long_requests_take_before_their_worker_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 50.0
    monkeypatch.setattr("time.monotonic_ns", lambda: int(now_s * 1e9))
    region = Region(capacity=1, seats=2)
    runs, refuses = Gate(region, 0), Gate(region, 1)
    assert runs.admit()
    runs.tick(now_s, [0.5])
    assert refuses.retry_after_s([]) == pytest.approx(0.5), "nothing has ended yet"
    region.ledger.pages[1].count_scored(200, 2.0)
    region.ledger.pages[1].flush()
    now_s = 50.25
    assert refuses.retry_after_s([]) == pytest.approx(1.25)


def test_retry_after_counts_the_time_on_a_thread_not_in_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 50.0)
    monkeypatch.setattr("time.monotonic_ns", lambda: int(50.0e9))
    region = Region(capacity=1, seats=1)
    for _ in range(10):
        region.ledger.pages[0].count_wait(4.0)
        region.ledger.pages[0].count_scored(200, 5.0)
    region.ledger.pages[0].flush()
    gate = Gate(region, 0)  # a new one: it knows what was before it
    assert gate.admit()
    assert gate.retry_after_s([0.25]) == pytest.approx(0.75)
