"""Outputs that are generators: merged to a text, or given out item by item."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from contextvars import ContextVar

import msgspec
import pytest

from pfserve.errors import UserError
from pfserve.execution import Executor, Stream, ThreadLane
from pfserve.execution.streams import AHEAD
from pfserve.plan import Argument, Reference
from pfserve.values.promptflow_errors import SystemErrorException
from unit.execution.handmade import Literal, at, given, lane_of, node, plan_of

mark: ContextVar[str] = ContextVar("mark", default="unset")


def blocking(*items, failure=None):
    yield from items
    if failure:
        raise failure


async def on_loop_items(*items, failure=None):
    for item in items:
        yield item
        await asyncio.sleep(0)
    if failure:
        raise failure


class OneByOne:
    """An iterator that is no generator and cannot be closed."""

    def __init__(self, *items):
        self.items = list(items)

    def __iter__(self):
        return self

    def __next__(self):
        if not self.items:
            raise StopIteration
        return self.items.pop(0)


def giving(make, *, lane="async"):
    """A plan whose one node gives what ``make`` gives."""

    async def give():
        return make()

    return plan_of(node("n", give if lane == "async" else make), outputs={"out": at("n"), "plain": 1})


KINDS = pytest.mark.parametrize("kind", [blocking, on_loop_items])


async def items_of(stream):
    try:
        return [item async for item in stream]
    finally:
        await stream.aclose()


# -- merged ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lane", ["async", "thread"])
@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: blocking("a", 1, None, {"k": 2}), "a1None{'k': 2}"),
        (lambda: on_loop_items("a", 1, None, {"k": 2}), "a1None{'k': 2}"),
        (lambda: OneByOne("a", "b"), "ab"),
        (lambda: map(str, [1, 2]), "12"),
        (blocking, ""),
    ],
)
def test_a_generator_is_merged_to_a_text(outcome, make, text, lane):
    assert outcome(giving(make, lane=lane)) == {"out": text, "plain": 1}


@pytest.mark.parametrize("value", [[iter("ab")], {"k": iter("ab")}, range(2), b"ab", ("a",)], ids=type)
def test_nothing_else_is(outcome, value):
    assert outcome(giving(lambda: value))["out"] is value


def test_each_of_several_is_merged_and_a_shared_one_once(outcome):
    def shared():
        return blocking("a", "b")

    plan = plan_of(
        node("m", shared),
        node("n", lambda: blocking(1, 2)),
        outputs={"first": at("m"), "again": at("m"), "other": at("n")},
        chains=[["m"], ["n"]],
    )
    assert outcome(plan) == {"first": "ab", "again": "", "other": "12"}


@KINDS
@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (ValueError("boom"), 400, "Execution failure in 'n': (ValueError) boom"),
        (SystemErrorException("theirs"), 500, "theirs"),
        (KeyboardInterrupt(), 400, "Tool execution is canceled because: Received cancel request.."),
        (SystemExit(3), 400, "Execution failure in 'n': (SystemExit) 3"),
        (asyncio.CancelledError(), 400, "Execution failure in 'n': (CancelledError) "),
    ],
)
def test_the_error_of_a_generator_is_that_of_its_node(outcome, kind, failure, status, message):
    with pytest.raises(Exception) as raised:
        outcome(giving(lambda: kind("a", failure=failure)))
    assert (raised.value.status, raised.value.message) == (status, message)
    assert raised.value.__cause__ is failure


@KINDS
def test_an_item_without_a_text_is_a_failure_of_the_node(outcome, kind):
    class Mute:
        def __str__(self):
            raise ValueError("mute")

    with pytest.raises(UserError, match=r"Execution failure in 'n': \(ValueError\) mute"):
        outcome(giving(lambda: kind(Mute())))


@KINDS
def test_generators_pass_between_nodes_by_identity(outcome, kind):
    made = []

    def make():
        made.append(kind("a"))
        return made[0]

    async def same(value):
        return value is made[0]

    plan = plan_of(node("n", make), node("m", same, value=at("n")), outputs={"out": at("m")}, chains=[["n"], ["m"]])
    assert outcome(plan) == {"out": True}


@KINDS
def test_a_generator_runs_in_a_context_of_its_own(executing, kind):
    seen = []

    def first():
        seen.append(mark.get())
        mark.set("the generator's")
        seen.append(mark.get())
        return "a"

    def make():
        return map(lambda step: step(), [first]) if kind is blocking else later()

    async def later():
        yield first()

    async def main(executor):
        mark.set("the caller's")
        assert (await executor.run({}))["out"] == "a"
        assert mark.get() == "the caller's"

    executing(giving(make), main)
    assert seen == ["the caller's", "the generator's"]


def test_a_blocking_generator_is_merged_on_a_thread(outcome):
    plan = giving(lambda: (threading.get_ident() for _ in range(1)))
    assert outcome(plan)["out"] != str(threading.get_ident())


def test_giving_up_ends_a_blocking_generator_at_its_next_item(on_loop):
    asked = threading.Event()
    ended = threading.Event()

    def endless():
        try:
            while True:
                asked.set()
                yield "a"
        finally:
            ended.set()

    async def main():
        with lane_of(1) as lane:
            request = asyncio.create_task(Executor(giving(endless), lane).run({}))
            while not asked.is_set():
                await asyncio.sleep(0)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            assert await lane.run(lambda: ended.wait(10))

    on_loop(main)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_plan_without_blocking_steps_needs_no_thread_until_it_meets_such_a_generator(on_loop, streaming):
    async def main():
        before = threading.active_count()
        loop = asyncio.get_running_loop()
        streams = ThreadLane(2, loop)
        executor = Executor(giving(lambda: blocking("a", "b")), ThreadLane(0, loop), streams=streams)
        assert threading.active_count() == before
        outputs = await executor.run({}, streaming)
        if streaming:
            assert await items_of(outputs["out"]) == ["a", "b"]
        else:
            assert outputs["out"] == "ab"
        streams.close()

    on_loop(main)


# -- streamed ----------------------------------------------------------------------------------------


@KINDS
def test_a_stream_gives_the_items_as_they_are(executing, kind):
    items = ["a", 1, None, {"k": 2}, *range(10 * AHEAD)]

    async def main(executor):
        outputs = await executor.run({}, True)
        assert (list(outputs), outputs["plain"]) == (["out", "plain"], 1)
        assert isinstance(outputs["out"], Stream)
        assert await items_of(outputs["out"]) == items

    executing(giving(lambda: kind(*items)), main)


@KINDS
def test_a_stream_fails_as_its_node_does(executing, kind):
    async def main(executor):
        stream = (await executor.run({}, True))["out"]
        assert await anext(stream) == "a"
        with pytest.raises(UserError, match=r"Execution failure in 'n': \(ValueError\) boom"):
            await anext(stream)
        await stream.aclose()

    executing(giving(lambda: kind("a", failure=ValueError("boom"))), main)


def test_a_blocking_generator_is_never_more_than_a_few_items_ahead(executing):
    given_out = []
    looked = threading.Event()

    def endless():
        while True:
            given_out.append(1)
            if len(given_out) == AHEAD:
                looked.set()
            yield len(given_out)

    async def main(executor):
        stream = (await executor.run({}, True))["out"]
        for expected in range(1, 200):
            assert await anext(stream) == expected
            assert len(given_out) <= expected + AHEAD
        await asyncio.to_thread(looked.wait, 10)
        await stream.aclose()

    executing(giving(endless), main)


@pytest.mark.parametrize("when", ["waiting for room", "within the generator"])
def test_closing_a_stream_closes_a_blocking_generator_on_its_thread(on_loop, when):
    closed_on = []
    ended, asked, go = threading.Event(), threading.Event(), threading.Event()

    def endless():
        closed_on.append(threading.get_ident())
        try:
            for number in range(10**9):
                if when == "within the generator" and number == 1:
                    asked.set()
                    go.wait(10)
                yield number
        finally:
            closed_on.append(threading.get_ident())
            ended.set()

    async def main():
        with lane_of(1) as lane:
            stream = (await Executor(giving(endless), lane).run({}, True))["out"]
            assert await anext(stream) == 0
            if when == "within the generator":
                await asyncio.to_thread(asked.wait, 10)
            await stream.aclose()
            go.set()
            assert await asyncio.to_thread(ended.wait, 10)
            assert await lane.run(lambda: "free") == "free"
            assert lane.stuck == 0
        assert closed_on[0] == closed_on[1] != threading.get_ident()

    on_loop(main)


def test_closing_a_stream_closes_an_async_generator(executing):
    ended = []

    async def endless():
        try:
            while True:
                yield "a"
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def main(executor):
        stream = (await executor.run({}, True))["out"]
        assert await anext(stream) == "a"
        await stream.aclose()
        assert ended == [True]

    executing(giving(endless), main)


def test_a_generator_that_cannot_be_closed_is_told_in_the_log(executing, caplog):
    async def clumsy():
        try:
            yield "a"
        finally:
            raise ValueError

    async def main(executor):
        stream = (await executor.run({}, True))["out"]
        await anext(stream)
        await stream.aclose()

    executing(giving(clumsy), main)
    assert ["could not be closed" in record.getMessage() for record in caplog.records] == [True]


def test_cancelling_the_reader_cancels_the_async_generator(executing):
    seen = []

    async def waits():
        yield "a"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main(executor):
        stream = (await executor.run({}, True))["out"]
        reader = asyncio.create_task(items_of(stream))
        for _ in range(5):
            await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert seen == ["cancelled"]

    executing(giving(waits), main)


def test_more_streams_than_threads_wait_for_one(on_loop):
    async def main():
        streams = ThreadLane(1, asyncio.get_running_loop())
        with lane_of(1) as lane, contextlib.closing(streams):
            executor = Executor(giving(lambda: blocking(*range(2 * AHEAD)), lane="thread"), lane, streams=streams)
            first = (await executor.run({}, True))["out"]
            assert await anext(first) == 0
            second = (await executor.run({}, True))["out"]
            waiting = asyncio.create_task(anext(second))
            assert (await executor.run({}))["out"].startswith("012"), "what blocks has threads of its own"
            assert not waiting.done()
            await first.aclose()
            assert await waiting == 0
            await second.aclose()

    on_loop(main)


@pytest.mark.parametrize("streaming", [False, True])
def test_the_plan_is_told_whether_a_stream_is_wanted(executing, streaming):
    async def look(stream):
        return stream

    plan = plan_of(node("n", look, stream=Literal("the author's")), outputs={"out": at("n")})
    slot = len(plan.inputs) + len(plan.literals) + len(plan.steps)
    asking = Argument("stream", Reference(slot, (), "", "stream"))
    plan = msgspec.structs.replace(
        plan, streaming=slot, steps=(msgspec.structs.replace(plan.steps[0], arguments=(asking,)),)
    )

    async def main(executor):
        assert await executor.run({}, streaming) == {"out": streaming}
        assert await executor.run({}) == {"out": False}

    executing(plan, main)


# -- the line timeout --------------------------------------------------------------------------------


async def waits():
    await asyncio.Event().wait()


async def times_out():
    raise TimeoutError("the author's")


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
def test_the_line_timeout(on_loop, beside):
    nodes = [node("n", waits), *([node("m", waits)] if beside else [])]
    plan = plan_of(*nodes, inputs=[given("x", default=1)], chains=[[n.name] for n in nodes])

    async def main():
        with pytest.raises(UserError, match=r"^Line None execution timeout for exceeding 0.01 seconds$"):
            await Executor(plan, None, line_timeout_s=0.01).run({})

    on_loop(main)


def test_a_whole_number_of_seconds_is_told_as_one(on_loop):
    async def main():
        executor = Executor(plan_of(node("n", times_out)), None, line_timeout_s=1.0)
        with pytest.raises(UserError, match=r"Execution failure in 'n': \(TimeoutError\) the author's"):
            await executor.run({})

    on_loop(main)
