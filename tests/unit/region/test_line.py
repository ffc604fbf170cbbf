"""The line: first in, first out, whatever is taken back, put back, forgotten or moved meanwhile."""

from __future__ import annotations

import random

import pytest

from pfserve.region import Entry, Line, Region

A, B, C = 0, 1, 2


def anybody(_: int) -> bool:
    return True


@pytest.fixture
def region() -> Region:
    return Region(capacity=4, seats=6, blocks=2)


@pytest.fixture
def line(region: Region) -> Line:
    return region.line(A)


def play(line: Line, history: str) -> str:
    """Do what the words say; give what came out. ``+a`` push at seat a; ``-`` pop; ``x2`` cancel the second pushed;
    ``<2`` put it back; ``a-`` pop only what waits at seat a. Entries are named by when they were first pushed."""
    pushed: list[Entry] = []
    out: list[str] = []
    for word in history.split():
        match word[0], word[1:]:
            case "+", seat:
                pushed.append(line.push("abc".index(seat)))
            case "x", nth:
                line.cancel(pushed[int(nth) - 1])
            case "<", nth:
                line.put_back(pushed[int(nth) - 1])
            case seat, _:
                taken = line.pop(anybody if seat == "-" else lambda found, seat=seat: found == "abc".index(seat))
                out.append(str(pushed.index(taken) + 1) if taken else "nobody")
    return " ".join(out)


@pytest.mark.parametrize(
    ("history", "out"),
    [
        ("-", "nobody"),
        ("+a -", "1"),
        ("+a +b +a - - - -", "1 2 3 nobody"),
        ("+a - +b - +c -", "1 2 3"),
        # taken back: at the head, behind it, at the end, all, and again
        ("+a +b +c x1 - - -", "2 3 nobody"),
        ("+a +b +c x2 - - -", "1 3 nobody"),
        ("+a +b +c x3 - - -", "1 2 nobody"),
        ("+a +b x2 x1 - +c -", "nobody 3"),
        ("+a +b x1 x1 - -", "2 nobody"),
        ("+a - x1 +b -", "1 2"),
        # only of a seat: the head decides, nobody is overtaken
        ("+a +b b- a- b-", "nobody 1 2"),
        ("+a +b x1 b-", "2"),
        # put back: before all that came later, wherever that is now
        ("+a +b - <1 - -", "1 1 2"),
        ("+a +b +c - - <1 - -", "1 2 1 3"),
        ("+a +b +c - - <2 <1 - - -", "1 2 1 2 3"),
        ("+a +b +c - - <1 <2 - - -", "1 2 1 2 3"),
        ("+a - <1 -", "1 1"),
        ("+a +b x1 <1 - -", "1 2"),
    ],
)
def test_histories(line: Line, history: str, out: str) -> None:
    assert play(line, history) == out


def test_it_is_seen_to_be_empty(line: Line) -> None:
    assert line.empty
    first, second = line.push(A), line.push(B)
    assert not line.empty and line.entries() == [first, second]
    line.cancel(first)
    assert not line.empty
    line.cancel(second)
    assert line.empty and line.entries() == []
    line.push(A)
    line.pop(anybody)
    assert line.empty


def test_no_number_is_given_twice(line: Line) -> None:
    numbers = []
    for _ in range(50):
        entry = line.push(A)
        numbers.append(entry.number)
        line.pop(anybody)
    assert numbers == sorted(set(numbers))


def test_a_dead_seat_leaves_the_line(region: Region, line: Line) -> None:
    region.occupy(B, generation=1)
    line.push(B)
    kept = line.push(A)
    line.push(B)
    region.busy[B] = 3
    region.vacate(B)
    assert line.entries() == [kept] and region.busy[B] == 0
    region.vacate(A)
    assert line.empty


def test_each_block_of_seats_has_its_line(region: Region) -> None:
    assert region.line(2) is region.line(0) and region.line(3) is region.line(5)
    entry = region.line(5).push(5)
    assert region.line(0).empty and region.line(3).entries() == [entry]
    region.vacate(0)
    assert not region.line(3).empty


@pytest.mark.parametrize("seed", range(20))
def test_any_history_is_that_of_a_list(seed: int) -> None:
    """Small, so that the entries move between the areas all the time."""
    chance = random.Random(seed)
    line, model = Region(capacity=5, seats=3).line(0), []
    gone: list[Entry] = []
    for _ in range(600):
        match chance.randrange(5):
            case 0 | 1 if len(model) < 5:
                model.append(line.push(chance.randrange(3)))
            case 2:
                seats = set(chance.sample(range(3), 2))
                expected = model[0] if model and model[0].seat in seats else None
                assert line.pop(seats.__contains__) == expected
                if expected:
                    gone.append(model.pop(0))
            case 3 if model:
                entry = chance.choice(model)
                model.remove(entry)
                assert line.cancel(entry) and not line.cancel(entry)
                gone.append(entry)
            case 4 if gone and len(model) < 5:
                entry = gone.pop()
                line.put_back(entry)
                model = sorted([*model, entry], key=lambda entry: entry.number)
        assert line.entries() == model and line.empty == (not model)
