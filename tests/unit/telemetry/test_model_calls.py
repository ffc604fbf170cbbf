"""Model calls are counted on the loop, whoever tells of them."""

from __future__ import annotations

import asyncio
import logging

from pfserve.region import ModelCount, Page
from pfserve.telemetry.model_calls import ModelCallCounter
from pfserve.values.model_call import ModelCall


def call(model="m", estimated=False):
    return ModelCall("chat", model, 3, 2, estimated, streamed=True, duration_s=0.5)


def test_from_the_loop_and_from_a_thread(caplog):
    async def run():
        page = Page()
        counter = ModelCallCounter(page, asyncio.get_running_loop())
        counter.take(call())
        await asyncio.to_thread(counter.take, call(estimated=True))
        counter.take(call("other"))
        await asyncio.sleep(0)
        return [page.models(what) for what in ModelCount]

    with caplog.at_level(logging.DEBUG, "pfserve"):
        totals = asyncio.run(run())
    assert totals == [3, 1, 9, 6, 1_500_000]
    assert "model call: chat m, 3 prompt and 2 completion tokens (estimated), 0.500 s" in caplog.text


def test_after_the_loop_s_end_nothing_is_counted():
    loop = asyncio.new_event_loop()
    loop.close()
    page = Page()
    ModelCallCounter(page, loop).take(call())
    assert page.models(ModelCount.CALLS) == 0
