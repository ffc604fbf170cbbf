"""Log lines at most once a second per cause."""

import pytest

from pfserve.errors import UserError
from pfserve.web.complaints import Complaints


def test_one_line_a_second_per_cause(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 10.0
    complaints = Complaints(lambda: now_s)
    for now_s in (10.0, 10.5, 10.9, 11.0, 11.5):
        complaints.say(429, "full at %g", now_s)
        complaints.say(503, "busy")
    assert [record.getMessage() for record in caplog.records] == ["full at 10", "busy", "full at 11", "busy"]


def failed(node: str, text: str) -> UserError:
    try:
        try:
            raise ValueError(text)
        except ValueError as problem:
            raise UserError(f"Execution failure in '{node}': (ValueError) {text}") from problem
    except UserError as error:
        return error


def test_a_failing_node_is_told_with_its_stack_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(lambda: 1.0)
    for node, text in [("a", "boom"), ("a", "again"), ("b", "x" * 1_000_000)]:
        complaints.say_failure(failed(node, text), "id-1")
    [first, second] = caplog.messages
    assert first.startswith("request id-1 failed with 400: Traceback")
    assert first.rstrip().endswith("ValueError: boom")
    assert "test_complaints.py" in first
    assert len(second) < 10_000


def test_what_no_code_raised_needs_no_line(caplog: pytest.LogCaptureFixture) -> None:
    Complaints(lambda: 1.0).say_failure(UserError("Required input fields ['a'] are missing"), "id")
    assert not caplog.messages


def test_an_exception_without_a_text_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Nameless(Exception):
        def __str__(self) -> str:
            raise ValueError

    error = UserError("Execution failure in 'a'")
    error.__cause__ = Nameless()
    Complaints(lambda: 1.0).say_failure(error, "id")
    assert "Nameless" in caplog.text
