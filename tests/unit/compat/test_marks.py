"""What ``tool``, ``trace`` and the rest leave on the author's code."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from pfserve.compat import DETAILS, ToolProvider, tool
from pfserve.compat.names import MODULES
from pfserve.values import is_tool
from pfserve.values.promptflow_errors import UserErrorException


def function(text: str = "x") -> str:
    return text


async def coroutine_function():
    return "async"


@pytest.mark.parametrize("decorate", [tool, tool(), tool(name="n", colour="red")], ids=["bare", "()", "(...)"])
@pytest.mark.parametrize("plain", [function, coroutine_function])
def test_a_tool_is_the_function_itself_with_a_mark(decorate, plain):
    copy = type(plain)(plain.__code__, plain.__globals__)
    assert not is_tool(copy)
    assert decorate(copy) is copy
    assert is_tool(copy)
    assert inspect.iscoroutinefunction(copy) == (plain is coroutine_function)


def test_what_the_author_said_is_kept():
    settings = {"text": object()}

    @tool(
        name="shown",
        description="what it does",
        type="custom_llm",
        input_settings=settings,
        streaming_option_parameter="stream",
        icon="icon.svg",
    )
    def n():
        pass

    details = getattr(n, DETAILS)
    assert (details.name, details.description, details.type) == ("shown", "what it does", "custom_llm")
    assert details.input_settings is settings
    assert details.streaming_option_parameter == "stream"
    assert details.extra == {"icon": "icon.svg"}


def test_an_unknown_type_fails_where_it_is_written():
    with pytest.raises(UserErrorException, match=r"^Tool type nope is not supported yet\.$"):
        tool(type="nope")


def test_a_method_of_a_provider_is_a_tool():
    class Provider(ToolProvider):
        def __init__(self, greeting):
            super().__init__(greeting, extra="is taken")
            self.greeting = greeting

        @tool
        def greet(self, name):
            return f"{self.greeting}, {name}"

    assert is_tool(Provider.greet)
    assert Provider("hello").greet(name="you") == "hello, you"


def test_tracing_and_metrics_pass_through():
    trace = MODULES["promptflow.tracing"]["trace"]
    assert trace(function) is function
    assert trace()(function) is function
    assert asyncio.run(trace(coroutine_function)()) == "async"
    assert MODULES["promptflow.tracing"]["start_trace"](collection="c", whatever=1) is None
    assert MODULES["promptflow.core"]["log_metric"]("key", 1.0, variant_id="v") is None
    assert MODULES["promptflow"]["log_flow_metric"](key="key", value=1) is None


def test_a_secret_remembers_its_name():
    secret = MODULES["promptflow.contracts.types"]["Secret"]("value")
    secret.set_secret_name("name")
    assert (secret, secret.secret_name) == ("value", "name")
