"""Flows about references, nodes and activation: sections 3.4 and 3.5 of the contract, and what does not start."""

from __future__ import annotations

from parity.table import ECHO, FROM_TEXT, OUT, TEXT, Flow, document, llm, one, prompt, py, say

ANSWER = "@tool\ndef n(text: str):\n    return {'a': [1, {'b': 'c'}], 'd e': None, 'text': text, '1': 'one'}\n"
PATHS = {
    "whole": "${n}",
    "section": "${n.output}",
    "item": "${n.output.a}",
    "index": "${n.output.a[0]}",
    "deep": "${n.output.a[1].b}",
    "quoted": "${n.output['d e']}",
    "input": "${inputs.text}",
    "literal": "plain text",
    "number": "${n.output['1']}",
    "double": '${n.output["text"]}',
}
BAD_PATHS = (
    "${n.output.nope}",
    "${n.output.a[9]}",
    "${n.output.a.b}",
    "${n.output['x y']}",
    "${n.output.text.upper.x}",
)
ACT = "@tool\ndef n(text=None, more='default', **rest):\n    return f'{text} {more} {rest}'\n"


def when(reference: str, value: object) -> dict[str, object]:
    """An activation."""
    return {"activate": {"when": reference, "is": value}}


GRAPH = [
    one("paths", ANSWER, outputs=PATHS),
    *(one(f"bad-path-{number}", ANSWER, outputs={"out": path}) for number, path in enumerate(BAD_PATHS)),
    Flow(
        "paths-between-nodes",
        document(
            [py("n", FROM_TEXT), py("m", {"a": "${n.output.a[1]}", "b": "${n.output.nope}"})],
            {"o": "${m.output}"},
            TEXT,
        ),
        {"n.py": ANSWER, "m.py": "@tool\ndef m(a, b):\n    return a\n"},
        say({"text": "x"}),
    ),
    one("no-interpolation", ECHO, wires={"text": "a ${inputs.text} b"}),
    one("legacy-flow-reference", ECHO, wires={"text": "${flow.text}"}),
    one("an-input-as-number-output", ECHO, say({"text": 5}), inputs={"text": "int"}),
    one("wrong-section", ECHO, outputs={"out": "${n.output2}"}),
    Flow("no-nodes", document([], {"o": "${inputs.text}", "l": "literal"}, TEXT), {}, say({"text": "x"}, {})),
    Flow("nothing", {"inputs": None, "outputs": None, "nodes": []}, {}, say({})),
    Flow(
        "activation",
        document(
            [
                py("a", FROM_TEXT, "n.py", **when("${inputs.go}", True)),
                py("b", {"text": "${a.output}"}, "n.py"),
                py("c", {"text": "${a.output}", "more": "${inputs.text}"}, "n.py", **when("${inputs.text}", "x")),
                py("d", {"text": "${a.output}", "more": "${b.output}", "else": "${e.output}"}, "n.py"),
                py("e", FROM_TEXT, "n.py"),
            ],
            {name: f"${{{name}.output}}" for name in "abcde"},
            {**TEXT, "go": "bool"},
        ),
        {"n.py": ACT},
        say(*({"text": text, "go": go} for text in "xy" for go in (True, False))),
    ),
    Flow(
        "activation-by-node",
        document(
            [
                py("n", FROM_TEXT),
                py("m", FROM_TEXT, **when("${n.output.kind}", 1)),
                py("k", {}, **when("${m.output}", "x")),
            ],
            {"m": "${m.output}", "k": "${k.output}"},
            TEXT,
        ),
        {
            "n.py": "@tool\ndef n(text):\n    return {'kind': {'one': 1, 'yes': True, 'text': '1', 'x': 1}[text]}\n",
            "m.py": ECHO.replace("def n", "def m"),
            "k.py": "@tool\ndef k():\n    return 'ran'\n",
        },
        say(*({"text": text} for text in ("one", "yes", "text", "x", "none"))),
    ),
    Flow(
        "path-on-bypassed",
        document([py("n", FROM_TEXT, **when("${inputs.text}", "x"))], {"o": "${n.output.a}"}, TEXT),
        {"n.py": ANSWER},
        say({"text": "x"}, {"text": "y"}),
    ),
    Flow(
        "variants",
        {
            **document([{"name": "n", "use_variants": True}], OUT, TEXT),
            "node_variants": {
                "n": {
                    "default_variant_id": "second",
                    "variants": {
                        "first": {"node": {k: v for k, v in py("n", {"text": "one"}).items() if k != "name"}},
                        "second": {"node": {k: v for k, v in py("n", FROM_TEXT).items() if k != "name"}},
                    },
                }
            },
        },
        {"n.py": ECHO},
        say({"text": "x"}),
    ),
    *(
        Flow(
            f"aggregation-by-{word}",
            document(
                [py("n", FROM_TEXT), py("m", {"all": "${n.output}"}, **{word: True})],
                {"o": "${n.output}", "sum": "${m.output}"},
                TEXT,
            ),
            {"n.py": ECHO, "m.py": "@tool\ndef m(all: list):\n    raise ValueError('not while serving')\n"},
            say({"text": "x"}),
        )
        for word in ("aggregation", "reduce")
    ),
    one(
        "literals",
        """
        from enum import Enum
        from typing import Optional, Union, List, Dict


        class Colour(str, Enum):
            RED = "red"


        @tool
        def n(i: int, f: float, b: bool, s: str, l: list, d: dict, u, c: Colour, o: Optional[int], un: Union[int, str],
              li: List[int], dd: Dict[str, int], dflt=5, gone="kept", empty="kept too", **rest):
            found = {**locals()}
            found.pop("rest")
            return [rest, {name: [repr(value), type(value).__name__] for name, value in found.items()}]
        """,
        wires={
            "i": "12",
            "f": "1.5",
            "b": "true",
            "s": 5,
            "l": "[1, 2]",
            "d": '{"a": 1}',
            "u": "123",
            "c": "red",
            "o": "7",
            "un": "8",
            "li": "[3]",
            "dd": '{"b": 2}',
            "dflt": "9",
            "gone": None,
            "empty": "",
            "extra": "10",
        },
    ),
    one(
        "untyped-literals",
        "@tool\ndef n(a, b, c, d):\n    return [a, b, c, d]\n",
        wires={"a": "true", "b": "[1]", "c": "not json", "d": "1.50"},
    ),
    one(
        "connection-literal",
        """
        from promptflow.connections import CustomConnection


        @tool
        def n(text: str, conn: CustomConnection):
            return [conn.region, conn.token, conn.name, dict(conn), conn.configs, conn.secrets, conn.is_secret("token")]
        """,
        wires={**FROM_TEXT, "conn": "custom"},
    ),
    one(
        "provider",
        """
        from promptflow.core import ToolProvider


        class Counter(ToolProvider):
            def __init__(self, start: int):
                self.value = start

            @tool
            def count(self, text: str):
                self.value += 1
                return [text, self.value]
        """,
        say({"text": "a"}, {"text": "b"}),
        wires={**FROM_TEXT, "start": "5"},
    ),
    Flow(
        "one-file-two-nodes",
        document([py("a", FROM_TEXT, "n.py"), py("b", {"text": "${a.output}"}, "n.py")], {"b": "${b.output}"}, TEXT),
        {"n.py": "SEEN = []\n\n\n@tool\ndef n(text: str):\n    SEEN.append(text)\n    return f'{text}{len(SEEN)}'\n"},
        say({"text": "x"}, {"text": "y"}),
    ),
    Flow(
        "prompts",
        document(
            [prompt("p", {**FROM_TEXT, "l": "${inputs.l}"}), py("n", {"text": "${p.output}"})],
            {"p": "${p.output}", "n": "${n.output}"},
            {**TEXT, "l": "list"},
        ),
        {
            "p.jinja2": "{% if text %}\n{{ text }}\n{% endif %}\n{{ l }}{{ no }}{% for i in l %}{{ i }}{% endfor %}\n",
            "n.py": ECHO,
        },
        say({"text": "<b>&é", "l": [1, "a"]}, {"text": "", "l": "[2]"}, {"text": "system:\nhi", "l": []}),
    ),
    one(
        "async-node",
        "import asyncio\n\n\n@tool\nasync def n(text: str):\n    await asyncio.sleep(0)\n    return text\n",
    ),
    one(
        "imports-beside-it",
        "import os\nfrom beside_imports import shout\n\n\n@tool\ndef n(text: str):\n"
        "    return [shout(text), os.path.basename(__file__), __name__]\n",
        files={"beside_imports.py": "def shout(text):\n    return text.upper()\n"},
    ),
    Flow(
        "environment",
        {
            **document([py("n", FROM_TEXT)], OUT, TEXT),
            "environment_variables": {"PARITY_A": 5, "PARITY_B": True, "PARITY_C": [1], "PARITY_D": "${custom.region}"},
        },
        {"n.py": "import os\n\n\n@tool\ndef n(text: str):\n    return os.environ.get(text)\n"},
        say(*({"text": f"PARITY_{letter}"} for letter in "ABCDE")),
    ),
    Flow(
        "out-of-order",
        document([py("m", {"text": "${n.output}"}, "n.py"), py("n", FROM_TEXT)], {"m": "${m.output}"}, TEXT),
        {"n.py": ECHO},
        say({"text": "x"}),
    ),
]

