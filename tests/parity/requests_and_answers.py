"""Flows about what comes in and what goes out: sections 1.4 to 1.9, 3.2 and 3.3 of the contract."""

from __future__ import annotations

from parity.table import ECHO, EVENTS, FROM_TEXT, OUT, TEXT, Ask, Flow, document, one, prompt, py, raw, say

ACCEPTS = (
    "*/*",
    "application/json",
    "application/*",
    "application/json;q=0.5",
    "text/html,application/xhtml+xml,*/*;q=0.8",
    f"{EVENTS}, application/json",
)
ODD = (  # values for inputs of every type
    12,
    3.9,
    True,
    None,
    "12",
    "1.5",
    "abc",
    "",
    "true",
    "FALSE",
    "yes",
    [],
    [1, "a"],
    {},
    {"a": 1},
    "[1, 2]",
    "[1,",
    '{"a": [1]}',
    "null",
    1e300,
    -0.0,
    "é😀",
)

REQUESTS = [
    one(
        "one-required-input",
        ECHO,
        [
            *say({"text": "x"}, {}, {"other": 1}, {"text": "x", "other": 1}, [1, 2], "str", [], ""),
            *say(5, True, None, 0, False, "the text here", ["text"], row=19),
            *raw(
                b"plain words",
                b"",
                b'{"text": ',
                b"text=form",
                b'{"text": "a", "text": "b"}',
                b'\xef\xbb\xbf{"text": "x"}',
            ),
            *raw('{"text": "é"}'.encode("utf-16"), b'{"text": NaN}', b'  {"text": "x"}\n'),
            *raw(b"\xff\xfe\xfd", row=19),
        ],
    ),
    one(
        "two-inputs",
        "@tool\ndef n(a: str, b: str):\n    return a + b\n",
        [
            *say({"a": "1", "b": "2"}, {"a": "1"}, {"b": "2"}, {}, "a", ["a"], {"b": "é'\"", "c": 1}),
            *raw(b"plain", b""),
        ],
        inputs={"a": "string", "b": "string"},
        wires={"a": "${inputs.a}", "b": "${inputs.b}"},
    ),
    one(
        "all-defaults",
        "@tool\ndef n(a, q):\n    return [a, q]\n",
        [
            *say({}, {"a": 3}, {"q": "x"}, None, {"a": None}),
            *say([1, 2], "str", 5, True, [], "", 0, False, [["a", 1]], row=19),
        ],
        inputs={"a": {"type": "int", "default": "7"}, "q": {"type": "string", "default": 5}},
        wires={"a": "${inputs.a}", "q": "${inputs.q}"},
    ),
    one(
        "one-default",
        ECHO,
        [*say({}, {"text": None}, {"text": 3}), *raw(b"", b"plain", b"{")],
        inputs={"text": {"type": "string", "default": "d", "description": "what to say"}},
    ),
    one(
        "no-inputs",
        "@tool\ndef n():\n    return 'always'\n",
        [*say({}, None, [1], 5), *raw(b"", b"plain", b"\xff")],
        inputs={},
        wires={},
    ),
    *(
        one(f"unusable-default-{kind}", ECHO, say({}, {"text": good}), inputs={"text": {"type": kind, "default": bad}})
        for kind, bad, good in (("int", "", 1), ("bool", "x", True), ("image", "", "data:image/gif;base64,R0lGODlh"))
    ),
    one("null-default-is-none", ECHO, say({}, {"text": "x"}), inputs={"text": {"type": "string", "default": None}}),
    *(
        one(
            f"input-{kind}",
            "@tool\ndef n(v):\n    return [v, type(v).__name__]\n",
            say(*({"v": value} for value in ODD)),
            inputs={"v": kind},
            wires={"v": "${inputs.v}"},
        )
        for kind in ("int", "double", "bool", "string", "list", "object")
    ),
    one(
        "falsy-defaults",
        "@tool\ndef n(a, b, c, d, e):\n    return [a, b, c, d, e]\n",
        say({}, {"a": 1, "b": True}),
        inputs={
            "a": {"type": "int", "default": 0},
            "b": {"type": "bool", "default": False},
            "c": {"type": "list", "default": []},
            "d": {"type": "string", "default": ""},
            "e": {"type": "object", "default": {"k": [1]}, "description": ""},
        },
        wires={name: f"${{inputs.{name}}}" for name in "abcde"},
    ),
    one("enum-is-not-checked", ECHO, inputs={"text": {"type": "string", "enum": ["a", "b"]}}),
    one(
        "routes",
        ECHO,
        [
            Ask(b"", method="GET", path="/nope"),
            Ask(b"x", path="/score/"),
            Ask(b"x", path="/a/b%20c?d=e"),
            Ask(b"", method="DELETE", path="/it's"),
            Ask(b"", method="GET", path="/%3Cb%3E", row=4),
            Ask(b"", method="GET", row=30),
            Ask(b"", method="PUT", path="/health", row=30),
            Ask(b"not json", path="/feedback?flatten=true"),
            Ask(b'{"a": 1}', path="/feedback"),
        ],
    ),
]

