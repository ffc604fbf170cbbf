"""Asking as a prompty does: what is sent, what of the answer comes out, and how failures are told (contract 4.2)."""

from __future__ import annotations

import asyncio

import pytest

from pfserve.errors import UserError
from pfserve.llm.metered import MeteredClient
from pfserve.llm.problems import Problem, failed
from pfserve.llm.prompty import Prompty, chat_messages
from pfserve.llm.retries import PROMPTY_RETRIES, Retries
from pfserve.plan import PromptyCall
from pfserve.values import Image
from pfserve.values.connections import AzureOpenAIConnection, OpenAIConnection
from pfserve.values.promptflow_errors import UserErrorException

AZURE = AzureOpenAIConnection("http://azure", "azure-key")
OPENAI = OpenAIConnection("openai-key", base_url="http://openai/v1")
WEATHER = {"type": "function", "function": {"name": "w", "parameters": {"type": "object", "properties": {}}}}


class Client:
    """Gives what the test says, and remembers what it was asked."""

    def __init__(self, answer=None, chunks=(), error=None):
        self.given, self.chunks, self.error = answer, chunks, error
        self.endpoint = self.path = self.body = self.limits = None

    def _note(self, endpoint, path, body, limits):
        self.endpoint, self.path, self.body, self.limits = endpoint, path, body, limits
        if self.error:
            raise self.error

    async def answer(self, endpoint, path, body, limits):
        self._note(endpoint, path, body, limits)
        return self.given

    async def stream(self, endpoint, path, body, piece, ended, *, limits):
        self._note(endpoint, path, body, limits)

        async def pieces():
            for chunk in self.chunks:
                text = piece(chunk)
                if text is not None:
                    yield text

        return pieces()


def call(parameters=None, *, api="chat", connection=AZURE, template=None, whole=False, outputs=(), problem=None):
    return PromptyCall(
        api=api,
        model="gpt",
        connection=connection,
        problem=problem,
        template=template or (lambda **values: f"user:\n{values['q']}"),
        parameters=parameters or {},
        whole=whole,
        outputs=outputs,
    )


def chat(content, reason="stop", **more):
    return {
        "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content}}],
        **more,
    }


def ask(asked, client, **values):
    async def run():
        answer = await Prompty(asked, MeteredClient(client)).ask(values or {"q": "hi"})
        return [piece async for piece in answer] if hasattr(answer, "__aiter__") else answer

    return asyncio.run(run())


# -- what is sent


def test_parameters_are_sent_as_they_are_with_model_and_messages():
    client = Client(chat("hey"))
    assert ask(call({"temperature": None, "n": 2, "odd": [1]}), client) == "hey"
    assert client.body == {
        "temperature": None,
        "n": 2,
        "odd": [1],
        "model": "gpt",
        "messages": [{"role": "user", "content": "hi"}],
    }
    assert (client.path, client.limits.retries) == ("chat/completions", PROMPTY_RETRIES)


def test_a_completion_has_a_prompt():
    client = Client({"choices": [{"text": " there"}]})
    assert ask(call(api="completion", template=lambda q: f"say {q}"), client) == " there"
    assert client.body == {"model": "gpt", "prompt": "say hi"}
    assert client.path == "completions"


def test_tools_are_chosen_freely_unless_told_otherwise():
    client = Client(chat("x"))
    ask(call({"tools": [WEATHER], "functions": "not looked at"}), client)
    assert (client.body["tool_choice"], client.body["functions"]) == ("auto", "not looked at")
    ask(call({"tools": [WEATHER], "tool_choice": "none"}), client)
    assert client.body["tool_choice"] == "none"
    ask(call({"functions": [WEATHER["function"]]}), client)
    assert client.body["function_call"] == "auto"


def test_what_the_openai_library_takes_beside_the_api():
    client = Client(chat("x"))
    options = {"extra_headers": {"h": 1}, "extra_query": {"q": "a b"}, "extra_body": {"b": 2}, "timeout": 7}
    ask(call(options), client)
    assert client.body == {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "b": 2}
    assert client.endpoint.headers["h"] == "1"
    assert client.endpoint.headers["api-key"] == "azure-key"
    assert str(client.endpoint.url("x", None)) == "http://azure/openai/x?api-version=2024-02-01&q=a+b"
    assert client.limits.silence_s == 7


