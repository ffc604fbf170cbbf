"""A chain has a context of its own, and is otherwise part of its task."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from pfserve.errors import UserError
from pfserve.execution.isolation import isolated
from unit.execution.handmade import at, node, plan_of

mark: ContextVar[str] = ContextVar("mark", default="unset")


async def set_and_wait():
    found = mark.get()
    mark.set("set by a step")
    await asyncio.sleep(0)
    assert mark.get() == "set by a step"
    return found


def set_on_thread():
    found = mark.get()
    mark.set("set by a step")
    return found


async def look(value):
    return value, mark.get()


@pytest.mark.parametrize("function", [set_and_wait, set_on_thread])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
def test_what_a_step_sets_is_seen_neither_by_its_caller_nor_by_the_next_request(executing, function, beside):
    nodes = [node("n", function)]
    if beside:
        nodes.append(node("m", function))
    plan = plan_of(*nodes, outputs={"found": at("n")}, chains=[[n.name] for n in nodes])

    async def main(executor):
        mark.set("the caller's")
        for _ in range(2):
            assert await executor.run({}) == {"found": "the caller's"}
        assert mark.get() == "the caller's"

    executing(plan, main)


def test_the_steps_of_a_chain_share_its_context_and_other_chains_do_not(outcome):
    plan = plan_of(
        node("a", set_and_wait),
        node("b", look, value=at("a")),
        node("c", look, value=at("b")),
        outputs={"same": at("b"), "other": at("c")},
        chains=[["a", "b"], ["c"]],
    )
    result = outcome(plan)
    assert result["same"] == ("unset", "set by a step")
    assert result["other"] == (result["same"], "unset")


def test_the_context_of_a_failed_request_is_gone_too(executing):
    async def fail():
        mark.set("set by a step")
        raise ValueError

    async def main(executor):
        with pytest.raises(UserError):
            await executor.run({})
        assert mark.get() == "unset"

    executing(plan_of(node("n", fail)), main)


# -- what authors do with asyncio --------------------------------------------------------------------


async def times_out():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    return "timed out"


async def waits_for():
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 0)
    return "timed out"


async def gathers():
    return await asyncio.gather(*(asyncio.sleep(0, number) for number in range(3)))


async def groups():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
    return [task.result() for task in tasks]


async def group_that_fails():
    async def fail():
        raise KeyError("inner")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.Event().wait()
    except* KeyError:
        pass
    return "failed as it should"


async def child_sees_the_context():
    mark.set("the step's")

    async def child():
        return mark.get()

    return await asyncio.create_task(child())


async def iterates():
    async def numbers():
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    return [number async for number in numbers()]


async def hops():
    return await asyncio.to_thread(mark.get)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (times_out, "timed out"),
        (waits_for, "timed out"),
        (gathers, [0, 1, 2]),
        (groups, [0, 1, 2]),
        (group_that_fails, "failed as it should"),
        (child_sees_the_context, "the step's"),
        (iterates, [0, 1, 2]),
        (hops, "unset"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_asyncio_works_inside_a_step(outcome, function, expected):
    assert outcome(plan_of(node("n", function), outputs={"out": at("n")})) == {"out": expected}


# -- the awaitable itself ----------------------------------------------------------------------------


def test_closing_reaches_the_coroutine():
    seen = []

    async def wait(loop):
        try:
            await loop.create_future()
        except GeneratorExit:
            seen.append(mark.get())
            raise

    async def outer(loop):
        mark.set("outside")
        await isolated(wait(loop))

    loop = asyncio.new_event_loop()
    driven = outer(loop)
    driven.send(None)
    driven.close()
    loop.close()
    mark.set("unset")
    assert seen == ["outside"]