REFUSED = [
    Flow(name, flow, {"n.py": ECHO, **files}, refused=True)
    for name, flow, files in (
        (
            "refused-cycle",
            document([py("a", {"text": "${b.output}"}, "n.py"), py("b", {"text": "${a.output}"}, "n.py")], {}, {}),
            {},
        ),
        ("refused-unknown-input", document([py("n", {"text": "${inputs.nope}"})], OUT, TEXT), {}),
        ("refused-unknown-node", document([py("n", {"text": "${nope.output}"})], OUT, TEXT), {}),
        ("refused-unknown-output", document([py("n", FROM_TEXT)], {"o": "${nope.output}"}, TEXT), {}),
        ("refused-empty-output", document([py("n", FROM_TEXT)], {"o": ""}, TEXT), {}),
        ("refused-twice", document([py("n", FROM_TEXT), py("n", FROM_TEXT)], OUT, TEXT), {}),
        ("refused-no-file", document([py("n", FROM_TEXT, "nope.py")], OUT, TEXT), {}),
        ("refused-no-tool", document([py("n", FROM_TEXT)], OUT, TEXT), {"n.py": "def n(text):\n    return text\n"}),
        (
            "refused-two-tools",
            document([py("n", FROM_TEXT)], OUT, TEXT),
            {"n.py": ECHO + ECHO.replace("def n", "def m")},
        ),
        ("refused-type", document([py("n", FROM_TEXT)], OUT, {"text": "strings"}), {}),
        (
            "refused-literal",
            document([py("n", {"i": "x"})], OUT, TEXT),
            {"n.py": "@tool\ndef n(i: int):\n    return i\n"},
        ),
        ("refused-template", document([prompt("n", FROM_TEXT)], OUT, TEXT), {"n.jinja2": "{% if %}"}),
        ("refused-activation", document([py("n", FROM_TEXT, activate={"when": "${inputs.text}"})], OUT, TEXT), {}),
        ("refused-connection", document([llm("n", "nope", FROM_TEXT)], OUT, TEXT), {"n.jinja2": "user:\nx"}),
        (
            "refused-duplicate-variable",
            document([llm("n", "azure", FROM_TEXT)], OUT, TEXT),
            {"n.jinja2": "user:\n{{ top_p }}"},
        ),
        (
            "refused-setting",
            document([llm("n", "azure", {**FROM_TEXT, "max_tokens": "inf"})], OUT, TEXT),
            {"n.jinja2": "user:\nx"},
        ),
        ("refused-code", document([py("n", FROM_TEXT)], OUT, TEXT), {"n.py": "raise ValueError('on import')\n"}),
    )
]
