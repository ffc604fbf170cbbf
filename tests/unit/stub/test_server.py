"""What the server decides before it sends: paths, models, and the order of events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pfserve.stub.refusal import Refusal
from pfserve.stub.server import Target, find_target, prepare
from pfserve.stub.settings import StubSettings

HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v1/chat/completions", Target("chat", None)),
        ("/chat/completions", Target("chat", None)),
        ("/v1/completions", Target("completion", None)),
        ("/v1/embeddings", Target("embedding", None)),
        ("/openai/deployments/gpt-4o/chat/completions", Target("chat", "gpt-4o")),
        ("/openai/deployments/d/completions", Target("completion", "d")),
        ("/openai/deployments/d/embeddings", Target("embedding", "d")),
        ("/openai/v1/chat/completions", Target("chat", None)),
        ("/openai/deployments/d/v1/chat/completions", None),
        ("/v1/audio", None),
        ("/", None),
    ],
)
def test_paths(path: str, target: Target | None):
    assert find_target(path) == target


def steps(api: str = "chat", settings: StubSettings | None = None, **body: Any) -> list[bytes]:
    return list(prepare(Target(api, None), json.dumps(body).encode(), settings or StubSettings()).steps)


def events(steps: list[bytes]) -> list[Any]:
    parts = b"".join(steps).decode().split("\n\n")
    assert parts.pop() == ""
    assert all(part.startswith("data: ") for part in parts)
    assert parts.pop() == "data: [DONE]"
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_a_model_is_needed_and_must_exist():
    with pytest.raises(Refusal, match="must provide a model"):
        steps(messages=HI["messages"])
    some = StubSettings(deployments=("a",))
    with pytest.raises(Refusal, match="model 'm' does not exist") as refused:
        steps(settings=some, **HI)
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")
    with pytest.raises(Refusal, match="deployment 'd'") as refused:
        prepare(Target("chat", "d"), json.dumps(HI).encode(), some)
    assert (refused.value.status, refused.value.code) == (404, "DeploymentNotFound")
    assert steps(settings=some, **{**HI, "model": "a"})


def test_a_stream_is_role_then_tokens_then_the_end():
    whole = json.loads(steps(**HI)[0])
    sent = steps(**HI, stream=True)
    told = events(sent)
    choices = [event["choices"][0] for event in told]
    assert choices[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    assert text == whole["choices"][0]["message"]["content"]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert {event["id"] for event in told} == {whole["id"]}
    assert len(sent) == whole["usage"]["completion_tokens"] + 1  # one step a token, and the end


def test_usage_comes_last_if_asked_for():
    told = events(steps(**HI, stream=True, stream_options={"include_usage": True}))
    assert told[-1]["choices"] == []
    assert told[-1]["usage"] == json.loads(steps(**HI)[0])["usage"]


def test_choices_of_a_stream_come_side_by_side():
    told = events(steps(**HI, stream=True, n=2, max_tokens=3))
    assert [event["choices"][0]["index"] for event in told] == [0, 1] * 5


def test_a_stream_of_nothing_still_ends():
    told = events(steps(**HI, stream=True, stop="Stub"))
    assert [event["choices"][0]["finish_reason"] for event in told] == [None, "stop"]


@pytest.mark.parametrize("legacy", [False, True])
def test_a_call_is_streamed_in_pieces(legacy: bool):
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    function = {"name": "act", "parameters": schema}
    asked = {"functions": [function]} if legacy else {"tools": [{"type": "function", "function": function}]}
    body = {**HI, "messages": [{"role": "user", "content": "act now"}], **asked}
    deltas = [event["choices"][0]["delta"] for event in events(steps(**body, stream=True))]
    calls = [delta["function_call"] if legacy else delta["tool_calls"][0]["function"] for delta in deltas[:-1]]
    assert calls[0] == {"name": "act", "arguments": ""}
    arguments = "".join(call["arguments"] for call in calls)
    assert json.loads(arguments)["a"] == "now"
    message = json.loads(steps(**body)[0])["choices"][0]["message"]
    whole = message["function_call"] if legacy else message["tool_calls"][0]["function"]
    assert whole == {"name": "act", "arguments": arguments}


def test_a_completion_streams_texts():
    told = events(steps("completion", model="m", prompt="once", stream=True, max_tokens=2))
    assert [event["choices"][0]["text"] for event in told][:1] == ["Stub"]
    assert told[-1]["choices"][0]["finish_reason"] == "length"


def test_embeddings_as_numbers_and_packed():
    asked = {"model": "e", "input": ["a", "b"], "dimensions": 4}
    numbers = json.loads(steps("embedding", **asked)[0])
    assert [len(item["embedding"]) for item in numbers["data"]] == [4, 4]
    packed = json.loads(steps("embedding", **asked, encoding_format="base64")[0])
    assert isinstance(packed["data"][0]["embedding"], str)
    assert numbers["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
