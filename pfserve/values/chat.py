"""From the text of a prompt to the messages of a chat, as promptflow reads it (contract 3.7)."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from pfserve.errors import UserError
from pfserve.values.roles import ROLES, PromptResult, escape_roles, escape_variables, restore_roles, separators

__all__ = [
    "ROLES",
    "ListText",
    "Message",
    "PromptResult",
    "invalid_role",
    "escape_roles",
    "escape_variables",
    "join_lists",
    "parse_messages",
    "restore_roles",
    "separate_images",
]

Message = dict[str, object]

_NO_PARTS: Mapping[str, object] = {}
_NO_ESCAPES: Mapping[str, str] = {}

_NAMED = re.compile(r"name\s*+:[^\S\n]*+\n\s*+(\S+)\s*+(?:#{1,2}+\s*+)?content\s*+:\s*+(.*)", re.DOTALL)
_RESPONSE = re.compile(r"tool_call_id\s*+:[^\S\n]*+\n\s*+(\S+)\s*+(?:#{1,2}+\s*+)?content\s*+:\s*+(.*)", re.DOTALL)
_TOOL_CALLS = re.compile(r"tool_calls\s*+:[^\S\n]*+\n\s*+(?=\[)")
_PLACEHOLDER = re.compile(r"!\[image\]\((\{\{[^{}\n]*\}\})\)")
_NOT_A_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)  # what ast.literal_eval raises

_GUIDE = (
    "If you intend to use the Completion API, please select the appropriate API type and deployment name. If you do "
    "intend to use the Chat API, please refer to the guideline at https://aka.ms/pfdoc/chat-prompt or view the samples "
    "in our gallery that contain 'Chat' in the name."
)
_FUNCTION_FORMAT = (
    "Failed to parse function role prompt. Please make sure the prompt follows the format: "
    "'name:\\nfunction_name\\ncontent:\\nfunction_content'. 'name' is required if role is function, and it should be "
    "the name of the function whose response is in the content. May contain a-z, A-Z, 0-9, and underscores, with a "
    "maximum length of 64 characters. See more details in "
    "https://platform.openai.com/docs/api-reference/chat/create#chat/create-name or view sample 'How to use functions "
    "with chat models' in our gallery."
)
_TOOL_FORMAT = (
    "Failed to parse tool role prompt. Please make sure the prompt follows the format: "
    "'tool_call_id:\\ntool_call_id\\ncontent:\\ntool_content'. 'tool_call_id' is required if role is tool, and it "
    "should be the tool call that this message is responding to. See more details in "
    "https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages"
)


def parse_messages(
    text: str,
    escapes: Mapping[str, str] = _NO_ESCAPES,
    *,
    roles: tuple[str, ...] = ROLES,
    images: Mapping[str, object] = _NO_PARTS,
) -> list[Message]:
    """The messages of a rendered prompt.

    ``escapes`` are the tokens of escaped role words, restored in what comes out. ``images`` maps the text of an image
    (``str(image)``) to its content part: a line that is nothing but such a text becomes the part.

    Raises:
        UserError: there is text before the first role, or a ``function`` or ``tool`` message lacks its fields.
    """
    marks = list(separators(text, roles))
    head = text[: marks[0].start if marks else len(text)].strip()
    if head:
        raise UserError(invalid_role(restore_roles(head.lower(), escapes), roles))
    ends = [*(mark.start for mark in marks[1:]), len(text)]
    return [
        _message(text[mark.role_start : mark.role_end].lower(), text[mark.end : end].strip(), escapes, images)
        for mark, end in zip(marks, ends, strict=False)
    ]


def _message(role: str, chunk: str, escapes: Mapping[str, str], images: Mapping[str, object]) -> Message:
    calls = _tool_calls(chunk, escapes) if role == "assistant" else None
    if calls is not None:
        return {"role": role, "tool_calls": calls}
    if role == "tool":
        response = _RESPONSE.search(chunk)
        if response is None:
            raise UserError(_TOOL_FORMAT)
        identity = restore_roles(response[1], escapes)
        return {"role": role, "tool_call_id": identity, "content": _content(response[2], escapes, images)}
    named = _NAMED.search(chunk)
    if named is not None:
        name = restore_roles(named[1], escapes)
        return {"role": role, "name": name, "content": _content(named[2], escapes, images)}
    if role == "function":
        raise UserError(_FUNCTION_FORMAT)
    return {"role": role, "content": _content(chunk, escapes, images)}


def _content(text: str, escapes: Mapping[str, str], images: Mapping[str, object]) -> object:
    """The text, or its lines as content parts if one of them is an image."""
    text = restore_roles(text, escapes)
    lines = text.split("\n") if images else []
    if not any(line.strip() in images for line in lines):
        return text
    return [images.get(line.strip()) or {"type": "text", "text": line} for line in lines if line.strip()]


def _tool_calls(chunk: str, escapes: Mapping[str, str]) -> list[object] | None:
    """The list of an assistant's tool calls; None if there is none that can be read.

    Promptflow ends the list at the first bracket that closes, which no list in it survives; the last one is tried too.
    """
    match = _TOOL_CALLS.search(chunk)
    if match is None:
        return None
    for end in dict.fromkeys((chunk.find("]", match.end()), chunk.rfind("]", match.end()))):
        calls = _literal(restore_roles(chunk[match.end() : end + 1], escapes)) if end >= 0 else None
        if isinstance(calls, list):
            return calls
    return None


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except _NOT_A_LITERAL:
        return None


def invalid_role(found: str, roles: tuple[str, ...]) -> str:
    """The message about a prompt that begins with something else than a role."""
    delimiters = ",".join(f"'{role}:\\n'" for role in roles)
    return (
        "The Chat API requires a specific format for prompt definition, and the prompt should include separate lines "
        f"as role delimiters: {delimiters}. Current parsed role '{found}' does not meet the requirement. {_GUIDE}"
    )


class ListText(list[object]):
    """A list that prints as its items, one a line."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def join_lists(value: object) -> object:
    """The value with every list in it, also within dicts, as a :class:`ListText` (Azure's chat and vision tools)."""
    if isinstance(value, list):
        return ListText(join_lists(item) for item in value)
    if isinstance(value, dict):
        return {key: join_lists(item) for key, item in value.items()}
    return value


def separate_images(template: str) -> str:
    """The template with every placeholder ``![image]({{ name }})`` as ``{{ name }}`` on a line of its own."""
    return _PLACEHOLDER.sub(r"\n\1\n", template)
