"""The lane of threads: results, abandoned jobs, exhaustion."""

from __future__ import annotations

import asyncio
import threading
import weakref
from types import SimpleNamespace

import pytest

from eventually import eventually
from pfserve.errors import NotStarted, WorkerBootError
from pfserve.execution import ThreadLane
from unit.execution.handmade import lane_of

NEVER_S = 20


class Hold:
    """A call that stays on its thread until it is let go."""

    def __init__(self):
        self._started = threading.Event()
        self._go = threading.Event()

    def __call__(self):
        self._started.set()
        assert self._go.wait(NEVER_S)
        return "let go"

    def await_start(self):
        assert self._started.wait(NEVER_S)

    async def started(self):
        await asyncio.to_thread(self.await_start)

    def let_go(self):
        self._go.set()


async def is_held(lane):
    """A task of the lane that occupies one thread, and what holds it there."""
    hold = Hold()
    task = asyncio.create_task(lane.run(hold))
    await hold.started()
    return task, hold


async def is_cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def has_come_back(lane):
    """The (only) thread has finished what it had before."""
    await lane.run(lambda: None)


def raising(problem):
    def call():
        raise problem

    return call


def test_a_thread_that_the_system_refuses_is_told(monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(WorkerBootError, match=r"can't start new thread \(0 of 2 run\); raise the limit of processes"):
        ThreadLane(2, None).start()


def test_a_result_comes_back_from_a_thread(on_loop):
    async def main():
        with lane_of(1) as lane:
            assert await lane.run(threading.current_thread) is not threading.current_thread()

    on_loop(main)


def test_jobs_start_in_the_order_in_which_they_came(on_loop):
    order = []

    async def main():
        with lane_of(1) as lane:
            await asyncio.gather(*(lane.run(lambda number=number: order.append(number)) for number in range(50)))

    on_loop(main)
    assert order == list(range(50))


def test_as_many_jobs_as_threads_run_at_once(on_loop):
    barrier = threading.Barrier(4)

    async def main():
        with lane_of(4) as lane:
            await asyncio.gather(*(lane.run(lambda: barrier.wait(NEVER_S)) for _ in range(4)))

    on_loop(main)


@pytest.mark.parametrize(
    ("raised", "expected", "text"),
    [
        (ValueError("boom"), ValueError, "boom"),
        (StopIteration("boom"), RuntimeError, "StopIteration"),
        (SystemExit(3), RuntimeError, "SystemExit: 3"),
        (KeyboardInterrupt(), RuntimeError, "KeyboardInterrupt"),
        (asyncio.CancelledError(), RuntimeError, "CancelledError"),
    ],
)
def test_an_exception_comes_back_and_the_thread_lives(on_loop, raised, expected, text):
    async def main():
        with lane_of(1) as lane:
            with pytest.raises(expected, match=text):
                await lane.run(raising(raised))
            assert await lane.run(lambda: "alive") == "alive"

    on_loop(main)


def test_the_loop_is_woken_once_for_all_that_is_finished_until_it_looks():
    loop = asyncio.new_event_loop()
    wake_ups = []
    lane = ThreadLane(2, loop)
    jobs = [lane.submit(lambda: None) for _ in range(3)]
    loop.close()
    lane._loop = SimpleNamespace(call_soon_threadsafe=wake_ups.append)
    for job in jobs:
        lane._hand_over(job)
    assert len(wake_ups) == 1
    wake_ups.pop()()
    assert [job.future.done() for job in jobs] == [True] * 3
    lane._hand_over(jobs[0])
    assert len(wake_ups) == 1


def test_what_several_threads_finish_comes_back_together(on_loop):
    async def main():
        loop = asyncio.get_running_loop()
        wake_ups = []
        with lane_of(3) as lane:
            lane._loop = CountingLoop(loop, wake_ups)
            together = threading.Barrier(3)
            jobs = [lane.submit(lambda: together.wait(NEVER_S)) for _ in range(3)]
            holds = [Hold() for _ in range(3)]
            held = [lane.submit(hold) for hold in holds]
            for hold in holds:
                hold.await_start()  # blocks the loop: all three threads have handed over and begun the next
            await asyncio.gather(*(job.future for job in jobs))
            for hold in holds:
                hold.let_go()
            await asyncio.gather(*(job.future for job in held))
        assert wake_ups[0] == 3

    on_loop(main)


class CountingLoop:
    """Passes wake-ups on, and notes with each how many jobs it brought."""

    def __init__(self, loop, wake_ups):
        self._loop = loop
        self._wake_ups = wake_ups

    def __getattr__(self, name):
        return getattr(self._loop, name)

    def call_soon_threadsafe(self, deliver):
        def counted():
            self._wake_ups.append(len(deliver.__self__._finished))
            deliver()

        self._loop.call_soon_threadsafe(counted)


# -- abandoned jobs ----------------------------------------------------------------------------------


def test_a_job_given_up_before_a_thread_has_it_never_runs(on_loop):
    ran = []

    async def main():
        with lane_of(1) as lane:
            holder, hold = await is_held(lane)
            waiting = asyncio.create_task(lane.run(lambda: ran.append("ran")))
            await asyncio.sleep(0)
            await is_cancelled(waiting)
            assert lane.stuck == 0
            hold.let_go()
            assert await holder == "let go"
            await has_come_back(lane)

    on_loop(main)
    assert not ran


def test_a_thread_whose_request_is_gone_is_stuck_until_it_comes_back(on_loop):
    async def main():
        with lane_of(1) as lane:
            task, hold = await is_held(lane)
            await is_cancelled(task)
            assert lane.stuck == 1
            hold.let_go()
            await has_come_back(lane)
            assert lane.stuck == 0

    on_loop(main)


class Large:
    """A value that can be watched."""


def test_what_is_given_up_is_let_go_of_while_it_is_still_queued(on_loop):
    async def main():
        with lane_of(1) as lane:
            holder, hold = await is_held(lane)
            value = Large()
            watched = weakref.ref(value)
            job = lane.submit(lambda kept=value: kept)
            del value
            lane.abandon(job)
            assert watched() is None
            hold.let_go()
            await holder

    on_loop(main)


def test_an_idle_thread_holds_nothing(on_loop):
    async def main():
        with lane_of(1) as lane:
            watched = weakref.ref(await lane.run(Large))
            await asyncio.sleep(0)  # the callback that brought it holds it too
            eventually(lambda: watched() is None, within_s=10, why="the thread still holds its last result")

    on_loop(main)


def test_giving_up_twice_counts_once(on_loop):
    async def main():
        with lane_of(1) as lane:
            hold = Hold()
            started, queued = lane.submit(hold), lane.submit(lambda: None)
            await hold.started()
            for _ in range(2):
                lane.abandon(started)
                lane.abandon(queued)
            assert lane.stuck == 1
            hold.let_go()
            await has_come_back(lane)
            assert lane.stuck == 0

    on_loop(main)


def test_giving_up_what_has_come_back_counts_nothing(on_loop):
    async def main():
        with lane_of(1) as lane:
            job = lane.submit(lambda: "result")
            await job.future
            lane.abandon(job)
            assert lane.stuck == 0
            assert job.future.result() == "result"

    on_loop(main)


def test_a_job_that_comes_back_while_its_task_is_being_cancelled_counts_nothing(on_loop):
    async def main():
        with lane_of(1) as lane:
            task, hold = await is_held(lane)
            job_back = asyncio.get_running_loop().create_future()
            deliver = lane._deliver

            def deliver_to_the_cancelled():
                task.cancel()  # its future is cancelled; the task has not run yet
                deliver()
                job_back.set_result(None)

            lane._deliver = deliver_to_the_cancelled
            hold.let_go()
            await job_back
            lane._deliver = deliver
            with pytest.raises(asyncio.CancelledError):
                await task
            assert lane.stuck == 0

    on_loop(main)


# -- exhaustion --------------------------------------------------------------------------------------


def test_when_every_thread_is_stuck_it_is_told_once(on_loop):
    async def main():
        told = asyncio.Event()
        count = []
        with lane_of(2, patience_s=0, on_exhausted=lambda: (count.append(lane.stuck), told.set())) as lane:
            tasks = [await is_held(lane) for _ in range(2)]
            await is_cancelled(tasks[0][0])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not count  # one thread is left
            await is_cancelled(tasks[1][0])
            await told.wait()
            for _, hold in tasks:
                hold.let_go()
            again = [await is_held(lane) for _ in range(2)]
            for task, _ in again:
                await is_cancelled(task)
            for _ in range(3):
                await asyncio.sleep(0)
            for _, hold in again:
                hold.let_go()
        assert count == [2]

    on_loop(main)


def test_a_thread_that_comes_back_in_time_ends_the_alarm(on_loop):
    async def main():
        told = []
        with lane_of(1, patience_s=1000, on_exhausted=lambda: told.append("told")) as lane:
            task, hold = await is_held(lane)
            await is_cancelled(task)
            alarm = lane._patience
            assert alarm is not None
            assert not alarm.cancelled()
            hold.let_go()
            await has_come_back(lane)
            assert alarm.cancelled()
            assert lane._patience is None
        assert not told

    on_loop(main)


# -- closing -----------------------------------------------------------------------------------------


def test_closing_cancels_what_no_thread_has_started_and_lets_threads_end(on_loop):
    async def main():
        before = set(threading.enumerate())
        with lane_of(1) as lane:
            threads = set(threading.enumerate()) - before
            task, hold = await is_held(lane)
            waiting = asyncio.create_task(lane.run(lambda: None))
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hold.let_go()
        assert await task == "let go"
        [thread] = [thread for thread in threads if thread.name.startswith("pfserve-lane")]
        await asyncio.to_thread(thread.join, NEVER_S)
        assert not thread.is_alive()

    on_loop(main)


def test_a_thread_that_finishes_after_the_loop_has_ended_bothers_nobody(on_loop):
    kept = []

    async def main():
        with lane_of(1) as lane:
            task, hold = await is_held(lane)
            await is_cancelled(task)
            kept.extend((hold, next(t for t in threading.enumerate() if t.name == "pfserve-lane-0")))
            assert lane.stuck == 1

    on_loop(main)
    hold, thread = kept
    hold.let_go()
    thread.join(NEVER_S)
    assert not thread.is_alive()


def test_the_lane_knows_how_many_jobs_it_has(on_loop):
    seen = []

    async def main():
        with lane_of(1) as lane:
            lane.on_change = lambda: seen.append(lane.jobs)
            held, hold = await is_held(lane)
            queued = asyncio.create_task(lane.run(lambda: None))
            await asyncio.sleep(0)
            assert lane.jobs == 2
            await is_cancelled(queued)
            assert lane.jobs == 1, "what no thread has started leaves at once"
            await is_cancelled(held)
            assert lane.jobs == 1, "what hangs stays"
            hold.let_go()
            await has_come_back(lane)
            assert lane.jobs == 0
            assert seen[:3] == [1, 2, 1] and seen[-1] == 0

    on_loop(main)


def test_first_calls_that_are_queued_can_be_sent_away(on_loop):
    async def main():
        with lane_of(1) as lane:
            held, hold = await is_held(lane)
            first = [asyncio.create_task(lane.run_first(lambda: "never")) for _ in range(2)]
            later = asyncio.create_task(lane.run(lambda: "later"))
            await asyncio.sleep(0)
            lane.send_away()
            for task in first:
                with pytest.raises(NotStarted):
                    await task
            assert lane.jobs == 2
            hold.let_go()
            assert (await held, await later) == ("let go", "later")
            assert lane.jobs == 0

    on_loop(main)


def test_a_first_call_that_has_started_is_not_sent_away(on_loop):
    async def main():
        with lane_of(1) as lane:
            held, hold = await is_held(lane)
            second_hold = Hold()
            second = asyncio.create_task(lane.run_first(second_hold))
            await asyncio.sleep(0)
            hold.let_go()
            await held
            await second_hold.started()
            lane.send_away()
            second_hold.let_go()
            assert await second == "let go"

    on_loop(main)


def test_the_lane_knows_what_a_job_takes():
    loop = asyncio.new_event_loop()
    lane = ThreadLane(1, loop)
    jobs = [lane.submit(lambda: None) for _ in range(20)]
    loop.close()
    lane._loop = SimpleNamespace(call_soon_threadsafe=lambda _: None)
    jobs[0].took_s = 0.8
    lane._hand_over(jobs[0])
    lane._deliver()
    assert lane.pace_s == 0.8, "the first is all that is known"
    for job in jobs[1:]:
        job.took_s = 0.1
        lane._hand_over(job)
    lane._deliver()
    assert 0.1 < lane.pace_s < 0.2


def test_the_lane_knows_what_a_job_usually_takes():
    loop = asyncio.new_event_loop()
    lane = ThreadLane(1, loop)
    jobs = [lane.submit(lambda: None) for _ in range(700)]
    loop.close()
    lane._loop = SimpleNamespace(call_soon_threadsafe=lambda _: None)
    for number, job in enumerate(jobs):
        job.took_s = 9.0 if number % 50 == 40 else 0.1 + 0.1 * (number % 10) / 10  # the machine held one up
        lane._hand_over(job)
    lane._deliver()
    assert 0.15 < lane.usual_s < 0.25
    assert lane.pace_s < 1.0
