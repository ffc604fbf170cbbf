"""Asking a model as a prompty does: from its inputs to a text, parsed JSON, a message or a generator (contract 4.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import msgspec

from pfserve.errors import RequestError
from pfserve.llm.answers import chat_value, completion_piece, completion_value, decode
from pfserve.llm.bodies import Body
from pfserve.llm.checks import check_functions, check_given, check_tools, function_call, tool_choice
from pfserve.llm.client import Limits
from pfserve.llm.endpoint import Endpoint, endpoint_of
from pfserve.llm.metered import MeteredClient
from pfserve.llm.problems import ModelError, unexpected
from pfserve.llm.prompty_texts import prompty_text
from pfserve.llm.retries import PROMPTY_RETRIES
from pfserve.plan import PromptyCall
from pfserve.values import Image
from pfserve.values.chat import escape_roles, parse_messages
from pfserve.values.core_errors import InvalidOutputKeyError, core_error
from pfserve.values.promptflow_errors import PromptflowException
from pfserve.values.raw_answer import RawAnswer
from pfserve.values.roles import Escapes

Values = Mapping[str, object]

_CALLED = ("tool_calls", "function_calls")
_LIMITS = Limits(PROMPTY_RETRIES)


class Prompty:
    """A prompty and the client that it is asked by. What does not depend on inputs is done when it is made."""

    def __init__(self, call: PromptyCall, client: MeteredClient) -> None:
        self._call = call
        self._client = client
        self._options = {name: value for name, value in call.parameters.items() if name in _OPTIONS}
        self._given: Body = {name: value for name, value in call.parameters.items() if name not in _OPTIONS}
        self._given["model"] = call.model
        self._endpoint: Endpoint | None = None

    async def ask(self, values: Values) -> object:
        """The answer for the values of the inputs, all of which have to be there.

        A dict for ``response_format: json_object`` and for messages that call tools, a :class:`RawAnswer` for
        ``response: all``, an async generator of texts for ``stream: true``; else a text.

        Raises:
            PromptflowException: of the class and text that promptflow-core raises.
        """
        call = self._call
        with as_core_tells():
            if call.problem is not None:
                raise call.problem()
            body = self._body(values)
            if self._endpoint is None:
                self._endpoint = _with_options(endpoint_of(call.connection), self._options)
            endpoint = self._endpoint
            limits = _limits(values.get("timeout", self._options.get("timeout")))
            if body.get("stream"):
                pieces = await self._client.stream(endpoint, call.api, body, self._piece(), limits)
                return self._read(await _joined(pieces)) if call.reads_json else pieces
            return self._value(await self._client.answer(endpoint, call.api, body, limits))

    def _body(self, values: Values) -> Body:
        call = self._call
        body = self._given.copy()
        if call.api == "completion":
            body["prompt"] = call.template(**values)
        else:
            body["messages"] = chat_messages(call.template, values)
        extra = self._options.get("extra_body")
        return _with_choices(body) | (extra if isinstance(extra, dict) else {})

    def _piece(self) -> Callable[[object], object | None]:
        if self._call.whole:
            return lambda chunk: RawAnswer(chunk) if isinstance(chunk, dict) else None
        return _texts(completion_piece) if self._call.api == "completion" else _FirstChoice()

    def _value(self, answer: object) -> object:
        if self._call.whole:
            return RawAnswer(answer) if isinstance(answer, dict) else answer
        if self._call.api == "completion":
            return self._read(completion_value(answer))
        reason = cast("dict[str, list[dict[str, object]]]", answer)["choices"][0].get("finish_reason")
        return self._read(chat_value(answer, whole=reason in _CALLED))

    def _read(self, text: object) -> object:
        """The text, or what its JSON holds of the outputs."""
        if not self._call.reads_json:
            return text
        if not isinstance(text, str):
            raise TypeError(f"the JSON object must be str, bytes or bytearray, not {type(text).__name__}")
        found = decode(text.encode(errors="surrogatepass"))
        if not self._call.outputs:
            return found
        names = cast("dict[str, object]", found)
        for name in self._call.outputs:
            if name not in names:
                raise InvalidOutputKeyError(f"Cannot find {name} in response {list(names)}")
        return {name: names[name] for name in self._call.outputs}


def chat_messages(template: Callable[..., str], values: Values) -> list[dict[str, object]]:
    """The messages that a template gives with these values, none of which can begin one.

    Raises:
        UserError: the template fails, or has text before its first role.
    """
    escapes: Escapes = {}
    text = template(**{name: escape_roles(value, escapes) for name, value in values.items()})
    return parse_messages(text, escapes, images={str(image): _part(image) for image in _images(values.values())})


def _part(image: Image) -> dict[str, object]:
    address = image.source_url or image.to_base64(with_type=True)
    return {"type": "image_url", "image_url": {"url": address, "detail": "auto"}}


def _images(values: Iterable[object]) -> Iterator[Image]:
    """The images among the values, at any depth of lists and dicts. Without recursion, however deep they are."""
    unread = list(values)
    while unread:
        value = unread.pop()
        if isinstance(value, Image):
            yield value
        elif isinstance(value, list):
            unread.extend(value)
        elif isinstance(value, dict):
            unread.extend(value.values())


def _with_choices(body: Body) -> Body:
    """What the model may call, checked. Functions are not looked at beside tools, as in promptflow."""
    if "tools" in body:
        check_given("tools", body["tools"])
        check_tools(body["tools"])
        body["tool_choice"] = tool_choice(body.get("tool_choice"))
    elif "functions" in body:
        check_given("functions", body["functions"])
        check_functions(body["functions"])
        body["function_call"] = function_call(body.get("function_call"))
    return body


# -- what the OpenAI library takes beside the parameters of the API

_OPTIONS = ("extra_headers", "extra_query", "extra_body", "timeout")


def _with_options(endpoint: Endpoint, options: Values) -> Endpoint:
    headers, query = options.get("extra_headers"), options.get("extra_query")
    if isinstance(headers, dict):
        given = {str(name): str(value) for name, value in headers.items()}
        endpoint = msgspec.structs.replace(endpoint, headers={**endpoint.headers, **given})
    if isinstance(query, dict) and query:
        url = endpoint.url("", None).update_query({str(name): str(value) for name, value in query.items()})
        endpoint = msgspec.structs.replace(endpoint, query=f"?{url.raw_query_string}")
    return endpoint


def _limits(timeout: object) -> Limits:
    """Within the limits of every prompty; with an input or option ``timeout``, so many seconds of silence."""
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    return _LIMITS._replace(silence_s=float(cast(float, timeout))) if is_number else _LIMITS


# -- streams


async def _joined(pieces: AsyncGenerator[object, None]) -> str:
    return "".join([str(piece) async for piece in pieces])


def _texts(piece: Callable[[object], object | None]) -> Callable[[object], object | None]:
    """``piece`` without empty texts."""
    return lambda chunk: piece(chunk) or None


class _FirstChoice:
    """What each chunk adds to the choice that spoke first; nothing once another one speaks, as in promptflow."""

    def __init__(self) -> None:
        self._index: object = None
        self._over = False

    def __call__(self, chunk: object) -> object | None:
        choices = chunk.get("choices") if isinstance(chunk, dict) else None
        if not choices or self._over:
            return None
        choice = choices[0]
        text = (choice.get("delta") or {}).get("content")
        if not text:
            return None
        index = choice.get("index")
        if self._index is None:
            self._index = index
        self._over = index != self._index
        return None if self._over else text


# -- errors


@contextmanager
def as_core_tells() -> Iterator[None]:
    """Raise what goes wrong around a prompty's call as promptflow-core does."""
    try:
        yield
    except PromptflowException:
        raise
    except ModelError as problem:
        text = problem.message if problem.problem is None else prompty_text(problem.problem)
        raise core_error(text) from problem
    except RequestError as problem:
        raise core_error(problem.message) from problem
    except Exception as problem:  # an answer that is none, parameters that are not of their type
        raise core_error(unexpected(problem).message) from problem