RAISE = """
from promptflow.exceptions import (PromptflowException, SystemErrorException, UserErrorException, ValidationException)


class OwnUser(UserErrorException):
    pass


class Bare(PromptflowException):
    pass


class Plain(Exception):
    def __str__(self):
        return "told by itself"


KINDS = {"value": ValueError("boom"), "key": KeyError("k"), "user": UserErrorException("u"), "own": OwnUser("o"),
    "system": SystemErrorException("s"), "validation": ValidationException("v"), "bare": Bare("b"), "plain": Plain(),
    "promptflow": PromptflowException("p"), "empty": ValueError(), "two": ValueError("a", 1), "os": OSError(2, "no")}


@tool
"""
KINDS = ("value", "key", "user", "own", "system", "validation", "bare", "plain", "promptflow", "empty", "two", "os")

OUTPUTS = """
import dataclasses, datetime, decimal, enum


@dataclasses.dataclass
class Point:
    x: int = 1


class Colour(enum.Enum):
    RED = 1


class Text(str):
    pass


ANSWERS = {"set": {1}, "bytes": b"a", "object": Point, "dataclass": Point(), "time": datetime.date(2024, 2, 1),
    "tuple": (1, 2), "int keys": {1: "a", 2: "b"}, "big": 2**70, "float": 0.1, "none": None, "text": Text("x"),
    "nested": {"a": [{"b": {1, 2}}]}, "accents": "é\\u2028", "surrogate": "\\ud800", "decimal": decimal.Decimal("1.5"),
    "enum": {Colour.RED: 1}, "sorted": {"b": 1, "a": 2}, "empty": {}, "exception": ValueError("v"),
    "tuple keys": {(1, 2): 3}, "nan": [float("nan")], "inf": float("inf"), "float keys": {1.5: 1}, "range": range(3)}


@tool
def n(text: str):
    return ANSWERS[text]
"""
ANSWERS = (
    "set",
    "bytes",
    "object",
    "tuple",
    "int keys",
    "big",
    "float",
    "none",
    "text",
    "nested",
    "accents",
    "surrogate",
    "decimal",
    "sorted",
    "empty",
    "exception",
    "tuple keys",
    "float keys",
    "range",
    "time",
    "enum",
    "dataclass",
)

OUTCOMES = [
    one("raises", RAISE + "def n(text: str):\n    raise KINDS[text]\n", say(*({"text": kind} for kind in KINDS))),
    one("raises-async", RAISE + "async def n(text: str):\n    raise KINDS[text]\n", say(*({"text": k} for k in KINDS))),
    one("unwired-parameter", "@tool\ndef n(need: str):\n    return need\n", wires={}),
    one("template-fails", ECHO, wires={"text": "${inputs.text}"}),
    one(
        "answers",
        OUTPUTS,
        [*say(*({"text": kind} for kind in ANSWERS)), *say({"text": "nan"}, {"text": "inf"}, row=18)],
    ),
    Flow(
        "prompt-fails",
        document([prompt("n", FROM_TEXT)], OUT, TEXT),
        {"n.jinja2": "{{ text.a.b }}"},
        say({"text": "x"}),
    ),
    one(
        "too-slow",
        "import time\n\n\n@tool\ndef n(text: str):\n    time.sleep(float(text))\n    return text\n",
        say({"text": "0"}, {"text": "1.5"}),
        environment={"PF_LINE_TIMEOUT_SEC": "1"},
    ),
    Flow(
        "second-of-two-fails",
        document([py("a", FROM_TEXT, "n.py"), py("b", {"text": "${a.output}"}, "n.py")], {"out": "${b.output}"}, TEXT),
        {"n.py": "@tool\ndef n(text: str):\n    return {'': 'x'}[text]\n"},
        say({"text": ""}, {"text": "y"}),
    ),
]

