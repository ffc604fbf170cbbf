from __future__ import annotations

import itertools

import pytest

from pfserve.region.watch import HeldLockWatch

HISTORIES = {  # looks every eighth of a second: time, holder, turns; what is told, and when
    "nobody holds it": ([(t / 8, 0, 5) for t in range(40)], []),
    "one holding goes on": ([(t / 8, 7, 5) for t in range(10)], [(1.0, 7)]),
    "and is told again a second later": ([(t / 8, 7, 5) for t in range(20)], [(1.0, 7), (2.0, 7)]),
    "the same holder takes turns": ([(t / 8, 7, t) for t in range(40)], []),
    "different holders, turns not yet counted": ([(t / 8, 7 + t % 2, 5) for t in range(40)], []),
    "it was free in between": ([(t / 8, 0 if t % 8 == 7 else 7, 5) for t in range(40)], []),
    "a turn a little before the second": ([(t / 8, 7, 5 if t < 8 else 6) for t in range(16)], []),
    "the second holding is the long one": ([(t / 8, 7, 5 if t < 8 else 6) for t in range(20)], [(2.0, 7)]),
    "two looks far apart prove nothing": ([(0.0, 7, 5), (100.0, 7, 5)], []),
    "nor does one more just after": ([(0.0, 7, 5), (100.0, 7, 5), (100.25, 7, 5)], []),
    "but another half second does": ([(0.0, 7, 5), (100.0, 7, 5), (100.5, 7, 5)], [(100.5, 7)]),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_who_is_stuck(name: str) -> None:
    looks, expected = HISTORIES[name]
    watch = HeldLockWatch(1.0)
    told = [(now_s, tid) for now_s, holder, turns in looks if (tid := watch.observe(now_s, holder, turns))]
    assert told == expected


def test_two_short_holdings_that_look_like_one_are_never_told() -> None:
    """Seen up to a release, and again from taking the lock until its turn is counted; each is under half the limit."""
    for first, gap, second in itertools.product(range(4), range(1, 12), range(4)):
        watch = HeldLockWatch(1.0)
        eighths = [*range(first + 1), *range(first + gap, first + gap + second + 1)]
        assert not any(watch.observe(eighth / 8, 7, 5) for eighth in eighths)
