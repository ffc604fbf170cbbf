"""What user code prints: lines of the log that name the node, and nothing anywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import sys
import threading
from contextvars import copy_context

import pytest

from pfserve.errors import UserError
from pfserve.execution import prints
from unit.execution.handmade import at, node, plan_of


@contextlib.contextmanager
def installed():
    """Replaces the standard streams; what is not attributed ends in the two that this gives.

    No fixture: pytest gives the streams back to itself between a fixture and its test.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = real = io.StringIO(), io.StringIO()
    prints.install()
    try:
        yield real
    finally:
        sys.stdout, sys.stderr = before


@pytest.fixture
def told(caplog):
    """The lines told so far: the node, the stream and the text."""
    caplog.set_level(logging.INFO)

    def lines():
        found = []
        for record in caplog.records:
            if record.name.startswith("execution"):
                place, _, text = record.getMessage().partition("> ")
                name, _, stream = place.partition(" in line None (index starts from 0)] ")
                found.append((name.removeprefix("["), stream, text))
        return found

    return lines


def printing(*steps):
    """A plan whose nodes a, b, … print, one after the other in one chain."""
    nodes = [node(name, step) for name, step in zip("abcdef", steps, strict=False)]
    return plan_of(*nodes, outputs={"out": at("a")})


def test_a_line_names_its_node_in_promptflows_words(outcome, caplog):
    caplog.set_level(logging.INFO)
    with installed() as real:

        def speak():
            print("hello", "you")
            print("oh", file=sys.stderr)

        outcome(printing(speak))
        assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records if r.name.startswith("execution")] == [
            ("execution.flow", "INFO", "[a in line None (index starts from 0)] stdout> hello you"),
            ("execution", "WARNING", "[a in line None (index starts from 0)] stderr> oh"),
        ]
        assert [stream.getvalue() for stream in real] == ["", ""]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (["a", "b", "\n"], ["ab"]),
        (["a\nb\nc"], ["a", "b", "c"]),
        (["\n"], [""]),
        (["no end"], ["no end"]),
        (["10%\r", "20%\r", "done\r\n"], ["done"]),
        (["a\n\nb\n"], ["a", "", "b"]),
        ([], []),
        ([""], []),
    ],
)
@pytest.mark.parametrize("lane", ["loop", "thread"])
def test_lines_are_told_whole(outcome, told, written, lines, lane):
    with installed():

        def write():
            for text in written:
                sys.stdout.write(text)
            sys.stdout.flush()

        async def write_on_loop():
            write()

        outcome(printing(write if lane == "thread" else write_on_loop))
        assert told() == [("a", "stdout", line) for line in lines]


def test_a_line_without_an_end_is_told_in_pieces(outcome, told):
    with installed():

        def write():
            for _ in range(100):
                sys.stdout.write("x" * 1000)

        outcome(printing(write))
        assert "".join(text for _, _, text in told()) == "x" * 100_000
        assert all(len(text) <= prints.LINE_CHARS for _, _, text in told())


def test_the_next_node_of_a_chain_begins_a_line_of_its_own(outcome, told):
    with installed():

        async def first():
            print("one", end="")

        async def second():
            print("two")

        outcome(printing(first, second))
        assert told() == [("a", "stdout", "one"), ("b", "stdout", "two")]


def test_what_a_failing_node_printed_is_told(executing, told):
    with installed():

        async def fail():
            print("so far", end="")
            raise ValueError

        async def main(executor):
            with pytest.raises(UserError):
                await executor.run({})

        executing(printing(fail), main)
        assert told() == [("a", "stdout", "so far")]


def test_requests_and_nodes_that_run_at_once_are_told_apart(executing, told):
    with installed():

        async def speak():
            for number in range(3):
                print(number, end=" ")
                await asyncio.sleep(0)
            print()

        plan = plan_of(node("a", speak), node("b", speak), chains=[["a"], ["b"]])

        async def main(executor):
            await asyncio.gather(*(executor.run({}) for _ in range(3)))

        executing(plan, main)
        assert sorted(told()) == [("a", "stdout", "0 1 2 ")] * 3 + [("b", "stdout", "0 1 2 ")] * 3


@pytest.mark.parametrize("kind", ["async", "blocking"])
@pytest.mark.parametrize("streaming", [False, True])
def test_what_a_generator_prints_is_its_nodes(executing, told, kind, streaming):
    with installed():

        async def on_loop():
            print("from within", end="")
            yield "a"

        def on_thread():
            print("from within", end="")
            yield "a"

        async def main(executor):
            output = (await executor.run({}, streaming))["out"]
            if streaming:
                assert [item async for item in output] == ["a"]
                await output.aclose()

        executing(printing(lambda: on_loop() if kind == "async" else on_thread()), main)
        assert told() == [("a", "stdout", "from within")]


def test_outside_of_steps_everything_passes_through(outcome, told):
    with installed() as real:

        def in_a_thread():
            thread = threading.Thread(target=print, args=("from a thread of the author's",))
            thread.start()
            thread.join()

        outcome(printing(in_a_thread))
        print("outside")
        sys.stderr.writelines(["a\n", "b\n"])
        assert real[0].getvalue() == "from a thread of the author's\noutside\n"
        assert real[1].getvalue() == "a\nb\n"
        assert told() == []


def test_installing_again_wraps_nothing():
    with installed():
        once = sys.stdout, sys.stderr
        prints.install()
        assert (sys.stdout, sys.stderr) == once


def test_the_rest_of_a_stream_is_the_real_one():
    with installed() as real:
        assert sys.stdout.getvalue == real[0].getvalue
        assert sys.stdout.isatty() is False
        with pytest.raises(AttributeError):
            sys.stdout.nonsense


def test_only_text_can_be_written():
    with installed():

        def write():
            prints.NODE.set("a")
            with pytest.raises(TypeError, match="must be str, not bytes"):
                sys.stdout.write(b"x")

        copy_context().run(write)


def test_a_log_handler_that_writes_to_the_stream_does_not_tell_itself(outcome, told):
    with installed() as real:
        handler = logging.StreamHandler(sys.stderr)
        logging.getLogger("execution").addHandler(handler)
        try:
            outcome(printing(lambda: print("hello")))
        finally:
            logging.getLogger("execution").removeHandler(handler)
        assert real[1].getvalue() == "[a in line None (index starts from 0)] stdout> hello\n"
        assert told() == [("a", "stdout", "hello")]
