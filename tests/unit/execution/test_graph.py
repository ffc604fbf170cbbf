"""Chains that branch: what runs at once, and how the first failure and cancellation end the rest."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pfserve.errors import UserError
from pfserve.execution import Executor, graph
from pfserve.execution.graph import AT_ONCE
from unit.execution.handmade import Literal, at, given, lane_of, node, plan_of, prompt

NEVER_S = 20  # how long threads wait for each other before the test fails


def each_alone(*nodes):
    return [[node.name] for node in nodes]


async def join(**values):
    return sorted(values.items())


def test_async_branches_run_at_the_same_time(outcome):
    met = []

    async def meet(event_of, mine):
        met.append(mine)
        if len(met) == 3:
            event_of.set()
        await event_of.wait()  # passes only if all three have started
        return mine

    event = asyncio.Event()
    branches = [node(name, meet, event_of=at("event"), mine=Literal(name)) for name in "abc"]
    plan = plan_of(
        *branches,
        node("join", join, **{name: at(name) for name in "abc"}),
        inputs=[given("event")],
        outputs={"out": at("join")},
        chains=[["a"], ["b"], ["c"], ["join"]],
    )
    assert outcome(plan, event=event) == {"out": [("a", "a"), ("b", "b"), ("c", "c")]}


def test_blocking_branches_run_at_the_same_time(outcome):
    barrier = threading.Barrier(3)

    def meet(mine):
        barrier.wait(NEVER_S)
        return mine

    branches = [node(name, meet, mine=Literal(name)) for name in "abc"]
    plan = plan_of(
        *branches,
        node("join", join, **{name: at(name) for name in "abc"}),
        outputs={"out": at("join")},
        chains=[["a"], ["b"], ["c"], ["join"]],
    )
    assert outcome(plan) == {"out": [("a", "a"), ("b", "b"), ("c", "c")]}


def test_branches_on_both_lanes_run_at_the_same_time(executing):
    started = threading.Event()

    def blocking():
        assert started.wait(NEVER_S)

    async def waiting():
        started.set()

    plan = plan_of(node("t", blocking), node("a", waiting), chains=[["t"], ["a"]])
    executing(plan, lambda executor: executor.run({}))


def test_a_diamond_gives_each_what_it_needs(outcome):
    async def add(left, right=0):
        await asyncio.sleep(0)
        return left + right

    def double(value):
        return value * 2

    plan = plan_of(
        prompt("top", lambda value: value, value=at("x")),
        node("left", add, left=at("top")),
        node("right", double, value=at("top")),
        node("bottom", add, left=at("left"), right=at("right")),
        node("last", double, value=at("bottom")),
        inputs=[given("x")],
        outputs={"out": at("last")},
        chains=[["top"], ["left"], ["right"], ["bottom"], ["last"]],
    )
    assert outcome(plan, x=5) == {"out": 30}


def test_a_node_that_feeds_nothing_is_run_and_waited_for(outcome):
    ran = []

    async def aside():
        for _ in range(3):
            await asyncio.sleep(0)
        ran.append("aside")

    async def main_path():
        return "answer"

    plan = plan_of(node("a", main_path), node("b", aside), outputs={"out": at("a")}, chains=[["a"], ["b"]])
    assert outcome(plan) == {"out": "answer"}
    assert ran == ["aside"]


def test_at_most_sixteen_run_at_once(outcome):
    inside = most = 0

    async def enter():
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    nodes = [node(f"n{number}", enter) for number in range(2 * AT_ONCE + 3)]
    outcome(plan_of(*nodes, chains=each_alone(*nodes)))
    assert (inside, most) == (0, 16)


def test_a_chain_with_nothing_beside_it_needs_no_task(executing):
    tasks = []

    async def look(**_):
        await asyncio.sleep(0)
        tasks.append(asyncio.current_task())

    plan = plan_of(
        node("top", look),
        node("left", look, value=at("top")),
        node("right", look, value=at("top")),
        node("bottom", look, left=at("left"), right=at("right")),
        chains=[["top"], ["left"], ["right"], ["bottom"]],
    )

    async def main(executor):
        await executor.run({})
        mine = asyncio.current_task()
        assert [task is mine for task in tasks] == [True, False, False, True]

    executing(plan, main)


# -- failure -----------------------------------------------------------------------------------------


class Story:
    """What the steps of a test did, in order."""

    def __init__(self):
        self.events = []

    async def fail(self):
        await asyncio.sleep(0)
        self.events.append("failed")
        raise ValueError("boom")

    async def wait(self):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # cleaning up takes a while
            self.events.append("cancelled")
            raise

    async def stubborn(self):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.events.append("did not want to")
        await self.wait()

    async def fail_when_cancelled(self):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.events.append("cancelled")
            raise RuntimeError("while cleaning up") from None

    async def after(self, **_):
        self.events.append("after")


def test_the_first_failure_cancels_siblings_and_is_the_error(executing):
    story = Story()
    plan = plan_of(
        node("a", story.wait),
        node("b", story.fail),
        node("c", story.fail_when_cancelled),
        node("d", story.after, value=at("a")),
        chains=[["a"], ["b"], ["c"], ["d"]],
    )

    async def main(executor):
        with pytest.raises(UserError, match=r"Execution failure in 'b': \(ValueError\) boom"):
            await executor.run({})
        assert sorted(story.events) == ["cancelled", "cancelled", "failed"]  # and all before the request ends
        assert asyncio.all_tasks() == {asyncio.current_task()}

    executing(plan, main)


def test_chains_that_wait_for_their_turn_are_not_started_after_a_failure(executing):
    story = Story()
    first = [node("bad", story.fail), *(node(f"n{number}", story.wait) for number in range(AT_ONCE - 1))]
    late = node("late", story.after)

    async def main(executor):
        with pytest.raises(UserError):
            await executor.run({})
        assert "after" not in story.events

    executing(plan_of(*first, late, chains=each_alone(*first, late)), main)


def test_of_failures_at_about_the_same_time_that_of_the_earlier_step_is_told(executing, monkeypatch):
    monkeypatch.setattr(graph, "GRACE_S", NEVER_S)  # so that a slow machine does not decide
    far = threading.Event()

    def second(first):
        far.set()
        raise ValueError("two steps into its chain")

    def beside():
        assert far.wait(NEVER_S)
        raise ValueError("boom")

    async def main(executor):
        with pytest.raises(UserError, match=r"Execution failure in 'c': \(ValueError\) boom"):
            await executor.run({})

    nodes = [node("a", lambda: 1), node("b", second, first=at("a")), node("c", beside)]
    executing(plan_of(*nodes, chains=[["a", "b"], ["c"]]), main)


def test_a_step_that_fails_counts_as_itself_and_not_as_the_end_of_its_chain(executing, monkeypatch):
    monkeypatch.setattr(graph, "GRACE_S", NEVER_S)
    far = threading.Event()

    def second(first):
        far.set()
        raise ValueError("two steps into its chain")

    def beside():
        assert far.wait(NEVER_S)
        raise ValueError("boom")

    async def main(executor):
        with pytest.raises(UserError, match=r"Execution failure in 'c': \(ValueError\) boom"):
            await executor.run({})

    nodes = [
        node("a", lambda: None),
        node("b", second, first=at("a")),
        node("c", beside),
        node("d", lambda value: value, value=at("c")),
    ]
    executing(plan_of(*nodes, chains=[["a", "b"], ["c", "d"]]), main)


def test_a_failure_does_not_wait_for_steps_that_go_on(executing, monkeypatch):
    monkeypatch.setattr(graph, "GRACE_S", 0.0)
    story = Story()

    def second(first):
        raise ValueError("boom")

    async def main(executor):
        with pytest.raises(UserError, match=r"Execution failure in 'b'"):
            await executor.run({})

    nodes = [node("a", lambda: 1), node("b", second, first=at("a")), node("c", story.wait)]
    executing(plan_of(*nodes, chains=[["a", "b"], ["c"]]), main)
    assert story.events == ["cancelled"]


def test_a_failure_on_a_thread_cancels_the_loop(executing):
    story = Story()

    def fail():
        raise ValueError("boom")

    async def main(executor):
        with pytest.raises(UserError, match=r"Execution failure in 'b': \(ValueError\) boom"):
            await executor.run({})
        assert story.events == ["cancelled"]

    executing(plan_of(node("a", story.wait), node("b", fail), chains=[["a"], ["b"]]), main)


def test_a_failure_on_the_loop_drops_what_no_thread_has_started(on_loop):
    story = Story()
    hold = threading.Event()
    plan = plan_of(node("a", story.fail), node("b", lambda: story.events.append("started")), chains=[["a"], ["b"]])

    async def main():
        with lane_of(1) as lane:
            lane.submit(lambda: hold.wait(NEVER_S))
            with pytest.raises(UserError, match="boom"):
                await Executor(plan, lane).run({})
            hold.set()
            await lane.run(lambda: None)  # the thread has been through the queue
            assert lane.stuck == 0

    on_loop(main)
    assert story.events == ["failed"]


def test_of_two_that_fail_the_first_to_fail_is_told(executing):
    order = []

    async def fail(turns, text):
        for _ in range(turns):
            await asyncio.sleep(0)
        order.append(text)
        raise ValueError(text)

    plan = plan_of(
        node("slow", fail, turns=Literal(5), text=Literal("slow")),
        node("quick", fail, turns=Literal(1), text=Literal("quick")),
        chains=[["slow"], ["quick"]],
    )

    async def main(executor):
        with pytest.raises(UserError, match="'quick'"):
            await executor.run({})

    executing(plan, main)
    assert order == ["quick"]


# -- cancellation ------------------------------------------------------------------------------------


def test_cancelling_the_request_cancels_every_branch_and_waits_for_their_ends(executing):
    story = Story()
    plan = plan_of(node("a", story.wait), node("b", story.wait), chains=[["a"], ["b"]])

    async def main(executor):
        request = asyncio.create_task(executor.run({}))
        for _ in range(3):
            await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert story.events == ["cancelled", "cancelled"]

    executing(plan, main)


def test_a_second_cancellation_reaches_a_branch_that_swallowed_the_first(executing):
    story = Story()
    plan = plan_of(node("a", story.stubborn), node("b", story.wait), chains=[["a"], ["b"]])

    async def main(executor):
        request = asyncio.create_task(executor.run({}))
        for _ in range(3):
            await asyncio.sleep(0)
        for _ in range(2):
            request.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await request
        assert sorted(story.events) == ["cancelled", "cancelled", "did not want to"]

    executing(plan, main)


def test_a_request_cancelled_on_its_way_through_a_thread_gives_the_thread_up(on_loop):
    started, hold = threading.Event(), threading.Event()

    def block():
        started.set()
        hold.wait(NEVER_S)

    async def idle():
        await asyncio.Event().wait()

    async def main():
        with lane_of(1) as lane:
            plan = plan_of(node("t", block), node("a", idle), chains=[["t"], ["a"]])
            request = asyncio.create_task(Executor(plan, lane).run({}))
            await asyncio.to_thread(started.wait, NEVER_S)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            assert lane.stuck == 1
            hold.set()
            await lane.run(lambda: None)
            assert lane.stuck == 0

    on_loop(main)
