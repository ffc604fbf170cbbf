"""``Prompty`` as user code loads and calls it: overrides, inputs, rendering, token counts (contract 4.2, 8.2)."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from pfserve.compat import given
from pfserve.compat import prompty as prompties
from pfserve.compat.absent import NotServed
from pfserve.compat.flows import AsyncFlow, Flow, load_flow
from pfserve.compat.model_configuration import AzureOpenAIModelConfiguration, OpenAIModelConfiguration
from pfserve.compat.prompty import AsyncPrompty, Prompty
from pfserve.compat.tools import tokens
from pfserve.connections import Connections, Form, Sources
from pfserve.llm import Models
from pfserve.values import Image
from pfserve.values.core_errors import (
    ChatAPIInvalidRoleError,
    CoreError,
    InvalidConnectionError,
    JinjaTemplateError,
    MissingRequiredInputError,
)
from pfserve.values.promptflow_errors import UserErrorException
from small_encoding import registered

TEXT = """---
name: Greeting
model:
  api: chat
  configuration: {type: azure_openai, azure_deployment: gpt, connection: azure}
  parameters: {max_tokens: 10, stop: [a]}
inputs:
  q: {type: int}
  d: {type: string, default: there}
sample: {q: hi}
---
system:
{{d}}
user:
{{q}}
"""
PNG = "iVBORw0KGgo="


@pytest.fixture(autouse=True)
def named():
    kept = list(given._given)
    form = Form("AzureOpenAIConnection", {"api_key": "k", "api_base": "http://azure"}, frozenset({"api_key"}), "a test")
    given.give(Connections(Sources({"azure": form})))
    yield
    given._given[:] = kept


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hello.prompty"
    path.write_text(TEXT)
    return path


class Client:
    """Remembers what it was asked; answers that."""

    def __init__(self):
        self.endpoint = self.body = None

    async def answer(self, endpoint, path, body, limits):
        self.endpoint, self.body = endpoint, body
        return {"choices": [{"finish_reason": "stop", "message": {"content": "hey"}}]}


@pytest.fixture
def client(monkeypatch):
    """In the place of the thread that has a client."""
    client = Client()
    monkeypatch.setattr(prompties, "ask", lambda question: asyncio.run(question(Models(client))))

    async def ask_async(question):
        return await question(Models(client))

    monkeypatch.setattr(prompties, "ask_async", ask_async)
    return client


def test_a_call_gives_the_answer(file, client):
    assert Prompty.load(source=file)(q="a", unknown=1) == "hey"
    assert client.body == {
        "max_tokens": 10,
        "stop": ["a"],
        "model": "gpt",
        "messages": [{"role": "system", "content": "there"}, {"role": "user", "content": "a"}],
    }
    assert client.endpoint.base == "http://azure/openai"


def test_an_async_prompty_is_awaited(file, client):
    prompty = AsyncPrompty.load(str(file))
    assert inspect.iscoroutinefunction(type(prompty).__call__)
    assert asyncio.run(prompty(q="a")) == "hey"


def test_what_the_file_says_can_be_overridden_value_by_value(file, client):
    model = {"configuration": {"azure_deployment": "other"}, "parameters": {"max_tokens": 5, "top_p": 1}}
    prompty = Prompty.load(file, model=model, inputs={"d": {"default": "new"}})
    prompty(q="a")
    assert client.body["model"] == "other"
    assert (client.body["max_tokens"], client.body["top_p"], client.body["stop"]) == (5, 1, ["a"])
    assert client.body["messages"][0]["content"] == "new"


CONFIGURATIONS = [
    (
        AzureOpenAIModelConfiguration("m", "http://x", "v", "${env:PROMPTY_KEY}"),
        "http://x/openai",
        "api-key",
        "from-env",
    ),
    (AzureOpenAIModelConfiguration("m", connection="azure"), "http://azure/openai", "api-key", "k"),
    (OpenAIModelConfiguration("m", "http://o/v1", "key"), "http://o/v1", "Authorization", "Bearer key"),
]


@pytest.mark.parametrize(("configuration", "base", "header", "value"), CONFIGURATIONS)
def test_a_model_configuration_takes_the_place_of_the_files(
    file, client, configuration, base, header, value, monkeypatch
):
    monkeypatch.setenv("PROMPTY_KEY", "from-env")
    Prompty.load(file, model={"configuration": configuration})(q="a")
    assert (client.body["model"], client.endpoint.base, client.endpoint.headers[header]) == ("m", base, value)


def test_a_file_is_read_again_when_it_has_changed(file, client):
    assert Prompty.load(file).render(q=1) == Prompty.load(file).render(q=1)
    file.write_text(TEXT.replace("{{d}}", "now longer {{d}}"))
    assert "now longer there" in Prompty.load(file).render(q=1)


# -- inputs


def test_rendering_gives_the_messages_as_text(file):
    told = "[{'role': 'system', 'content': 'there'}, {'role': 'user', 'content': 'hi'}]"
    assert Prompty.load(file).render() == told  # of the sample: nothing was given
    assert Prompty.load(file).render(q=5, d="D").count("'5'") == 1


def test_inputs_that_are_missing_are_named(file):
    with pytest.raises(MissingRequiredInputError, match=r"^Missing required inputs: \['q'\]$"):
        Prompty.load(file).render(d="x")


def test_a_sample_is_the_inputs_where_none_are_declared(file):
    file.write_text(TEXT.replace("inputs:\n  q: {type: int}\n  d: {type: string, default: there}\n", ""))
    assert "'content': 'hi'" in Prompty.load(file).render()
    assert "'content': 'given'" in Prompty.load(file).render(q="given")


@pytest.mark.parametrize(
    ("method", "what"), [("__call__", "called"), ("render", "rendered"), ("estimate_token_count", "rendered")]
)
def test_only_keywords(file, method, what):
    with pytest.raises(UserErrorException, match=rf"^Prompty can only be {what} with keyword arguments\.$"):
        getattr(Prompty.load(file), method)("hi")


def test_images_are_read_from_texts_and_files_of_the_folder_only(file, tmp_path):
    file.write_text(
        TEXT.replace("int}", "string, default: 'data:image/png;path:../out.png'}").replace("sample: {q: hi}\n", "")
    )
    (tmp_path.parent / "out.png").write_bytes(b"author's")
    (tmp_path / "in.png").write_bytes(b"mine")
    prompty = Prompty.load(file)
    assert isinstance(prompty._values((), {}, "called")["q"], Image)
    assert "data:image/png;base64,bWluZQ==" in prompty.render(q="data:image/png;path:in.png")
    assert f"data:image/png;base64,{PNG}" in prompty.render(q=f"data:image/png;base64: {PNG}")
    with pytest.raises(Exception, match="does not lie in the folder"):
        prompty.render(q="data:image/png;path:../out.png")


# -- what cannot be loaded or called

BROKEN = [
    (lambda text: "no prompty", UserErrorException, "Illegal formatting of prompty"),
    (
        lambda text: text.replace("  parameters: {max_tokens: 10, stop: [a]}\n", ""),
        TypeError,
        "missing 1 required positional",
    ),
    (
        lambda text: text.replace("  api: chat", "  connection: azure"),
        TypeError,
        r"PromptyModelConfiguration.__init__\(\) got an unexpected keyword argument 'connection'",
    ),
    (
        lambda text: text.replace("stop: [a]", "stop: '${file:none}'"),
        UserErrorException,
        "Cannot find the reference file none",
    ),
    (
        lambda text: text.replace("connection: azure", "connection: azure, api_key: x"),
        InvalidConnectionError,
        "Cannot configure",
    ),
]


@pytest.mark.parametrize(("change", "kind", "told"), BROKEN)
def test_what_cannot_be_loaded(file, change, kind, told):
    file.write_text(change(TEXT))
    with pytest.raises(kind, match=told):
        Prompty.load(file)


def test_there_has_to_be_a_file_of_that_suffix(file, tmp_path):
    with pytest.raises(UserErrorException, match=r"^Source .*/none\.prompty does not exist$"):
        Prompty.load(tmp_path / "none.prompty")
    file.rename(tmp_path / "hello.md")
    with pytest.raises(UserErrorException, match=r"^Source must be a file with \.prompty extension\.$"):
        Prompty.load(tmp_path / "hello.md")


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (lambda text: text.replace("{{q}}", "{{q"), JinjaTemplateError, "TemplateSyntaxError.*line 4"),
        (lambda text: text.replace("{{q}}", "{{1 / 0}}"), JinjaTemplateError, "ZeroDivisionError"),
        (lambda text: text.replace("system:", "hello"), ChatAPIInvalidRoleError, "Current parsed role 'hello"),
        (
            lambda text: text.replace("connection: azure", "connection: nobody"),
            CoreError,
            "connection 'nobody' is not given",
        ),
    ],
)
def test_what_fails_when_it_is_called(file, client, change, kind, told):
    file.write_text(change(TEXT))
    with pytest.raises(kind, match=told):
        Prompty.load(file)(q="a")


def test_flows_that_are_prompties_can_be_loaded(file, tmp_path):
    assert type(load_flow(tmp_path)) is type(Flow.load(file)) is Prompty
    assert type(AsyncFlow.load(source=file)) is AsyncPrompty
    (tmp_path / "flow.dag.yaml").touch()
    with pytest.raises(NotServed, match=r"^Flow\.load takes prompties only"):
        Flow.load(tmp_path)


# -- tokens


@pytest.fixture
def unread():
    with registered("cl100k_base", "o200k_base", "p50k_base"):
        yield


def test_tokens_are_those_of_the_prompt_and_of_the_longest_answer(file):
    with registered("cl100k_base", in_memory=["cl100k_base"]):
        # in the small encoding each letter is a token: 3 around each message and 3 before the answer
        assert Prompty.load(file).estimate_token_count(q="q") == (3 + 6 + 5) + (3 + 4 + 1) + 3 + 10
        with pytest.raises(UserErrorException, match=r"^Max_token needs to be integer\.$"):
            Prompty.load(file, model={"parameters": {"max_tokens": "10"}}).estimate_token_count(q="q")
        with pytest.raises(UserErrorException, match=r"^1 is less than the minimum of max_tokens\.$"):
            Prompty.load(file, model={"parameters": {"max_tokens": 1}}).estimate_token_count(q="q")
        file.write_text(TEXT.replace("max_tokens: 10, ", "").replace("api: chat", "api: completion"))
        assert Prompty.load(file).estimate_token_count(q="q") == len("system:\nthere\nuser:\nq\n")


def test_the_models_own_tokeniser_serves_where_the_usual_one_is_not_cached(file, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(file.parent))
    with registered("cl100k_base", "o200k_base", in_memory=["o200k_base"]):
        assert tokens.text_tokens("four", "gpt-4o") == 4


def test_nothing_is_fetched_while_serving(file, unread, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(file.parent))
    with pytest.raises(UserErrorException, match=r"tiktoken's cache holds no tokeniser cl100k_base.*fetch-encodings"):
        Prompty.load(file).estimate_token_count(q="q")
