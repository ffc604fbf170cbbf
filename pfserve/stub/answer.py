"""What the model says: pure functions from a request to the choices of its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from pfserve.stub import words
from pfserve.stub.asked import Chat, Completion, Function, Message, Named, ResponseFormat, ToolChoice
from pfserve.stub.dice import Dice
from pfserve.stub.schema import instance

_MESSAGE_TOKENS = 4  # what a message costs beside its text
_MOST_PATTERNS = 64


class Call(msgspec.Struct, frozen=True):
    """A function that the model wants called."""

    id: str
    name: str
    legacy: bool  # asked for by `functions`, not by `tools`


class Choice(msgspec.Struct, frozen=True):
    """One of the answers to a request. The tokens are those of the text, or of the call's arguments."""

    tokens: list[str]
    finish_reason: str
    call: Call | None = None

    @property
    def text(self) -> str:
        """All of it in one."""
        return "".join(self.tokens)


class Answer(msgspec.Struct, frozen=True):
    """Everything that is said to one request."""

    id: str  # the same for the same request
    model: str
    choices: list[Choice]
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        """Of all choices together."""
        return sum(len(choice.tokens) for choice in self.choices)

    def usage(self) -> dict[str, int]:
        """The numbers, as the APIs give them."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def answer_chat(asked: Chat, model: str, seed: int, length: int) -> Answer:
    """The answer to a conversation. ``length``: tokens of a text, 0 as many as the dice say."""
    subject = asked.subject()
    name = Dice(seed, subject).name
    choices = [_chat_choice(asked, Dice(seed, subject + b"%d" % index), length) for index in range(asked.n or 1)]
    prompt_tokens = sum(_MESSAGE_TOKENS + words.prompt_tokens(message.text()) for message in asked.messages)
    return Answer(f"chatcmpl-{name}", model, choices, prompt_tokens)


def answer_completion(asked: Completion, model: str, seed: int, length: int) -> Answer:
    """The answer to a prompt, or to several: ``n`` choices each."""
    prompts = asked.prompts()
    name = Dice(seed, "\0".join(prompts).encode("utf-8", "surrogatepass")).name
    choices = [
        _completion_choice(asked, prompt, Dice(seed, f"{prompt}{index}".encode("utf-8", "surrogatepass")), length)
        for prompt in prompts
        for index in range(asked.n or 1)
    ]
    return Answer(f"cmpl-{name}", model, choices, sum(map(words.prompt_tokens, prompts)))


def _chat_choice(asked: Chat, dice: Dice, length: int) -> Choice:
    heard = _last_text(asked.messages)
    if function := _function_to_call(asked, heard):
        return _call(function, dice, heard, legacy=not asked.tools)
    text = _formed(asked.response_format, asked.messages, dice, heard) or words.speak(dice, heard, length)
    tokens, reason = words.cut(words.split(text), _stops(asked.stop), asked.length())
    return Choice(tokens, reason)


def _completion_choice(asked: Completion, prompt: str, dice: Dice, length: int) -> Choice:
    said = words.split(words.speak(dice, prompt, length))
    tokens, reason = words.cut(said, _stops(asked.stop), asked.max_tokens)
    return Choice(words.split(prompt + " ") + tokens if asked.echo else tokens, reason)


# -- calls -----------------------------------------------------------------------------------------


def _function_to_call(asked: Chat, heard: str) -> Function | None:
    """The function that must be called, or that the last message names; none once its result is there."""
    functions = [tool.function for tool in asked.tools] if asked.tools else asked.functions or []
    wish = asked.tool_choice if asked.tools else asked.function_call
    if not functions or wish == "none":
        return None
    if isinstance(wish, ToolChoice | Named):
        name = wish.function.name if isinstance(wish, ToolChoice) else wish.name
        return next((function for function in functions if function.name == name), functions[0])
    if wish == "required":
        return functions[0]
    if asked.messages[-1].role in ("tool", "function"):
        return None
    spoken = heard.lower().replace("_", " ")
    return next((one for one in functions if one.name.lower().replace("_", " ") in spoken), None)


def _call(function: Function, dice: Dice, heard: str, *, legacy: bool) -> Choice:
    arguments = instance({"type": "object", **(function.parameters or {})}, dice, _topic(heard))
    tokens = words.split(json.dumps(arguments))
    call = Call(f"call_{dice.name[:24]}", function.name, legacy)
    return Choice(tokens, "function_call" if legacy else "tool_calls", call)


# -- formats ---------------------------------------------------------------------------------------


def _formed(form: ResponseFormat | None, messages: Sequence[Message], dice: Dice, heard: str) -> str:
    """A text in the format asked for; empty if none is."""
    if form is None or form.type == "text":
        return ""
    if form.json_schema is not None:
        return json.dumps(instance(form.json_schema.schema_, dice, _topic(heard)))
    patterns = [pattern for message in messages for pattern in _objects_in(message.text())]
    return json.dumps(dice.choice(patterns) if patterns else {"answer": words.speak(dice, heard, 0)})


def _objects_in(text: str) -> list[object]:
    """The JSON objects that a prompt shows: the answer is one of them, as a model follows its examples."""
    decoder, at = json.JSONDecoder(), 0
    found: list[object] = []
    while len(found) < _MOST_PATTERNS and (at := text.find("{", at)) >= 0:
        try:
            thing, at = decoder.raw_decode(text, at)
            found.append(thing)
        except (ValueError, RecursionError):
            at += 1
    return found


# -- small things ----------------------------------------------------------------------------------


def _last_text(messages: Sequence[Message]) -> str:
    """What is answered: the last message that is not the model's own."""
    return next((message.text() for message in reversed(messages) if message.role != "assistant"), "")


def _topic(heard: str) -> str:
    """A word of the question, for values that must be texts: the last one."""
    said = heard.split()
    return said[-1].strip("?!.,;:") if said else "nothing"


def _stops(stop: str | list[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else stop or []