GENERATOR = """
@tool
def n(text: str):
    for word in text.split():
        yield int(word) if word.isdigit() else word
        if word == "fail":
            raise ValueError("half-way")
"""

ANSWER_FORMS = [
    one(
        "accept-plain",
        ECHO,
        [
            *(ask for accept in ACCEPTS for ask in say({"text": "x"}, accept=accept)),
            *(
                ask
                for accept in (EVENTS, "text/html", "text/*", "image/png")
                for ask in say({"text": "x"}, accept=accept)
            ),
            *say({}, accept=EVENTS),
            *say({"text": "x"}, accept="Application/JSON", row=13),
        ],
    ),
    one(
        "generator",
        GENERATOR,
        [
            *(ask for accept in ACCEPTS for ask in say({"text": "a 1 b"}, accept=accept)),
            *say({"text": "a 1 b"}, {"text": ""}, {"text": "é \u2028"}, accept=EVENTS),
            *say({"text": "a 1"}, accept="text/html"),
            *say({"text": "a fail"}, row=16),
            *say({"text": "a fail b"}, accept=EVENTS),
        ],
    ),
    Flow(
        "generator-and-more",
        document(
            [py("n", FROM_TEXT), py("m", FROM_TEXT)],
            {"b": "${n.output}", "a": "${m.output}", "c": "${inputs.text}"},
            TEXT,
        ),
        {"n.py": GENERATOR, "m.py": ECHO},
        [
            *say({"text": "x y"}),
            *say({"text": "x y"}, accept=EVENTS),
            *say({"text": "x"}, accept=f"{EVENTS};q=0.5, */*"),
        ],
    ),
    Flow(
        "two-generators",
        document(
            [py("a", FROM_TEXT, "n.py"), py("b", FROM_TEXT, "n.py")], {"a": "${a.output}", "b": "${b.output}"}, TEXT
        ),
        {"n.py": GENERATOR},
        [*say({"text": "x y"}), *say({"text": "x y"}, accept=EVENTS)],
    ),
    Flow(
        "generator-between",
        document([py("a", FROM_TEXT), py("n", {"words": "${a.output}"})], OUT, TEXT),
        {"a.py": GENERATOR.replace("def n", "def a"), "n.py": "@tool\ndef n(words):\n    return list(words)\n"},
        say({"text": "x 1"}),
    ),
    one(
        "async-generator",
        "@tool\nasync def n(text: str):\n    for word in text.split():\n        yield word\n",
        say({"text": "a b"}),
    ),
    Flow(
        "evaluation-only",
        {
            **document([py("n", FROM_TEXT)], {}, TEXT),
            "outputs": {
                "z": {"type": "string", "reference": "${n.output}"},
                "a": {"type": "string", "reference": "${inputs.text}", "evaluation_only": True},
            },
        },
        {"n.py": ECHO},
        say({"text": "x"}),
    ),
    Flow(
        "included-fields",
        {
            **document([py("n", FROM_TEXT)], {}, TEXT),
            "outputs": {
                "z": {"type": "string", "reference": "${n.output}"},
                "a": {"type": "string", "reference": "${inputs.text}", "evaluation_only": True},
                "b": {"type": "string", "reference": "${inputs.text}"},
            },
        },
        {"n.py": ECHO},
        say({"text": "x"}),
        {"PROMPTFLOW_RESPONSE_INCLUDED_FIELDS": '["a", "z"]'},
    ),
    Flow(
        "chat-swagger",
        {
            "name": "another name",
            "inputs": {
                "question": {"type": "string", "is_chat_input": True, "default": "hm"},
                "chat_history": {"type": "list", "is_chat_history": True, "default": []},
            },
            "outputs": {"answer": {"type": "string", "reference": "${inputs.question}", "is_chat_output": True}},
            "nodes": [],
        },
        {"samples.json": '[{"question": "a sample"}, {}]'},
        say({"question": "q"}, {}, {"question": "q", "chat_history": [{"inputs": {}, "outputs": {}}]}),
    ),
    Flow(
        "all-types-swagger",
        document(
            [],
            {"out": "${inputs.i}"},
            {
                "i": {"type": "int", "default": 5, "description": "a number"},
                "d": {"type": "double", "default": 1.5},
                "b": {"type": "bool", "default": True},
                "s": {"type": "string", "default": "x"},
                "l": {"type": "list", "default": [1]},
                "o": {"type": "object", "default": {"a": 1}},
            },
        ),
        {},
        say({}),
    ),
]
