"""A model's stream that other nodes read: an ordinary generator, as in promptflow, wherever they run."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time

import msgspec
import pytest

from pfserve.errors import UserError
from pfserve.execution import Executor
from pfserve.plan import Lane, LlmCall
from pfserve.values.ambient import DEADLINE_S
from unit.execution.handmade import Literal, at, lane_of, node, plan_of

CALL = LlmCall("chat", None, lambda: "", frozenset(), ())


class Models:
    """Gives a stream, and remembers what became of it."""

    def __init__(self, *, failure=None, silent=False):
        self.given, self.closed = [], threading.Event()
        self._failure, self._silent = failure, silent

    def bind(self, call):
        async def ask(stream):
            return self._pieces() if stream else "whole"

        return ask

    async def _pieces(self):
        try:
            for piece in "abc":
                self.given.append(piece)
                yield piece
                await asyncio.sleep(0)
            if self._failure:
                raise self._failure
            if self._silent:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


async def never(stream):
    raise AssertionError("the call is bound to the models")


def plan(reader, *, stream=True, **more):
    nodes = [node("a", never, stream=Literal(stream)), node("b", reader, it=at("a"), **more)]
    made = plan_of(*nodes, outputs={"out": at("b")}, chains=[["a"], ["b"]])
    [asks, reads] = made.steps
    return msgspec.structs.replace(made, steps=(msgspec.structs.replace(asks, call=CALL), reads))


@pytest.fixture
def outcome(on_loop):
    def run(made, models):
        async def main():
            with lane_of(2) as lane:
                return await Executor(made, lane, models=models).run({})

        return on_loop(main)

    return run


async def on_the_loop(it):
    return [inspect.isgenerator(it), *it]


def on_a_thread(it):
    return [inspect.isgenerator(it), *it]


@pytest.mark.parametrize("reader", [on_the_loop, on_a_thread])
def test_readers_get_an_ordinary_generator(outcome, reader):
    models = Models()
    assert outcome(plan(reader), models) == {"out": [True, "a", "b", "c"]}
    assert models.closed.is_set()


def joined(it):
    return "".join(it)


def test_a_template_reads_it_too(outcome):
    assert outcome(plan(joined, lane=None), Models()) == {"out": "abc"}


@pytest.mark.parametrize("reader", [on_the_loop, on_a_thread])
def test_an_answer_that_is_no_stream_is_handed_on_as_it_is(outcome, reader):
    assert outcome(plan(reader, stream=False), Models()) == {"out": [False, *"whole"]}


def test_a_blocking_reader_gets_the_pieces_as_they_come(outcome):
    models = Models()
    seen = []

    def reader(it):
        for piece in it:
            seen.append((piece, list(models.given)))

    outcome(plan(reader), models)
    assert seen == [("a", ["a"]), ("b", ["a", "b"]), ("c", ["a", "b", "c"])]


def test_a_reader_that_has_enough_ends_the_model_s_work(outcome):
    models = Models()

    def reader(it):
        found = next(it)
        it.close()
        assert models.closed.wait(10)
        return found

    assert outcome(plan(reader), models) == {"out": "a"}
    assert models.given == ["a"]


@pytest.mark.parametrize("reader", [on_the_loop, on_a_thread])
def test_a_stream_that_fails(outcome, reader):
    with pytest.raises(UserError, match="gone"):
        outcome(plan(reader), Models(failure=UserError("gone")))


def test_a_blocking_reader_does_not_outlive_its_request(outcome):
    models = Models(silent=True)
    token = DEADLINE_S.set(time.monotonic() + 0.2)
    try:
        with pytest.raises(UserError, match="Execution failure in 'b': \\(TimeoutError\\)"):
            outcome(plan(on_a_thread), models)
    finally:
        DEADLINE_S.reset(token)
    assert models.closed.is_set()


def test_a_stream_that_nobody_reads_stays_one(on_loop):
    made = plan_of(node("a", never, stream=Literal(True)), outputs={"out": at("a")})
    made = msgspec.structs.replace(made, steps=(msgspec.structs.replace(made.steps[0], call=CALL),))

    async def main():
        with lane_of(1) as lane:
            outputs = await Executor(made, lane, models=Models()).run({}, True)
            return [piece async for piece in outputs["out"]]

    assert on_loop(main) == ["a", "b", "c"]
    assert Lane.LOOP is made.steps[0].lane
