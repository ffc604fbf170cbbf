from __future__ import annotations

import asyncio

import pytest

from pfserve.execution import Executor
from unit.execution.handmade import LOOPS, lane_of


@pytest.fixture(params=sorted(LOOPS))
def on_loop(request):
    """Runs a coroutine function on either kind of event loop."""

    def run(main, *arguments):
        async def bounded():
            async with asyncio.timeout(30):  # a test that hangs fails
                return await main(*arguments)

        return LOOPS[request.param](bounded())

    return run


@pytest.fixture
def executing(on_loop):
    """Runs a test's coroutine function with an executor for the plan, and a lane of as many threads as it may use."""

    def run(plan, main):
        async def with_executor():
            with lane_of(max(plan.width, 1)) as lane:
                return await main(Executor(plan, lane))

        return on_loop(with_executor)

    return run


@pytest.fixture
def outcome(executing):
    """The outputs of one request."""

    def run(plan, **values):
        return executing(plan, lambda executor: executor.run(values))

    return run
