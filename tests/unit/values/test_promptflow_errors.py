from __future__ import annotations

import pytest

from pfserve.values.promptflow_errors import ErrorTarget, PromptflowException, UserErrorException, ValidationException

TEXTS = [
    (PromptflowException(), ""),
    (PromptflowException("plain"), "plain"),
    (PromptflowException("a {x}", x=2), "a {x}"),
    (PromptflowException(message="m", message_format="f"), "m"),
    (PromptflowException(message_format="a {x} {y}", x=1), "a 1 <y>"),
    (PromptflowException(message_format="a {"), "a {"),
    (PromptflowException(ValueError("v")), "v"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("problem", "expected"), TEXTS)
def test_the_text_is_the_message(problem: PromptflowException, expected: str) -> None:
    assert (problem.message, str(problem)) == (expected, expected)


def test_what_it_carries() -> None:
    problem = UserErrorException(message_format="a {x}", target=ErrorTarget.TOOL, module="m", x=1)
    assert (problem.target, problem.module, problem.message_format) == (ErrorTarget.TOOL, "m", "a {x}")
    assert problem.message_parameters == {"x": 1}
    assert str(ErrorTarget.TOOL.value) == "Tool"


def test_the_cause_is_the_inner_exception() -> None:
    cause = ValueError("v")
    with pytest.raises(ValidationException) as caught:
        raise ValidationException("x") from cause
    assert caught.value.inner_exception is cause
    assert isinstance(caught.value, UserErrorException)
