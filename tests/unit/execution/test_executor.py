"""What a request gives: inputs bound, steps called, outputs read, failures told."""

from __future__ import annotations

import asyncio
import functools
import threading

import pytest
from msgspec.structs import replace

from pfserve.errors import RequestError, SystemFailure, UserError
from pfserve.execution import Executor
from pfserve.values.promptflow_errors import SystemErrorException, UserErrorException
from unit.execution.handmade import At, Literal, at, given, lane_of, node, plan_of, prompt


async def same(value):
    return value


async def later(value):
    await asyncio.sleep(0)
    return value


def blocking(value):
    return value


def rendered(value):
    return f"<{value}>"


def no_int(value):
    raise UserError(f"not an int: {value!r}")


# -- inputs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"n": "7"}, {"n": 7, "k": 1}),
        ({"n": "7", "k": "2"}, {"n": 7, "k": 2}),
        ({"n": 3.9, "unknown": 1}, {"n": 3, "k": 1}),
    ],
)
def test_inputs_are_converted_and_defaults_are_not(outcome, values, expected):
    plan = plan_of(inputs=[given("n", int), given("k", int, default=1)], outputs={"n": at("n"), "k": at("k")})
    assert outcome(plan, **values) == expected


def test_a_request_that_needs_an_unusable_default_is_told_so(outcome):
    inputs = [replace(given("n", int), required=False, refusal="n is no int"), given("k", str)]
    plan = plan_of(inputs=inputs, outputs={"n": at("n")})
    assert outcome(plan, n="7", k="") == {"n": 7}
    with pytest.raises(UserError, match="n is no int"):
        outcome(plan, k="")


def test_an_explicit_null_counts_as_given(outcome):
    plan = plan_of(inputs=[given("text", str, default="hello")], outputs={"text": at("text")})
    assert outcome(plan, text=None) == {"text": "None"}


def test_the_first_input_in_the_order_of_declaration_that_does_not_convert_is_told(outcome):
    plan = plan_of(inputs=[given("a"), given("b", no_int), given("c", no_int)])
    with pytest.raises(UserError, match="not an int: 'b'"):
        outcome(plan, c="c", b="b", a="a")


@pytest.mark.parametrize("shared", [[1], {"a": 1}, [[1]], {"a": {"b": 1}}], ids=repr)
@pytest.mark.parametrize("how", ["default", "literal"])
def test_no_request_sees_what_another_did_to_a_default_or_literal(executing, shared, how):
    async def change(value):
        deepest = value
        while True:
            inner = deepest[0] if isinstance(deepest, list) else next(iter(deepest.values()))
            if not isinstance(inner, list | dict):
                break
            deepest = inner
        deepest.clear()
        return value

    if how == "default":
        plan = plan_of(node("n", change, value=at("x")), inputs=[given("x", default=shared)], outputs={"out": at("n")})
    else:
        plan = plan_of(node("n", change, value=Literal(shared)), outputs={"out": at("n")})

    async def twice(executor):
        return await executor.run({}), await executor.run({})

    before = repr(shared)
    first, second = executing(plan, twice)
    assert first == second  # the second could not have found what is cleared
    assert repr(shared) == before


# -- walking -----------------------------------------------------------------------------------------


def test_values_pass_from_step_to_step_by_identity(outcome):
    plan = plan_of(
        node("a", same, value=at("x")), node("b", later, value=at("a")), inputs=[given("x")], outputs={"out": at("b")}
    )
    value = object()
    assert outcome(plan, x=value)["out"] is value


def test_a_line_of_chains_on_both_lanes(outcome):
    plan = plan_of(
        prompt("p", rendered, value=at("x")),
        node("a", later, value=at("p")),
        node("t", blocking, value=at("a")),
        prompt("q", rendered, value=at("t")),
        node("b", same, value=at("q")),
        inputs=[given("x")],
        outputs={"out": at("b")},
        chains=[["p", "a"], ["t", "q"], ["b"]],
    )
    assert outcome(plan, x=1) == {"out": "<<1>>"}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_arguments_are_keywords_whatever_their_number(outcome, count):
    async def collect(*positional, **keywords):
        assert not positional
        return keywords

    wanted = {f"k{number}": number for number in range(count)}
    plan = plan_of(
        node("n", collect, **{name: Literal(value) for name, value in wanted.items()}), outputs={"out": at("n")}
    )
    assert outcome(plan) == {"out": wanted}


