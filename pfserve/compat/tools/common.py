"""``promptflow.tools.common``: prompts into messages, and the checks around a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pfserve.compat.tools.exception import InvalidConnectionType, told
from pfserve.compat.tools.rendering import escaped, render
from pfserve.errors import RequestError
from pfserve.values import Image
from pfserve.values.chat import ROLES, ListText, PromptResult, join_lists, parse_messages, separate_images
from pfserve.values.connections import AzureOpenAIConnection, OpenAIConnection, ServerlessConnection
from pfserve.values.image_parts import images_in, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator

P = ParamSpec("P")
R = TypeVar("R")
Message = dict[str, object]


def parse_chat(
    chat_str: str,
    images: Iterable[Image] | None = None,
    valid_roles: Iterable[str] | None = None,
    image_detail: str = "auto",
    escape_dict: Mapping[str, str] | None = None,
) -> list[Message]:
    """The messages of a rendered prompt. ``escape_dict`` maps role words to the tokens that stand for them.

    Raises:
        ToolValidationError: of the class for what is wrong.
    """
    tokens = {token: word for word, token in (escape_dict or {}).items()}
    return _messages(chat_str, images or (), image_detail, tokens, tuple(valid_roles or ROLES))


def build_messages(
    prompt: str, images: Iterable[Image] | None = None, image_detail: str = "auto", **kwargs: object
) -> list[Message]:
    """The messages that a template gives with these variables. Raises as :func:`parse_chat`."""
    tokens = escaped(kwargs)
    return _messages(render(prompt, kwargs), images or (), image_detail, tokens, ROLES)


def _messages(
    text: str, images: Iterable[Image], detail: str, tokens: Mapping[str, str], roles: tuple[str, ...]
) -> list[Message]:
    with as_tools_tell():
        return parse_messages(text, tokens, roles=roles, images={str(one): part_of(one, detail) for one in images})


def find_referenced_image_set(kwargs: Mapping[str, object]) -> set[Image]:
    """Every image among the values, at any depth of lists and dicts."""
    return set(images_in(kwargs))


def add_referenced_images_to_set(value: object, image_set: set[Image], image_type: type[Image]) -> None:
    """Put every image in ``value`` into the set."""
    if isinstance(value, image_type):
        image_set.add(value)
    elif isinstance(value, list):
        for item in value:
            add_referenced_images_to_set(item, image_set, image_type)
    elif isinstance(value, dict):
        for item in value.values():
            add_referenced_images_to_set(item, image_set, image_type)


def validate_functions(functions: object) -> None:
    """Raise ``ChatAPIInvalidFunctions`` for the first function that is no description of one."""
    from pfserve.llm.checks import check_functions

    with as_tools_tell():
        check_functions(functions)


def validate_tools(tools: object) -> None:
    """Raise ``ChatAPIInvalidTools`` for the first tool that is no description of one."""
    from pfserve.llm.checks import check_tools

    with as_tools_tell():
        check_tools(tools)


def process_function_call(function_call: object) -> object:
    """``function_call`` as it is sent. Raises ``ChatAPIInvalidFunctions``."""
    from pfserve.llm import checks

    with as_tools_tell():
        return checks.function_call(function_call)


def process_tool_choice(tool_choice: object) -> object:
    """``tool_choice`` as it is sent. Raises ``ChatAPIInvalidTools``."""
    from pfserve.llm import checks

    with as_tools_tell():
        return checks.tool_choice(tool_choice)


def normalize_connection_config(connection: object) -> dict[str, object]:
    """The arguments of the OpenAI library's client for a connection.

    Raises:
        InvalidConnectionType: the client has none for it.
    """
    if isinstance(connection, AzureOpenAIConnection):
        return {
            "max_retries": 0,
            **(
                {"api_key": connection.api_key}
                if connection.by_key
                else {"azure_ad_token_provider": connection.get_token}
            ),
            "api_version": connection.api_version,
            "azure_endpoint": connection.api_base,
        }
    if isinstance(connection, OpenAIConnection):
        address = {"organization": connection.organization, "base_url": connection.base_url}
        return {"max_retries": 0, "api_key": connection.api_key, **address}
    if isinstance(connection, ServerlessConnection):
        base = str(connection.api_base)
        return {
            "max_retries": 0,
            "api_key": connection.api_key,
            "base_url": base if base.endswith("/v1") else f"{base}/v1",
        }
    raise InvalidConnectionType(
        f"Not Support connection type '{type(connection).__name__}'. Connection type should be in "
        "[AzureOpenAIConnection, OpenAIConnection, ServerlessConnection]."
    )


def handle_openai_error(
    tries: int = 100, unprocessable_entity_error_tries: int = 3
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give back the function: calls of ours are tried again by the client. What other clients raise comes through."""
    return lambda function: function


def to_bool(value: object) -> bool:
    """Whether the value is true, or its text says so."""
    return str(value).lower() == "true"


def generate_retry_interval(retry_count: int) -> float:
    """How many seconds to wait before the retry of that number, counted from 0."""
    from pfserve.llm.retries import usual_wait_s

    return usual_wait_s(retry_count)


@contextmanager
def as_tools_tell() -> Iterator[None]:
    """Raise the errors of the rooms below as user code knows them."""
    try:
        yield
    except RequestError as problem:
        raise told(problem) from problem


COMMON: Mapping[str, object] = {
    "ChatInputList": ListText,
    "PromptResult": PromptResult,
    "convert_to_chat_list": join_lists,
    "preprocess_template_string": separate_images,
    **{
        function.__name__: function
        for function in (
            add_referenced_images_to_set,
            build_messages,
            find_referenced_image_set,
            generate_retry_interval,
            handle_openai_error,
            normalize_connection_config,
            parse_chat,
            process_function_call,
            process_tool_choice,
            to_bool,
            validate_functions,
            validate_tools,
        )
    },
}
"""Of ``promptflow.tools.common``, next to what other modules of this package have."""
