"""Flows that are a function or a class: section 4.1 of the contract, sentence by sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from parity.requests_and_answers import ACCEPTS
from parity.table import EVENTS, NOTHING, Ask, Flow, raw, say

INIT = "PF_FLOW_INIT_CONFIG"
SIX = "a: str, b: int, c: float, d: bool, e: list, f: dict"
SEEN = "    return {'seen': repr(given), 'types': [type(one).__name__ for one in given]}\n"
CLASS = "class F:\n    def __init__(self):\n        pass\n\n"  # without one promptflow refuses a class
KEEPER = """
class F:
    def __init__(self, word: str, number: int = 3, flag: bool = False, more: dict = None):
        self.kept = [word, number, flag, more]

    def __call__(self, text: str = "none"):
        return {"kept": repr(self.kept), "text": text}
"""


def flex(
    name: str,
    text: str,
    asks: Sequence[Ask] = (),
    *,
    entry: str = "f",
    environment: Mapping[str, str] = NOTHING,
    files: Mapping[str, str] = NOTHING,
    refused: bool = False,
    **document: Any,
) -> Flow:
    """A flow whose entry is in a module of its own name: the modules of all flows live in one process."""
    module = f"flex_{name.replace('-', '_')}"
    whole = {"entry": f"{module}:{entry}", **document}
    return Flow(f"flex-{name}", whole, {f"{module}.py": text, **files}, asks or say({}), environment, refused)


def typed(kind: str, **more: object) -> dict[str, object]:
    return {"type": kind, **more}


VALUES = say(
    *({name: value for name in "abcdef"} for value in ("5", "x", 5, 1.5, True, None, [1], {"k": 1}, "[1]", '{"k": 1}'))
)

FUNCTIONS = [
    flex("nothing", "def f():\n    return 'x'\n", [*say({}, {"a": 1}), *raw(b"", b"text", b"[1]")]),
    flex(
        "unconverted",
        f"def f({SIX}):\n    given = [a, b, c, d, e, f]\n{SEEN}",
        [*VALUES, *say({}, {"a": 1, "c": 2})],
    ),
    flex(
        "converted",
        f"def f({SIX}):\n    given = [a, b, c, d, e, f]\n{SEEN}",
        VALUES,
        inputs={
            name: typed(kind)
            for name, kind in zip("abcdef", ("string", "int", "double", "bool", "list", "object"), strict=True)
        },
    ),
    flex(
        "defaults-of-the-code",
        f"def f(a='x', b=2, c=None, d=[1], *, e={{}}):\n    given = [a, b, c, d, e]\n{SEEN}",
        say({}, {"a": "y"}, {"b": None, "e": 5}, {"zzz": 1}),
    ),
    flex(
        "defaults-of-the-file",
        f"def f(a: int = 1, b: int = 2, c: str = 'code', d: int = 4):\n    given = [a, b, c, d]\n{SEEN}",
        say({}, {"a": "5"}, {"b": "6", "d": "7"}),
        inputs={"a": typed("int", default="10"), "b": typed("int", default=""), "c": typed("string", default=9)},
    ),
    flex(
        "a-default-of-the-file-alone",
        "def f(a: int, b: int = 2):\n    return f'{a} {b}'\n",
        say({}, {"a": "5"}, {"a": 1, "b": "x"}),
        inputs={"a": typed("int", default=10)},
    ),
    flex(
        "declared-without-default",
        "def f(a: int = 1, b: str = 'b'):\n    return f'{a!r} {b!r}'\n",
        say({}, {"a": "5"}, {"b": "x"}),
        inputs={"a": typed("int")},
    ),
    flex(
        "a-default-that-does-not-fit",
        "def f(a: int = 1, b: int = 2):\n    return f'{a!r} {b!r}'\n",
        say({}, {"a": "5"}, {"b": "6"}),
        inputs={"a": typed("int", default="text"), "b": typed("int", default=5)},
    ),
    flex(
        "declared-but-no-parameter",
        "def f(a: str = 'a'):\n    return a\n",
        say({}, {"a": "5"}, {"x": "5"}),
        inputs={"x": typed("string"), "a": typed("string", default="q")},
    ),
    flex(
        "many-names",
        "def f(a='a', **rest):\n    return {'a': a, 'rest': rest}\n",
        say({}, {"a": 1, "b": 2}),
    ),
    flex(
        "no-parameters-but-inputs",
        "def f(**rest):\n    return {'rest': rest}\n",
        say({}, {"q": "x"}, {"q": "x", "h": []}),
        inputs={"q": typed("string", is_chat_input=True), "h": typed("list", is_chat_history=True, default=[])},
        outputs={"a": typed("string", is_chat_output=True), "rest": typed("object")},
    ),
    flex(
        "one-input-as-text",
        "def f(q: str):\n    return q\n",
        [*say({"q": "x"}, {}), *raw(b"plain", b"", b'{"q'), *say([1], "str", ["q"], 5, row=0)[:2]],
    ),
    *(
        flex(f"returns-{name}", f"def f(text: str = 'x'):\n    return {value}\n", say({}))
        for name, value in {
            "text": "text",
            "number": "5",
            "float": "1.5",
            "none": "None",
            "list": "[1, {'a': 2}]",
            "tuple": "(1, 2)",
            "dict": "{'b': 1, 'a': [text]}",
            "output": "{'output': 1}",
            "empty": "{}",
            "odd-keys": "{1: 'a'}",
            "set": "{1, 2}",
            "bytes": "{'fine': 1, 'bad': b'x'}",
            "object": "object",
        }.items()
    ),
    flex(
        "returns-dataclass",
        """
        from dataclasses import dataclass


        @dataclass
        class Answer:
            text: str
            more: dict
            count: int = 3


        def f(text: str = "x") -> Answer:
            return Answer(text, {"a": 1})
        """,
        outputs={"other": typed("string")},
    ),
    flex(
        "returns-typed-dict",
        """
        from typing import TypedDict


        class Answer(TypedDict):
            text: str
            number: float
            more: dict


        def f(text: str = "x") -> Answer:
            return {"text": text, "number": 1.5, "more": {}, "extra": 1}
        """,
    ),
    flex(
        "hides-outputs",
        "def f():\n    return {'a': 1, 'b': 2, 'c': 3}\n",
        outputs={"a": typed("int"), "b": typed("int", evaluation_only=True)},
    ),
    flex(
        "includes-outputs",
        "def f():\n    return {'a': 1, 'b': 2, 'c': 3}\n",
        outputs={"a": typed("int"), "b": typed("int", evaluation_only=True)},
        environment={"PROMPTFLOW_RESPONSE_INCLUDED_FIELDS": '["b"]'},
    ),
    flex(
        "negotiates",
        "def f(text: str):\n    return text\n",
        [ask for accept in ACCEPTS for ask in say({"text": "x"}, accept=accept)],
    ),
    flex(
        "generator",
        "def f(text: str):\n    yield from text.split()\n    yield 5\n",
        [*say({"text": "a b"}), *say({"text": "a b"}, accept=EVENTS)],
    ),
    flex(
        "returns-generator",
        "def f(text: str):\n    return {'out': iter(text.split()), 'other': text}\n",
        [*say({"text": "a b"}), *say({"text": "a b"}, accept=EVENTS)],
    ),
    flex(
        "dataclass-with-generator",
        """
        from dataclasses import dataclass


        @dataclass
        class Answer:
            out: object
            other: str


        def f(text: str):
            return Answer(iter(text.split()), text)
        """,
        [*say({"text": "a b"}), *say({"text": "a b"}, accept=EVENTS)],
    ),
    flex(
        "two-generators",
        "def f(text: str):\n    return {'a': iter(text), 'b': iter(text)}\n",
        [*say({"text": "xy"}), *say({"text": "xy"}, accept=EVENTS)],
    ),
    flex(
        "generator-fails",
        "def f(text: str):\n    yield text\n    raise ValueError('broken')\n",
        [*say({"text": "x"}), *say({"text": "x"}, accept=EVENTS)],
    ),
    flex(
        "async",
        "import asyncio\n\n\nasync def f(text: str):\n    await asyncio.sleep(0)\n    return {'text': text}\n",
        say({"text": "x"}, {}),
    ),
    flex(
        "async-generator",
        "async def f(text: str):\n    for word in text.split():\n        yield word\n",
        say({"text": "a b"}),
    ),
    flex("async-fails", "async def f():\n    raise ValueError('boom')\n", say({}, row=15)),
    flex(
        "fails",
        """
        from promptflow.exceptions import SystemErrorException, UserErrorException


        class Own(Exception):
            pass


        def f(kind: str):
            raise {"value": ValueError("boom"), "own": Own(), "user": UserErrorException("theirs"),
                   "system": SystemErrorException("ours"), "key": KeyError("k")}[kind]
        """,
        say(*({"kind": kind} for kind in ("value", "own", "user", "system", "key", "nope"))),
    ),
    flex(
        "traced",
        """
        from promptflow.tracing import start_trace, trace


        @trace
        def inner(text):
            return text.upper()


        @trace
        def f(text: str, other: int = 2):
            if text == "fail":
                raise ValueError("boom")
            return inner(text) * other


        start_trace()
        """,
        say({"text": "x"}, {"text": "fail"}, {}),
    ),
    flex(
        "imports-beside-it",
        "import os\nfrom flex_beside import shout\n\n\ndef f(text: str):\n"
        "    return [shout(text), os.path.basename(__file__), __name__]\n",
        say({"text": "x"}),
        files={"flex_beside.py": "def shout(text):\n    return text.upper()\n"},
    ),
    Flow(
        "flex-code-in-a-folder",
        {"entry": "flex_in_a_folder:f", "code": "src"},
        {"src/flex_in_a_folder.py": "def f(text: str = 'x'):\n    return [text, __name__]\n"},
        say({}, {"text": "y"}),
    ),
    flex(
        "environment",
        "import os\n\n\ndef f(name: str):\n    return os.environ.get(name)\n",
        say(*({"name": f"FLEX_{letter}"} for letter in "ABCDE")),
        environment_variables={"FLEX_A": 5, "FLEX_B": True, "FLEX_C": [1], "FLEX_D": "${custom.region}"},
    ),
    flex(
        "sample",
        "def f(a='code', b='code'):\n    return [a, b]\n",
        [*say({}, {"a": 1}, {"other": 1}, None), *raw(b"{}")],
        sample={"inputs": {"a": "sampled", "zzz": 1}},
    ),
    flex(
        "image",
        """
        from promptflow.contracts.multimedia import Image


        def f(picture: dict = None, text: str = ""):
            made = Image(b"\\x89PNG" + text.encode(), mime_type="image/png")
            return {"image": made, "list": [made], "given": picture}
        """,
        say({"text": "x"}, {"picture": {"data:image/png;base64": "aGVsbG8="}}),
    ),
    flex(
        "bare-image",
        """
        from promptflow.contracts.multimedia import Image


        def f():
            return Image(b"x", mime_type="image/png")
        """,
    ),
]

OBJECTS = [
    flex("class-sample", KEEPER, say({}, {"text": "x"}), entry="F", sample={"init": {"word": "w", "number": "9"}}),
    flex(
        "class-file-defaults",
        KEEPER,
        say({"text": "x"}),
        entry="F",
        init={"word": typed("string", default="file"), "number": typed("int", default="7"), "flag": typed("bool")},
    ),
    flex(
        "class-environment",
        KEEPER,
        say({"text": "x"}),
        entry="F",
        init={"number": typed("int", default=8)},
        sample={"init": {"word": "sampled"}},
        environment={INIT: json.dumps({"word": "given", "more": {"a": [1]}})},
    ),
    flex(
        "class-counts",
        """
        class F:
            def __init__(self):
                self.count = 0

            def __call__(self, text: str) -> str:
                self.count += 1
                return f"{text}{self.count}"

            def __aggregate__(self, results: list) -> dict:
                raise ValueError("not while serving")
        """,
        say({"text": "x"}, {"text": "y"}, {}),
        entry="F",
    ),
    flex(
        "class-fails",
        f"{CLASS}    def __call__(self, text: str):\n        raise ValueError(text)\n",
        say({"text": "x"}),
        entry="F",
    ),
    flex(
        "class-traced",
        """
        from promptflow.tracing import trace


        class F:
            def __init__(self):
                pass

            @trace
            def __call__(self, text: str, n: int = 1):
                if text == "fail":
                    raise ValueError("boom")
                return {"text": text, "n": n}
        """,
        say({"text": "x"}, {"text": "fail"}),
        entry="F",
    ),
    flex(
        "class-async",
        f"{CLASS}    async def __call__(self, text: str):\n        return [text]\n",
        say({"text": "x"}, {}),
        entry="F",
    ),
    flex(
        "class-generator",
        f"{CLASS}    def __call__(self, text: str):\n        yield from text\n",
        [*say({"text": "xy"}), *say({"text": "xy"}, accept=EVENTS)],
        entry="F",
    ),
    flex(
        "class-connection",
        """
        from promptflow.connections import CustomConnection


        class F:
            def __init__(self, c: CustomConnection):
                self.c = c

            def __call__(self):
                return {"region": self.c.region, "token": self.c.token}
        """,
        entry="F",
        sample={"init": {"c": "custom"}},
    ),
    flex(
        "class-models",
        """
        from promptflow.core import AzureOpenAIModelConfiguration, OpenAIModelConfiguration


        class F:
            def __init__(self, a: AzureOpenAIModelConfiguration, o: OpenAIModelConfiguration,
                         p: OpenAIModelConfiguration):
                self.found = [a.azure_deployment, a.api_key, a.api_version, o.model, o.api_key, o.organization, p.model,
                              p.api_key, p.base_url, a.connection]

            def __call__(self):
                return self.found
        """,
        entry="F",
        sample={
            "init": {
                "a": {"azure_deployment": "d", "connection": "azure"},
                "o": {"model": "m", "connection": "openai"},
                "p": {"model": "m", "api_key": "k", "base_url": "http://x"},
            }
        },
    ),
]

UNSERVABLE = [
    flex(f"refused-{name}", code, entry=entry, refused=True, **document)
    for name, code, entry, document in (
        ("no-such-name", "def g():\n    return 1\n", "f", {}),
        ("no-callable", "f = 5\n", "f", {}),
        ("on-import", "raise ValueError('on import')\n", "f", {}),
        ("complex-input", "from typing import List\n\n\ndef f(a: List[str]):\n    return 1\n", "f", {}),
        ("complex-union", "from typing import Union\n\n\ndef f(a: Union[int, str]):\n    return 1\n", "f", {}),
        ("text-annotation", "from __future__ import annotations\n\n\ndef f(a: str):\n    return 1\n", "f", {}),
        ("returns-int", "def f() -> int:\n    return 1\n", "f", {}),
        ("returns-none", "def f() -> None:\n    return 1\n", "f", {}),
        (
            "complex-output",
            "import dataclasses\n\n\n@dataclasses.dataclass\nclass A:\n    a: set\n\n\ndef f() -> A:\n    return 1\n",
            "f",
            {},
        ),
        ("no-call", "class F:\n    pass\n", "F", {}),
        ("init-lacks", KEEPER, "F", {}),
        ("init-strange", KEEPER, "F", {"sample": {"init": {"word": "x", "strange": 1}}}),
        (
            "init-fails",
            "class F:\n    def __init__(self):\n        1 / 0\n\n    def __call__(self):\n        return 1\n",
            "F",
            {},
        ),
        (
            "init-complex",
            "class F:\n    def __init__(self, a: set = None):\n        0\n\n    def __call__(self):\n        0\n",
            "F",
            {},
        ),
        (
            "aggregate",
            "class F:\n    def __call__(self):\n        0\n\n    def __aggregate__(self, a, b):\n        0\n",
            "F",
            {},
        ),
        ("input-type", "def f():\n    return 1\n", "f", {"inputs": {"a": {"type": "strings"}}}),
        ("language", "def f():\n    return 1\n", "f", {"language": "csharp"}),
        ("connection", "def f():\n    return 1\n", "f", {"environment_variables": {"FLEX_X": "${nope.key}"}}),
    )
] + [
    Flow(
        f"flex-refused-entry-{number}", {"entry": entry}, {"flex_entries.py": "def f():\n    return 1\n"}, refused=True
    )
    for number, entry in enumerate(("flex_entries", "flex_entries:f:g", ":f", "flex_nowhere:f"))
]

FLEX = [*FUNCTIONS, *OBJECTS, *UNSERVABLE]
