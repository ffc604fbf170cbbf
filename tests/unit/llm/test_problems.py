"""Failures in promptflow's words, and which of them are tried again."""

from __future__ import annotations

import json

import aiohttp
import pytest

from pfserve.llm.problems import Problem, failed, http_problem, stream_failed, transport_problem, unexpected

REFERENCE = "[Error reference: https://platform.openai.com/docs/guides/error-codes/api-errors]"


def body(message, **fields):
    return json.dumps({"error": {"message": message, "type": "t", **fields}}).encode()


@pytest.mark.parametrize(
    ("status", "name", "retriable"),
    [
        (302, "APIStatusError", False),
        (400, "BadRequestError", False),
        (401, "AuthenticationError", False),
        (403, "PermissionDeniedError", False),
        (404, "NotFoundError", False),
        (408, "APIStatusError", False),
        (409, "ConflictError", False),
        (422, "UnprocessableEntityError", True),
        (429, "RateLimitError", True),
        (500, "InternalServerError", True),
        (503, "InternalServerError", True),
    ],
)
def test_a_status_has_its_class(status, name, retriable):
    problem = http_problem(status, None, body("m"), ())
    assert (problem.name, problem.retriable) == (name, retriable)
    prefix = "Exceed max retry times. " if retriable else ""
    assert failed(problem).message == f"{prefix}OpenAI API hits {name}: Error code: {status} - m {REFERENCE}"
    assert failed(problem).kind == name


@pytest.mark.parametrize(
    "said", [b"", b"plain", b"[1]", b'"x"', b'{"detail": 1}', b'{"error": "x"}', b'{"error": null}']
)
def test_an_error_without_message_is_its_code(said):
    assert failed(http_problem(400, None, said, ())).message == (
        f"OpenAI API hits BadRequestError: Error code: 400 {REFERENCE}"
    )


def test_a_spent_quota_is_not_tried_again():
    assert not http_problem(429, None, body("m", type="insufficient_quota"), ()).retriable


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("7", 7.0), ("0", 0.0), ("1.5", 1.5), (None, None), ("Wed, 21 Oct", None), ("-1", None), ("nan", None)],
)
def test_how_long_the_service_asks_to_wait(header, wait_s):
    assert http_problem(429, header, b"", ()).wait_s == wait_s


@pytest.mark.parametrize(
    ("failure", "name", "retriable"),
    [
        (TimeoutError(), "APITimeoutError", True),
        (aiohttp.ServerDisconnectedError(), "APIConnectionError", True),
        (aiohttp.ClientOSError(104, "reset"), "APIConnectionError", True),
        (aiohttp.ClientConnectorError(None, OSError(111, "refused")), "APIConnectionError", False),
        (aiohttp.InvalidURL("x"), "APIConnectionError", False),
        (aiohttp.ClientPayloadError("cut"), "APIConnectionError", False),
    ],
)
def test_no_answer_at_all(failure, name, retriable):
    problem = transport_problem(failure)
    assert (problem.name, problem.retriable) == (name, retriable)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Unrecognized request argument supplied: functions",
            "Current model does not support the `functions` parameter.",
        ),
        (
            "The completion operation does not work with the specified model, x",
            "The completion operation does not work",
        ),
        (
            "logprobs, best_of and echo parameters are not available on gpt-35-turbo",
            "The completion operation does not",
        ),
        (
            "Invalid content type. image_url is only supported by certain models.",
            "Current model does not support the image",
        ),
        (
            "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model.",
            'The response_format parameter needs to be a dictionary such as {"type": "text"}. The value',
        ),
        ("Principal does not have access to API/Operation.", "Principal does not have access to API/Operation. If you"),
        (
            "messages with role 'tool' must be a response to a preceeding message",
            "Please make sure your chat prompt includes 'tool_calls' within the 'assistant' role.",
        ),
    ],
)
def test_some_messages_are_rewritten_to_what_helps(said, told):
    message = failed(http_problem(400, None, body(said), ())).message
    assert message.startswith(f"OpenAI API hits BadRequestError: {told}")
    assert REFERENCE not in message


def test_secrets_are_masked_wherever_a_service_repeats_them():
    assert "sk-1234" not in failed(http_problem(401, None, body("bad key sk-1234"), ("sk-1234",))).message
    assert "sk-1234" not in stream_failed({"message": "bad key sk-1234"}, ("sk-1234",)).message
    assert "sk-1234" not in unexpected(ValueError("sk-1234"), ("sk-1234",)).message


def test_what_is_no_failure_of_the_service():
    assert unexpected(ValueError("boom")).message == "OpenAI API hits exception: ValueError: boom"
    assert stream_failed("x", ()).message == f"OpenAI API hits APIError: An error occurred during streaming {REFERENCE}"


def test_a_problem_that_is_retriable_failed_because_tries_ran_out():
    assert failed(Problem("A", "b", retriable=True)).message.startswith("Exceed max retry times. OpenAI API hits A: b")
