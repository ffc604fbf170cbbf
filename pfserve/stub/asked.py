"""What may be asked: the request bodies of the APIs, decoded and checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from pfserve.stub.refusal import malformed

Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=128)]
Length = Annotated[int, Meta(ge=1)]
Stop = str | Annotated[list[str], Meta(max_length=4)]


class StreamOptions(msgspec.Struct):
    """What a stream contains beside the answer."""

    include_usage: bool | None = False


class FunctionCall(msgspec.Struct):
    """A call that the model made earlier in the conversation."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """The same, by its newer name."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class Message(msgspec.Struct):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    tool_call_id: str | None = None

    def text(self) -> str:
        """The words of the message; images have none."""
        if isinstance(self.content, list):
            return "\n".join(str(part["text"]) for part in self.content if "text" in part)
        return self.content or ""


class Function(msgspec.Struct):
    """A function that the model may call; ``parameters`` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(msgspec.Struct):
    """The same, by its newer name."""

    type: Literal["function"]
    function: Function


class Named(msgspec.Struct):
    """The name of a function."""

    name: str


class ToolChoice(msgspec.Struct):
    """The one tool that must be called."""

    type: Literal["function"]
    function: Named


class Schema(msgspec.Struct):
    """A JSON schema that the answer must fulfil."""

    name: str
    schema_: dict[str, Any] = msgspec.field(name="schema", default_factory=dict)


class ResponseFormat(msgspec.Struct):
    """What the answer must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class Chat(msgspec.Struct):
    """The body of a chat request."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    model: str | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    n: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: Stop | None = None
    max_tokens: Length | None = None
    max_completion_tokens: Length | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Meta(min_length=1)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    functions: Annotated[list[Function], Meta(min_length=1)] | None = None
    function_call: Literal["none", "auto"] | Named | None = None

    def subject(self) -> bytes:
        """What the answer depends on: the conversation and nothing else."""
        return msgspec.json.encode(self.messages)

    def length(self) -> int | None:
        """The most tokens that the answer may have."""
        return self.max_completion_tokens or self.max_tokens


class Completion(msgspec.Struct):
    """The body of a completion request."""

    prompt: str | Annotated[list[str], Meta(min_length=1)]
    model: str | None = None
    suffix: str | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    n: Count | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    stop: Stop | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None

    def prompts(self) -> list[str]:
        """Each gets answers of its own."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt


class Embedding(msgspec.Struct):
    """The body of an embedding request; ``input`` holds texts, or tokens as numbers."""

    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=2048)]
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=4096)] | None = None

    def texts(self) -> list[str]:
        """One for each vector."""
        if isinstance(self.input, str):
            return [self.input]
        if isinstance(self.input[0], int):
            return [" ".join(map(str, self.input))]
        return [" ".join(map(str, item)) if isinstance(item, list) else str(item) for item in self.input]


Body = TypeVar("Body", Chat, Completion, Embedding)

_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (Chat, Completion, Embedding)
}


def decode(kind: type[Body], body: bytes) -> Body:
    """The request in ``body``.

    Raises:
        Refusal: 400; it is no JSON, or not what the API takes.
    """
    try:
        asked: Body = _DECODERS[kind].decode(body)
    except msgspec.ValidationError as problem:
        raise malformed(f"Invalid request: {problem}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise malformed(f"The body of the request is not JSON: {problem}") from None
    if isinstance(asked, Chat) and (problem_text := _contradiction(asked)):
        raise malformed(problem_text)
    return asked


def _contradiction(asked: Chat) -> str:
    """A rule between fields that the request breaks; empty if none."""
    if asked.tool_choice not in (None, "none") and not asked.tools:
        return "'tool_choice' is only allowed when 'tools' are specified."
    if asked.function_call not in (None, "none") and not asked.functions:
        return "'function_call' is only allowed when 'functions' are specified."
    if asked.stream_options is not None and not asked.stream:
        return "'stream_options' is only allowed when 'stream' is enabled."
    if isinstance(asked.tool_choice, ToolChoice):
        name = asked.tool_choice.function.name
        if name not in [tool.function.name for tool in asked.tools or ()]:
            return f"Tool choice {name!r} is not among the tools."
    return _format_contradiction(asked)


def _format_contradiction(asked: Chat) -> str:
    form = asked.response_format
    if form is None:
        return ""
    if form.type == "json_schema" and form.json_schema is None:
        return "'response_format' of type 'json_schema' needs 'json_schema'."
    if form.type == "json_object" and not any("json" in message.text().lower() for message in asked.messages):
        return "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'."
    return ""