def test_a_flow_without_nodes_answers_its_inputs(outcome):
    assert outcome(plan_of(inputs=[given("x")], outputs={"out": at("x")}), x=1) == {"out": 1}


def test_a_flow_that_never_waits_needs_no_loop():
    plan = plan_of(
        prompt("p", rendered, value=at("x")),
        node("a", same, value=at("p")),
        inputs=[given("x")],
        outputs={"out": at("a")},
    )
    request = Executor(plan, None).run({"x": 1})
    with pytest.raises(StopIteration) as finished:
        request.send(None)
    assert finished.value.value == {"out": "<1>"}


def test_a_chain_that_is_alone_runs_in_the_task_of_its_request(executing):
    seen = []

    async def look(value=None):
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        return value

    plan = plan_of(
        node("a", look),
        node("t", blocking, value=at("a")),
        node("b", look, value=at("t")),
        chains=[["a"], ["t"], ["b"]],
    )

    async def main(executor):
        await executor.run({})
        assert seen == [asyncio.current_task()] * 2

    executing(plan, main)


def test_a_function_that_hides_a_coroutine_is_run_to_its_end_on_a_thread(outcome):
    async def hidden(value):
        await asyncio.sleep(0)
        return value + 1

    def wrapper(value):
        return functools.partial(hidden)(value)

    plan = plan_of(node("n", wrapper, value=Literal(1)), outputs={"out": at("n")})
    assert outcome(plan) == {"out": 2}


# -- outputs and references --------------------------------------------------------------------------


class Thing:
    word = "attribute"

    @property
    def broken(self):
        raise RuntimeError("the author's property")


VALUE = {"key": [10, {"word": "deep"}], "word": "entry", "thing": Thing()}


def test_outputs_come_in_the_order_of_declaration(outcome):
    plan = plan_of(inputs=[given("x")], outputs={"z": at("x"), "a": "literal ${x}", "m": at("x")})
    assert list(outcome(plan, x=1).items()) == [("z", 1), ("a", "literal ${x}"), ("m", 1)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("word",), "entry"),
        (("key", 0), 10),
        (("key", 1, "word"), "deep"),
        (("thing", "word"), "attribute"),
    ],
)
@pytest.mark.parametrize("place", ["output", "argument"])
def test_a_property_path_reads_keys_indexes_and_attributes(outcome, path, expected, place):
    nodes = [node("b", same, value=Literal(VALUE))]
    if place == "argument":
        nodes.append(node("c", same, value=At("b", path)))
    plan = plan_of(*nodes, outputs={"out": At("b", path) if place == "output" else at("c")})
    assert outcome(plan) == {"out": expected}


@pytest.mark.parametrize(
    "path", [("x",), ("key", 2), ("key", "x"), ("word", 99), ("thing", "x"), ("thing", 0), ("thing", "broken")]
)
@pytest.mark.parametrize("place", ["output", "argument", "argument on a thread"])
def test_a_missing_property_is_told_with_its_node(outcome, path, place):
    nodes = [node("b", same, value=Literal(VALUE))]
    outputs = {}
    if place == "output":
        outputs = {"out": At("b", path)}
    else:
        nodes.append(node("c", same if place == "argument" else blocking, value=At("b", path)))
    plan = plan_of(*nodes, outputs=outputs, chains=[[n.name] for n in nodes])
    with pytest.raises(UserError) as failure:
        outcome(plan)
    spelling = ".".join(map(str, path))
    assert failure.value.message == (
        f"Flow execution failed. Invalid property '{spelling}' when accessing the node 'b'. "
        "Please check the property and try again."
    )
    assert isinstance(failure.value.__cause__, LookupError | AttributeError | TypeError | RuntimeError)


# -- failures ----------------------------------------------------------------------------------------


