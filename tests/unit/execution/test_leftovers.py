"""What a request used is freed when it ends, without the help of the garbage collector: bodies can be large."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest

from eventually import eventually
from pfserve.errors import RequestError
from unit.execution.handmade import at, given, node, plan_of


class Large:
    """An input that can be watched."""


async def fine(value):
    await asyncio.sleep(0)
    return value


def fine_blocking(value):
    return value


async def fail(value):
    await asyncio.sleep(0)
    raise ValueError(value)


def fail_blocking(value):
    raise ValueError(value)


async def wait(value):
    await asyncio.Event().wait()


@pytest.fixture
def uncollected():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("shape", ["one chain", "line", "graph"])
@pytest.mark.parametrize("function", [fine, fine_blocking, fail, fail_blocking, wait])
def test_nothing_of_a_request_is_left(uncollected, executing, shape, function):
    nodes = [node("n", function, value=at("x"))]
    if shape == "line":
        nodes.insert(0, node("before", fine, value=at("x")))
        nodes[1] = node("n", function, value=at("before"))
    if shape == "graph":
        nodes.append(node("beside", fine, value=at("x")))
    plan = plan_of(*nodes, inputs=[given("x")], outputs={"out": at("n")}, chains=[[n.name] for n in nodes])

    async def main(executor):
        value = Large()
        watched = weakref.ref(value)
        request = asyncio.create_task(executor.run({"x": value}))
        del value
        if function is wait:
            for _ in range(5):
                await asyncio.sleep(0)
            request.cancel()
        with contextlib.suppress(RequestError, asyncio.CancelledError):
            await request
        del request  # it holds the failure, which holds this frame
        return watched

    watched = executing(plan, main)
    eventually(lambda: watched() is None, within_s=10, why="something still holds the input")  # a thread may be slow
