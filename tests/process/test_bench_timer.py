"""The timer of the load generator, on a real event loop."""

from __future__ import annotations

import asyncio
import time

import uvloop

from bench.generator.timer import Timer

MS = 1_000_000


def rung(*offsets_ms: float, again: int = 0) -> list[tuple[float, int]]:
    """When calls at these offsets came: the offset asked for, and the nanoseconds after it."""

    async def wait() -> list[tuple[float, int]]:
        loop = asyncio.get_running_loop()
        timer, came, done = Timer(loop), [], asyncio.Event()
        zero_ns = time.monotonic_ns()
        expected = len(offsets_ms) * (again + 1)

        def call(offset_ms: float, left: int) -> None:
            came.append((offset_ms, time.monotonic_ns() - zero_ns - round(offset_ms * MS)))
            if left:
                later_ms = offset_ms + 1
                timer.at(zero_ns + round(later_ms * MS), lambda: call(later_ms, left - 1))
            if len(came) == expected:
                done.set()

        for offset_ms in offsets_ms:
            timer.at(zero_ns + round(offset_ms * MS), lambda offset_ms=offset_ms: call(offset_ms, again))
        await asyncio.wait_for(done.wait(), 20)
        return came

    return uvloop.run(wait())


def test_calls_come_in_order_and_never_early():
    came = rung(30, 10, 20, 10.02, 0, -5)
    assert [offset_ms for offset_ms, _ in came] == [-5, 0, 10, 10.02, 20, 30]
    assert all(late_ns >= 0 for _, late_ns in came)


def test_an_earlier_call_is_not_held_up_by_a_later_one():
    assert [offset_ms for offset_ms, _ in rung(50, 5)] == [5, 50]


def test_a_call_may_ask_for_the_next():
    came = rung(1, 3, again=20)
    assert len(came) == 42
    assert all(late_ns >= 0 for _, late_ns in came)


def test_it_rings_again_after_a_pause():
    assert [offset_ms for offset_ms, _ in rung(1)] == [1]
    assert len(rung(2, again=1)) == 2