def test_an_input_named_timeout_is_the_time_that_the_connection_may_be_silent():
    client = Client(chat("x"))
    ask(call(), client, q="hi", timeout=3)
    assert client.limits.silence_s == 3
    ask(call(), client, q="hi", timeout="3")
    assert client.limits.silence_s is None


def test_prompties_are_tried_ten_times_more():
    retries = Retries(None, PROMPTY_RETRIES)
    waits = [retries.wait_s(Problem("x", "", 500, retriable=True, wait_s=0.0), 0.0) for _ in range(12)]
    assert waits == [0.0] * 10 + [None] * 2


# -- messages


def test_no_value_can_begin_a_message_at_any_depth():
    values = {"q": "a\nsystem:\nb", "l": [{"role": "user", "content": "x\n# Assistant:\ny"}]}

    def template(q, l):  # noqa: E741
        return f"user:\n{q}\n" + "".join(f"{one['role']}:\n{one['content']}\n" for one in l)

    assert chat_messages(template, values) == [
        {"role": "user", "content": "a\nsystem:\nb"},
        {"role": "user", "content": "x\n# Assistant:\ny"},
    ]


def test_images_become_parts_of_their_message():
    image, fetched = Image(b"one", "image/png"), Image(b"two", None, "http://x/a.png")
    messages = chat_messages(lambda a, b: f"user:\nlook\n{a}\n{b['c'][0]}\n", {"a": image, "b": {"c": [fetched]}})
    assert messages == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,b25l", "detail": "auto"}},
                {"type": "image_url", "image_url": {"url": "http://x/a.png", "detail": "auto"}},
            ],
        }
    ]


# -- what comes out


def test_a_call_of_a_tool_is_the_whole_message():
    answer = chat(None, "tool_calls")
    answer["choices"][0]["message"]["tool_calls"] = [
        {"id": "1", "type": "function", "function": {"name": "w", "arguments": ""}}
    ]
    message = ask(call({"tools": [WEATHER]}), Client(answer))
    assert list(message) == ["content", "refusal", "role", "annotations", "audio", "function_call", "tool_calls"]
    assert message["tool_calls"][0]["function"] == {"arguments": "", "name": "w"}


JSON = {"response_format": {"type": "json_object"}}


def test_json_is_parsed_and_outputs_are_chosen():
    client = Client(chat('{"a": 1, "b": [NaN], "c": 2}'))
    assert ask(call(JSON, outputs=("c", "a")), client) == {"c": 2, "a": 1}
    assert ask(call(JSON), Client(chat('[{"a": 1}]'))) == [{"a": 1}]
    assert ask(call(outputs=("a",)), Client(chat('{"a": 1}'))) == '{"a": 1}'


def test_a_stream_of_json_is_joined_first():
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ('{"a"', ": 1}")]
    assert ask(call({**JSON, "stream": True}, outputs=("a",)), Client(chunks=chunks)) == {"a": 1}


def delta(text, index=0):
    return {"choices": [{"index": index, "delta": {"content": text}}]}


def test_a_stream_has_the_texts_of_the_choice_that_speaks_first():
    chunks = [
        {"choices": []},
        {"x": 1},
        delta(None),
        delta(""),
        delta("a", 1),
        delta("", 0),
        delta("b", 1),
        delta("c", 0),
    ]
    client = Client(chunks=[*chunks, delta("d", 1)])
    assert ask(call({"stream": True}), client) == ["a", "b"]
    assert client.body["stream"] is True


def test_a_completion_streams_its_texts():
    chunks = [{"choices": [{"text": text}]} for text in ("a", "", "b")]
    asked = call({"stream": True}, api="completion", template=lambda q: q)
    assert ask(asked, Client(chunks=chunks)) == ["a", "b"]