class Derived(UserErrorException):
    pass


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (ValueError("boom"), UserError, "Execution failure in 'n': (ValueError) boom"),
        (StopIteration("boom"), UserError, None),
        (SystemExit(3), UserError, "Execution failure in 'n': (SystemExit) 3"),
        (GeneratorExit("out"), UserError, "Execution failure in 'n': (GeneratorExit) out"),
        (asyncio.CancelledError("mine"), UserError, "Execution failure in 'n': (CancelledError) mine"),
        (KeyboardInterrupt(), UserError, "Tool execution is canceled because: Received cancel request.."),
        (Derived("mine"), UserError, "mine"),
        (SystemErrorException("theirs"), SystemFailure, "theirs"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
@pytest.mark.parametrize("lane", ["loop", "loop, before an await", "thread", "prompt", "one of two loop branches"])
def test_what_a_step_raises_becomes_the_error_of_the_request(executing, raised, kind, message, lane):
    def fail():
        raise raised

    async def fail_async():
        raise raised

    async def fail_after_await():
        await asyncio.sleep(0)
        raise raised

    async def fine():
        pass

    nodes = {
        "loop": [node("n", fail_async)],
        "loop, before an await": [node("n", fail_after_await)],
        "thread": [node("n", fail)],
        "prompt": [prompt("n", fail)],
        "one of two loop branches": [node("n", fail_async), node("m", fine)],
    }[lane]

    async def main(executor):
        for _ in range(2):  # the second: whatever the first did, lane and loop are alive
            with pytest.raises(RequestError) as failure:
                await executor.run({})
            assert type(failure.value) is kind
            assert message is None or failure.value.message == message
            assert message is None or failure.value.__cause__ is raised

    executing(plan_of(*nodes, chains=[[n.name] for n in nodes]), main)


def test_a_missing_argument_is_a_failure_of_the_node(outcome):
    async def n(need):
        return need

    with pytest.raises(UserError, match=r"Execution failure in 'n': \(TypeError\).*missing 1 required.*'need'"):
        outcome(plan_of(node("n", n)))


def test_steps_after_a_failed_one_do_not_run(executing):
    ran = []

    async def fail():
        raise ValueError

    async def after(value):
        ran.append(value)

    plan = plan_of(node("a", fail), node("b", after, value=at("a")))

    async def main(executor):
        with pytest.raises(UserError):
            await executor.run({})

    executing(plan, main)
    assert not ran


# -- cancellation ------------------------------------------------------------------------------------


def test_cancelling_a_request_cancels_the_step_that_waits(executing):
    seen = []

    async def wait():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main(executor):
        request = asyncio.create_task(executor.run({}))
        await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert seen == ["cancelled"]

    executing(plan_of(node("n", wait)), main)


def test_a_thread_that_is_left_behind_begins_no_other_step(on_loop):
    began, hold, seen = threading.Event(), threading.Event(), []

    def block():
        began.set()
        hold.wait(30)

    async def main():
        with lane_of(1) as lane:
            nodes = node("a", block), node("b", lambda after: seen.append("b"), after=at("a"))
            plan = plan_of(*nodes, chains=[["a", "b"]])
            request = asyncio.create_task(Executor(plan, lane).run({}))
            await asyncio.to_thread(began.wait, 30)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            hold.set()
            await lane.run(lambda: None)
            assert seen == []

    on_loop(main)


def test_a_thread_begins_no_other_step_once_a_sibling_has_failed(on_loop):
    began, hold, seen = threading.Event(), threading.Event(), []

    def block():
        began.set()
        hold.wait(30)

    async def fail():
        await asyncio.to_thread(began.wait, 30)
        raise ValueError("boom")

    async def main():
        with lane_of(1) as lane:
            nodes = node("a", block), node("b", lambda after: seen.append("b"), after=at("a")), node("c", fail)
            with pytest.raises(UserError, match="boom"):
                await Executor(plan_of(*nodes, chains=[["a", "b"], ["c"]]), lane).run({})
            hold.set()
            await lane.run(lambda: None)
            assert seen == []

    on_loop(main)


def test_a_deadline_around_a_request_works(executing):
    async def wait():
        await asyncio.Event().wait()

    async def main(executor):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await executor.run({})

    executing(plan_of(node("n", wait)), main)


def test_a_cancelled_task_of_the_author_is_a_failure_and_no_cancellation(executing):
    async def careless():
        inner = asyncio.ensure_future(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner

    async def main(executor):
        with pytest.raises(UserError, match=r"\(CancelledError\)"):
            await executor.run({})

    executing(plan_of(node("n", careless)), main)
