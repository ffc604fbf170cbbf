from __future__ import annotations

import pytest

from pfserve.region import Region, SeatState

SECOND = 1_000_000_000
NOW = 100 * SECOND


@pytest.fixture
def region() -> Region:
    return Region(capacity=4, seats=5)


def live(region: Region, seat: int, connections: int = 0, *, generation: int = 1, beat_ns: int = NOW) -> int:
    epoch = region.occupy(seat, generation)
    region.pids[seat] = 1000 + seat
    region.beats[seat] = beat_ns
    region.states[seat] = SeatState.LIVE
    region.connections[seat] = connections
    return epoch


def test_all_is_zero_at_birth_and_no_array_overlaps(region: Region) -> None:
    arrays = [region.tickets, region.connections, region.beats, region.states]
    arrays += [region.pids, region.generations, region.epochs, region.served]
    assert [list(array) for array in arrays] == [[0] * 5] * 8
    for mark, array in enumerate(arrays, start=1):
        for seat in range(5):
            array[seat] = 10 * mark + seat
    region.master_beat_ns = 7
    with region.lock:
        pass
    assert [list(array) for array in arrays] == [[10 * mark + seat for seat in range(5)] for mark in range(1, 9)]
    assert region.master_beat_ns == 7 and region.draining is False


def test_hundreds_of_seats() -> None:
    region = Region(capacity=1, seats=400)
    region.served[399] = 2**64 - 1
    assert region.served[399] == 2**64 - 1 and sum(region.tickets) == 0


def test_the_masters_words(region: Region) -> None:
    region.master_beat_ns = NOW
    region.draining = True
    assert (region.master_beat_ns, region.draining) == (NOW, True)
    region.draining = False
    assert (region.master_beat_ns, region.draining) == (NOW, False)


def test_a_seat_is_occupied_and_left(region: Region) -> None:
    assert region.occupy(2, generation=3) == 0
    assert (region.states[2], region.generations[2], region.pids[2]) == (SeatState.BOOTING, 3, 0)
    region.vacate(2)
    live(region, 2, 6)
    region.tickets[2] = 3
    region.served[2] = 99
    region.vacate(2)
    assert region.states[2] == SeatState.EMPTY
    assert (region.tickets[2], region.connections[2], region.pids[2], region.generations[2]) == (0, 0, 0, 0)
    assert region.served[2] == 99, "what was served stays served"
    assert region.occupy(2, generation=4) == 2


def test_a_new_process_is_not_live_by_its_predecessors_beat(region: Region) -> None:
    live(region, 0)
    region.vacate(0)
    region.occupy(0, generation=1)
    region.states[0] = SeatState.LIVE
    assert region.live_seats(NOW, 5 * SECOND) == []


def test_live_seats(region: Region) -> None:
    live(region, 0)
    live(region, 1, beat_ns=NOW - 5 * SECOND)
    live(region, 2, beat_ns=NOW - 5 * SECOND - 1)
    live(region, 3, generation=2)
    region.states[3] = SeatState.DRAINING
    assert region.live_seats(NOW, 5 * SECOND) == [0, 1]


CHOICES = {  # own seat, connections of seats that are live; the choice
    "the fewest": (0, {0: 3, 1: 2, 2: 1, 3: 2}, 2),
    "a tie goes to the own seat": (2, {0: 1, 1: 1, 2: 1}, 2),
    "then to the lowest": (3, {0: 2, 1: 1, 2: 1, 3: 4}, 1),
    "the own seat alone": (1, {1: 9}, 1),
    "without any live seat, the own": (4, {}, 4),
    "the own seat is not live": (4, {0: 1, 2: 0}, 2),
}


@pytest.mark.parametrize("name", CHOICES)
def test_who_gets_a_connection(region: Region, name: str) -> None:
    own, connections, expected = CHOICES[name]
    region.generations[own] = 1
    for seat, count in connections.items():
        live(region, seat, count)
    before = region.connections[expected]
    assert region.least_connected(own, NOW, 5 * SECOND) == (expected, 0)
    assert region.connections[expected] == before + 1
    assert sum(region.connections) == sum(connections.values()) + 1


def test_other_generations_and_stale_or_draining_seats_get_none(region: Region) -> None:
    live(region, 0, 7)
    live(region, 1, 0, generation=2)
    live(region, 2, 0, beat_ns=NOW - 6 * SECOND)
    live(region, 3, 0)
    region.states[3] = SeatState.DRAINING
    live(region, 4, 8)
    assert region.least_connected(4, NOW, 5 * SECOND) == (0, 0)


@pytest.mark.parametrize(
    ("serving", "own", "expected"),
    [
        (0, 0, [0, 1]),  # none has got ready yet: each to its own
        (0, 2, [2]),
        (1, 2, [0, 1]),  # workers of a generation that gets ready leave connections to the one that serves
        (2, 0, [2]),
        (3, 0, [0, 1]),  # the serving one has just died
        (3, 3, [0, 1, 2]),  # and the seat's own has no live seat either: whoever there is
    ],
)
def test_connections_go_to_the_serving_generation(region: Region, serving: int, own: int, expected: list[int]) -> None:
    live(region, 0)
    live(region, 1)
    live(region, 2, generation=2)
    region.occupy(3, 4)
    region.serving_generation = serving
    assert region.targets(own, NOW, 5 * SECOND) == expected


def test_a_seat_without_descriptors_gets_no_connection(region: Region) -> None:
    for seat in range(3):
        live(region, seat, 5 * seat)
    region.exhausted[0] = 1
    assert region.least_connected(0, NOW, 5 * SECOND) == (1, 0)
    region.exhausted[1] = region.exhausted[2] = 1
    assert region.least_connected(2, NOW, 5 * SECOND) == (2, 0), "where nobody has any it stays where it is"
    region.vacate(0)
    live(region, 0)
    assert region.least_connected(2, NOW, 5 * SECOND) == (0, 1), "its successor has descriptors"


def test_a_burst_is_spread_evenly(region: Region) -> None:
    for seat in range(4):
        live(region, seat)
    for _ in range(64):
        region.least_connected(1, NOW, 5 * SECOND)
    assert list(region.connections) == [16, 16, 16, 16, 0]


def test_a_connection_of_a_dead_process_is_not_taken_off_the_next(region: Region) -> None:
    live(region, 0)
    place = region.least_connected(0, NOW, 5 * SECOND)
    region.vacate(0)
    epoch = live(region, 0)
    region.connection_closed(*place)
    assert (region.connections[0], epoch) == (0, 1)
    region.connection_adopted(0)  # it was on its way to the dead one
    assert region.connections[0] == 1
    region.connection_closed(0, epoch)
    assert region.connections[0] == 0
