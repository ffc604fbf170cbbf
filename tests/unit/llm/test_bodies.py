"""What is sent, field by field."""

from __future__ import annotations

import pytest

from pfserve.errors import UserError
from pfserve.llm.bodies import chat_body, completion_body
from pfserve.values.llm_parameters import PARAMETERS

MESSAGES = [{"role": "user", "content": "hi"}]
FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
TOOL = {"type": "function", "function": FUNCTION}
AZURE_CHAT = {"model": "d", "messages": MESSAGES, "temperature": 1.0, "top_p": 1.0, "n": 1, "stream": False}
OPENAI_CHAT = {"model": "m", "messages": MESSAGES, "temperature": 1.0, "top_p": 1.0, "stream": False}


def azure(**parameters):
    return chat_body("AzureOpenAI", MESSAGES, {"deployment_name": "d", **parameters})


def openai(**parameters):
    return chat_body("OpenAI", MESSAGES, {"model": "m", **parameters})


CHATS = [
    ({}, {}),
    ({"temperature": 0, "top_p": 0.5, "stream": "TRUE"}, {"temperature": 0, "top_p": 0.5, "stream": True}),
    ({"temperature": None, "stream": 1}, {"temperature": None}),
    ({"stop": ["a"], "logit_bias": {"1": 2}, "user": "me"}, {"stop": ["a"], "logit_bias": {"1": 2}, "user": "me"}),
    ({"stop": [], "logit_bias": {}, "user": "", "response_format": {}, "seed": None}, {}),
    ({"response_format": {"type": "json_object"}, "seed": 0}, {"response_format": {"type": "json_object"}, "seed": 0}),
    ({"presence_penalty": 0, "frequency_penalty": 0.1}, {"presence_penalty": 0, "frequency_penalty": 0.1}),
    ({"max_tokens": "12"}, {"max_tokens": 12}),
    ({"max_tokens": 0}, {"max_tokens": 0}),
    ({"max_tokens": 1.7}, {"max_tokens": 1}),
    ({"max_tokens": "INF"}, {}),
    ({"max_tokens": float("inf")}, {}),
    ({"functions": [], "tools": [], "tool_choice": "auto"}, {}),
    ({"functions": [FUNCTION]}, {"functions": [FUNCTION], "function_call": "auto"}),
    (
        {"functions": [FUNCTION], "function_call": {"name": "f"}},
        {"functions": [FUNCTION], "function_call": {"name": "f"}},
    ),
]


@pytest.mark.parametrize(("parameters", "sent"), CHATS)
def test_both_providers_send_these_alike(parameters, sent):
    assert azure(**parameters) == AZURE_CHAT | sent
    assert openai(**parameters) == OPENAI_CHAT | sent


def test_azure_is_always_sent_n_and_openai_never_by_a_node():
    assert azure()["n"] == 1
    assert azure(n=2)["n"] == 2
    assert "n" not in openai()
    assert "n" not in PARAMETERS["OpenAI", "chat"]