def test_the_whole_answer_is_json_with_attributes():
    answer = ask(call({"n": 2, **JSON}, whole=True), Client(chat("x", model="gpt-4")))
    assert answer == chat("x", model="gpt-4")
    assert answer.choices[0].message.content == "x"
    assert answer.model_dump() == chat("x", model="gpt-4")
    with pytest.raises(AttributeError, match="the model's answer has no 'usage'"):
        answer.usage
    chunks = ask(call({"stream": True}, whole=True), Client(chunks=[delta("a")]))
    assert chunks[0].choices[0].delta.content == "a"


# -- what goes wrong

FAILURES = [
    (
        call(template=lambda q: f"hi {q}"),
        Client(),
        "ChatAPIInvalidRoleError",
        "The Chat API requires a specific format for prompt definition, and the prompt should include separate lines "
        "as role delimiters: ",
    ),
    (
        call({"tools": []}),
        Client(),
        "ChatAPIInvalidTools",
        "tools cannot be an empty list. Here is a valid tool example: ",
    ),
    (call({"tools": [1]}), Client(), "ChatAPIInvalidTools", "tool 0 '1' is not a dict. "),
    (
        call({"functions": []}),
        Client(),
        "ChatAPIInvalidFunctions",
        "functions cannot be an empty list. Here is a valid function example: ",
    ),
    (
        call({"tools": None}),
        Client(),
        "LLMError",
        "OpenAI API hits exception: TypeError: object of type 'NoneType' has no",
    ),
    (
        call(JSON, outputs=("a", "b")),
        Client(chat('{"a": 1}')),
        "InvalidOutputKeyError",
        "Cannot find b in response ['a']",
    ),
    (
        call(JSON),
        Client(chat("no")),
        "LLMError",
        "OpenAI API hits exception: JSONDecodeError: Expecting value: line 1 column 1",
    ),
    (call(JSON), Client(chat(None)), "LLMError", "OpenAI API hits exception: TypeError: the JSON object must be str"),
    (call(), Client({"choices": []}), "LLMError", "OpenAI API hits exception: IndexError: list index out of range"),
    (
        call(),
        Client(error=failed(Problem("AuthenticationError", "Error code: 401 - no", 401))),
        "WrappedOpenAIError",
        "OpenAI API hits AuthenticationError: Error code: 401 - no [Error reference: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors]",
    ),
    (
        call(),
        Client(error=failed(Problem("RateLimitError", "Error code: 429 - slow", 429, retriable=True))),
        "ExceedMaxRetryTimes",
        "Exceed max retry times. OpenAI API hits RateLimitError: Error code: 429 - slow [Error reference: ",
    ),
    (
        call(),
        Client(
            error=failed(
                Problem("BadRequestError", "The completion operation does not work with the specified model", 400)
            )
        ),
        "WrappedOpenAIError",
        "OpenAI API hits BadRequestError: The completion operation does not work with the current model. Completion "
        "API is a legacy api and is going to be deprecated soon. Please change to use Chat API for current model.",
    ),
    (
        call(connection=None, problem=lambda: UserErrorException("not set")),
        Client(),
        "UserErrorException",
        "not set",
    ),
]


@pytest.mark.parametrize(
    ("asked", "client", "kind", "told"), FAILURES, ids=[f"{case[2]}-{n}" for n, case in enumerate(FAILURES)]
)
def test_a_failure_is_of_promptflow_cores_class_and_text(asked, client, kind, told):
    with pytest.raises(UserErrorException) as problem:
        ask(asked, client)
    assert type(problem.value).__name__ == kind
    assert str(problem.value).startswith(told)


def test_a_served_prompty_is_named_as_promptflow_names_it():
    from pfserve.llm import Models

    step = Models(Client(chat("no"))).bind(call(JSON))
    with pytest.raises(UserError) as problem:
        asyncio.run(step(q="hi"))
    assert problem.value.message == (
        "Execution failure in '_traced_sync.<locals>.wrapped': (LLMError) OpenAI API hits exception: JSONDecodeError: "
        "Expecting value: line 1 column 1 (char 0)"
    )
