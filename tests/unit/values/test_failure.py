"""Status, code and message for what a node raises (contract 1.5)."""

from __future__ import annotations

import pytest

from pfserve.errors import RequestTimeout, SystemFailure, UserError
from pfserve.values import failure_of, template_failure
from pfserve.values.promptflow_errors import (
    PromptflowException,
    SystemErrorException,
    UserErrorException,
    ValidationException,
)


class Mixin:
    pass


class Mine(UserErrorException):
    pass


class Mixed(Mixin, Mine):
    pass


class OddOne(PromptflowException):
    pass


class BelowOdd(OddOne):
    pass


class SystemMine(SystemErrorException):
    pass


class TextFails(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


FAILURES = [
    # raised, status, code, message
    (ValueError("boom"), 400, "UserError", "Execution failure in 'n': (ValueError) boom"),
    (KeyError("k"), 400, "UserError", "Execution failure in 'n': (KeyError) 'k'"),
    (Exception(), 400, "UserError", "Execution failure in 'n': (Exception) "),
    (SystemExit(3), 400, "UserError", "Execution failure in 'n': (SystemExit) 3"),
    (TextFails(), 400, "UserError", "Execution failure in 'n': (TextFails) <no text: str() raised RuntimeError>"),
    (UserErrorException("mine"), 400, "UserError", "mine"),
    (Mine("mine"), 400, "UserError", "mine"),
    (Mixed("mine"), 400, "UserError", "mine"),
    (ValidationException("mine"), 400, "UserError", "mine"),
    (SystemErrorException("theirs"), 500, "SystemError", "theirs"),
    (SystemMine("theirs"), 500, "SystemError", "theirs"),
    (PromptflowException("bare"), 500, "SystemError", "bare"),
    (OddOne("odd"), 500, "OddOne", "odd"),
    (BelowOdd("odd"), 500, "OddOne", "odd"),
    (UserErrorException(message_format="a {x} {y}", x=1), 400, "UserError", "a 1 <y>"),
]


@pytest.mark.parametrize(("raised", "status", "code", "message"), FAILURES)
def test_failure_of(raised: BaseException, status: int, code: str, message: str) -> None:
    failure = failure_of(raised, "n")
    assert (failure.status, failure.code, failure.message) == (status, code, message)


def test_a_code_of_ones_own_stays_with_its_failure() -> None:
    assert failure_of(OddOne("odd"), "n").code == "OddOne"
    assert failure_of(PromptflowException("bare"), "n").code == "SystemError"
    assert SystemFailure("x").code == "SystemError"


def test_classes_of_an_installed_promptflow_are_known_by_name() -> None:
    root = type("PromptflowException", (Exception,), {})
    system = type("SystemErrorException", (root,), {})
    user = type("UserErrorException", (root,), {})
    assert failure_of(system("s"), "n").status == 500
    assert failure_of(type("Own", (user,), {})("u"), "n").message == "u"


@pytest.mark.parametrize("raised", [UserError("x"), RequestTimeout("late")])
def test_an_error_of_ours_stays_what_it_is(raised: UserError | RequestTimeout) -> None:
    assert failure_of(raised, "n") is raised


def test_a_template_failure_names_the_class() -> None:
    assert template_failure(ZeroDivisionError("division by zero")).message == (
        "Failed to render jinja template: ZeroDivisionError: division by zero. "
        "Please modify your prompt to fix the issue."
    )