def test_tools_win_over_functions_and_openai_takes_the_choice_as_it_is():
    assert azure(tools=[TOOL], functions=[FUNCTION]) == AZURE_CHAT | {"tools": [TOOL], "tool_choice": "auto"}
    assert openai(tools=[TOOL], functions=[FUNCTION]) == OPENAI_CHAT | {"tools": [TOOL], "tool_choice": None}
    assert openai(tools="x", tool_choice=5) == OPENAI_CHAT | {"tools": "x", "tool_choice": 5}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"functions": "x"}, "function 0 'x' is not a dict. Here is a valid function example: {\"name\": "),
        ({"functions": [FUNCTION, {}]}, "function 1 '{}' does not have 'name' property. "),
        ({"functions": [{"name": "f"}]}, "function 0 '{'name': 'f'}' does not have 'parameters' property. "),
        (
            {"functions": [{"name": "f", "parameters": 1}]},
            "function 0 'f' parameters '1' should be described as a JSON Schema object. ",
        ),
        (
            {"functions": [{"name": "f", "parameters": {}}]},
            "function 0 'f' parameters '{}' does not have 'type' property",
        ),
        (
            {"functions": [{"name": "f", "parameters": {"type": "x", "properties": 1}}]},
            "function 0 'f' parameters 'type' should be 'object'. ",
        ),
        (
            {"functions": [{"name": "f", "parameters": {"type": "object", "properties": 1}}]},
            "function 0 'f' parameters 'properties' should be described as a JSON Schema object. ",
        ),
        ({"tools": [{}]}, "tool 0 '{}' does not have 'type' property. Here is a valid tool example: "),
        ({"tools": [{"type": "function"}]}, "tool 0 '{'type': 'function'}' does not have 'function' property. "),
        (
            {"tools": [{"type": "x", "function": {}}]},
            "function 0 '{}' does not have 'name' property. Here is a valid tool",
        ),
        (
            {"functions": [FUNCTION], "function_call": "zz"},
            "function_call parameter 'zz' must be a dict, but not <class 'str'>. Here is a valid example: ",
        ),
        (
            {"functions": [FUNCTION], "function_call": {"x": "f"}},
            'function_call parameter {"x": "f"} must contain "name" field. Here is a valid example: ',
        ),
        (
            {"tools": [TOOL], "tool_choice": "required"},
            "tool_choice parameter 'required' must be a dict, but not <class 'str'>. Here is a valid example: ",
        ),
        ({"tools": [TOOL], "tool_choice": {"x": 1}}, 'tool_choice parameter {"x": 1} must contain "type" field. '),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {}}},
            'function parameter "{}" in tool_choice must contain "name" field. Here is a valid example: ',
        ),
    ],
)
def test_wrong_tools_and_functions_are_told_in_promptflows_words(parameters, said):
    with pytest.raises(UserError) as caught:
        azure(**parameters)
    assert caught.value.message.startswith(said)


def test_azure_needs_a_deployment():
    with pytest.raises(
        TypeError, match=r"AzureOpenAI.chat\(\) missing 1 required positional argument: 'deployment_name'"
    ):
        chat_body("AzureOpenAI", MESSAGES, {})


COMPLETION = {
    "prompt": "p",
    "model": "m",
    "max_tokens": 16,
    "temperature": 1.0,
    "top_p": 1.0,
    "n": 1,
    "stream": False,
    "echo": False,
    "best_of": 1,
    "logit_bias": {},
    "user": "",
    "suffix": None,
    "stop": None,
    "logprobs": None,
}
NO_PENALTIES = {"presence_penalty": None, "frequency_penalty": None}


@pytest.mark.parametrize(
    ("parameters", "sent"),
    [
        ({}, {}),
        ({"max_tokens": None, "n": "2", "top_p": "0.5"}, {"max_tokens": None, "n": 2, "top_p": 0.5}),
        ({"stop": [], "suffix": "", "logit_bias": None, "user": None}, {"user": None}),
        ({"stop": ["q"], "suffix": "s", "logprobs": "1"}, {"stop": ["q"], "suffix": "s", "logprobs": 1}),
        ({"echo": "true", "best_of": 3, "logit_bias": {"1": 1}}, {"echo": True, "best_of": 3, "logit_bias": {"1": 1}}),
    ],
)
def test_a_completion_sends_every_field(parameters, sent):
    openai = completion_body("OpenAI", "p", {"model": "m", **parameters})
    azure = completion_body("AzureOpenAI", "p", {"deployment_name": "m", **parameters})
    assert openai == COMPLETION | NO_PENALTIES | sent
    assert azure == COMPLETION | sent


def test_penalties_of_completions():
    assert completion_body("OpenAI", "p", {"presence_penalty": "1"})["presence_penalty"] == 1.0
    assert completion_body("AzureOpenAI", "p", {"deployment_name": "m", "presence_penalty": 0})["presence_penalty"] == 0


def test_a_completion_without_model_asks_for_the_old_default():
    assert completion_body("OpenAI", "p", {})["model"] == "text-davinci-003"


@pytest.mark.parametrize("parameters", [{"max_tokens": "inf"}, {"temperature": None}, {"best_of": "x"}])
def test_parameters_of_the_wrong_kind_are_python_errors(parameters):
    with pytest.raises((ValueError, TypeError)):
        completion_body("OpenAI", "p", parameters)
