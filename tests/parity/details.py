"""Odd corners that flows turn up in: what code may raise and return, what bodies may be, who reads a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.table import EVENTS, FROM_TEXT, OUT, TEXT, Ask, Flow, document, llm, one, prompt, py, raw, say

EITHER = "text/event-stream, application/json"
HI = say({"text": "hi"})
HEARD = "user:\n{{ text }}\n"
KINDS = (
    "date datetime decimal dataclass dictclass namedtuple bytes path strclass intenum nested tuplekeys frozenset big "
    "negzero small bigfloat counter ordered default range complex generator map deep exception type deque true "
    "emptylist emptydict emptytext control html"
)
RAISED = "user format system validation mine odd empty chain key group assert unicode args stop os"
TEXTS = {"text": "string", "l": "list", "o": "object"}


def read_by(
    name: str,
    asks: Sequence[Ask],
    readers: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    files: Mapping[str, str],
    inputs: Mapping[str, Any] = TEXT,
    stream: object = True,
) -> Flow:
    """A model's node ``a``, whose stream the other nodes read."""
    model = llm("a", "openai", {**FROM_TEXT, "stream": stream})
    flow = document([model, *readers], outputs, inputs)
    return Flow(f"stream-{name}", flow, {"a.jinja2": HEARD, **files}, asks)


READ = {"it": "${a.output}"}
READERS = [
    read_by(
        "asked-for-by-an-input",
        say({"text": "hi"}, {"text": "hi", "s": False}, {"text": "hi", "s": "no"}),
        [py("b", READ)],
        {"out": "${b.output}"},
        {"b.py": "@tool\ndef b(it):\n    return [type(it).__name__, ''.join(it)]\n"},
        inputs={"text": "string", "s": {"type": "bool", "default": True}},
        stream="${inputs.s}",
    ),
    read_by(
        "read-by-a-model",
        [*HI, *say({"text": "hi"}, accept=EVENTS)],
        [llm("b", "azure", {"text": "${a.output}"})],
        {"out": "${b.output}"},
        {"b.jinja2": "user:\n{{ text | join('') }}\n"},
    ),
    read_by(
        "read-by-generator",
        [*HI, *say({"text": "hi"}, accept=EVENTS)],
        [py("b", READ)],
        {"out": "${b.output}"},
        {"b.py": "@tool\ndef b(it):\n    for x in it:\n        yield x.upper()\n"},
    ),
    read_by(
        "read-by-async-code",
        [*say({"text": "hi"}, {"text": "[[stub:401]]"}), *say({"text": "hi"}, accept=EITHER)],
        [py("b", READ)],
        {"out": "${b.output}"},
        {"b.py": "@tool\nasync def b(it):\n    return [x for x in it]\n"},
    ),
    read_by(
        "handed-on-by-async-code",
        [*HI, *say({"text": "hi"}, accept=EVENTS)],
        [py("b", READ)],
        {"out": "${b.output}"},
        {"b.py": "@tool\nasync def b(it):\n    return (x for x in it)\n"},
    ),
    read_by(
        "read-by-many",
        HI,
        [py("b", READ), py("c", {**READ, "b": "${b.output}"}), prompt("d", {**READ, "c": "${c.output}"})],
        {"out": "${b.output}", "a": "${a.output}", "c": "${c.output}", "d": "${d.output}"},
        {
            "b.py": "@tool\ndef b(it):\n    return [type(it).__name__, next(it), next(it), hasattr(it, 'close')]\n",
            "c.py": "@tool\ndef c(it, b):\n    return next(it)\n",
            "d.jinja2": "{% for x in it %}{{ x }}{% endfor %}",
        },
    ),
    read_by(
        "not-streamed",
        HI,
        [py("b", READ)],
        {"out": "${b.output}"},
        {"b.py": "@tool\ndef b(it):\n    return it\n"},
        stream="false",
    ),
    Flow(
        "stream-of-a-tool",
        document(
            [
                {
                    **prompt("a", {"connection": "azure", "deployment_name": "m", **FROM_TEXT, "stream": True}),
                    "type": "custom_llm",
                    "source": {"type": "package_with_prompt", "tool": "promptflow.tools.llm.llm", "path": "a.jinja2"},
                },
                py("b", READ),
            ],
            {"out": "${b.output}"},
            TEXT,
        ),
        {"a.jinja2": HEARD, "b.py": "@tool\ndef b(it):\n    return ''.join(it)\n"},
        HI,
    ),
]

CODE = [
    one(
        "raises-many-things",
        """
        from promptflow.exceptions import (
            ErrorTarget, PromptflowException, SystemErrorException, UserErrorException, ValidationException,
        )


        class Mine(UserErrorException):
            pass


        class Odd(PromptflowException):
            pass


        @tool
        def n(text: str):
            if text == "chain":
                try:
                    1 / 0
                except ZeroDivisionError as problem:
                    raise RuntimeError("outer") from problem
            if text == "key":
                return {}["missing"]
            if text == "os":
                open("/nowhere")
            assert text != "assert", "not this"
            raise {
                "user": UserErrorException("u"), "system": SystemErrorException("s"), "mine": Mine("m"),
                "odd": Odd("o"),
                "format": UserErrorException(message_format="{a} and {b}", a=1, b="x", target=ErrorTarget.TOOL),
                "validation": ValidationException("v"), "empty": ValueError(),
                "group": ExceptionGroup("g", [ValueError()]),
                "unicode": ValueError("é\\n\\u2028"), "args": ValueError("a", 1), "stop": StopIteration("over"),
            }[text]
        """,
        say(*({"text": kind} for kind in RAISED.split())),
    ),
    one(
        "returns-many-things",
        """
        import collections, dataclasses, datetime, decimal, enum, pathlib


        class IntColour(enum.IntEnum):
            RED = 1


        @dataclasses.dataclass
        class D:
            a: int
            b: list


        class T(dict):
            pass


        class Str(str):
            pass


        Point = collections.namedtuple("Point", "x y")


        @tool
        def n(text: str):
            return {
                "date": datetime.date(2024, 1, 2), "datetime": datetime.datetime(2024, 1, 2, 3, 4, 5),
                "decimal": decimal.Decimal("1.10"), "dataclass": D(1, [D(2, [])]), "dictclass": T(a=1),
                "namedtuple": Point(1, 2), "bytes": b"x", "path": pathlib.Path("x"), "strclass": Str("s"),
                "intenum": IntColour.RED, "nested": {"a": [D(1, []), (1, 2)]}, "tuplekeys": {(1, 2): 3},
                "frozenset": frozenset({1}), "big": 2**70, "negzero": -0.0, "small": 1e-7, "bigfloat": 1e22,
                "counter": collections.Counter("aab"), "ordered": collections.OrderedDict(b=1, a=2),
                "default": collections.defaultdict(list, a=[1]), "range": range(3), "complex": 1j,
                "generator": (c for c in "abc"), "map": map(str, [1, 2]), "deep": None, "exception": ValueError("x"),
                "type": int, "deque": collections.deque([1]), "true": True, "emptylist": [], "emptydict": {},
                "emptytext": "", "control": "\\x00\\x1f\\u2028", "html": "<b>&</b>",
            }[text]
        """,
        say(*({"text": kind} for kind in KINDS.split())),
    ),
    one(
        "bodies-of-text",
        "@tool\ndef n(text: str):\n    return [text, len(text)]\n",
        [
            *say({"text": "é😀\u2028"}, {"text": "\x00"}),
            *raw(b'{"text": "\\ud83d\\ude00"}', b'{"text": "\\ud800"}', '{"text": "é"}'.encode("utf-16")),
            *raw(b'\xef\xbb\xbf{"text": "bom"}', b'{"text": "a", "text": "b"}', b'{"text": NaN}', b'{"text": 1e400}'),
            *raw(b'{"text": 12345678901234567890123}', b' \n{"text":"x"}\n ', b'{"text": "x",}', b"{'text': 'x'}"),
            *raw(b'{"text": "x"} trailing'),
        ],
    ),
    one(
        "functions-of-tools",
        """
        from promptflow.connections import AzureOpenAIConnection, OpenAIConnection
        from promptflow.tools.aoai import AzureOpenAI
        from promptflow.tools.aoai import chat as azure_chat
        from promptflow.tools.aoai import completion as azure_completion
        from promptflow.tools.common import parse_chat, render_jinja_template
        from promptflow.tools.embedding import embedding
        from promptflow.tools.openai import chat, completion

        CHAT = "system:\\nbe {{ how }}\\nuser:\\n{{ text }}\\n"
        SAY = "say {{ text }}"


        @tool
        def n(azure: AzureOpenAIConnection, openai: OpenAIConnection, text: str):
            given = {"how": "kind", "text": text}
            return [
                azure_chat(azure, prompt=CHAT, deployment_name="m", max_tokens=5, **given),
                chat(openai, prompt=CHAT, model="m", temperature=0, **given),
                azure_completion(azure, prompt=SAY, deployment_name="m", text=text),
                completion(openai, prompt=SAY, model="m", text=text, max_tokens=3),
                AzureOpenAI(azure).chat(prompt=CHAT, deployment_name="m", **given),
                "".join(chat(openai, prompt=CHAT, model="m", stream=True, **given)),
                len(embedding(azure, input=text, deployment_name="m")) > 3,
                parse_chat("user:\\nhi\\nassistant:\\n" + text),
                render_jinja_template("{{ a }}{% for x in l %}{{ x }}{% endfor %}", a=1, l=[1, 2]),
            ]
        """,
        say({"text": "hello"}, {"text": "[[stub:401]]"}, {"text": "x\nuser:\ny"}),
        wires={"azure": "azure", "openai": "openai", **FROM_TEXT},
    ),
    Flow(
        "environment-of-every-kind",
        document(
            [py("n", {})],
            OUT,
            {},
            environment_variables={
                "PARITY_EA": "x",
                "PARITY_EB": 5,
                "PARITY_EC": True,
                "PARITY_ED": [1, {"a": None}],
                "PARITY_EE": "${custom.token}",
                "PARITY_EG": "${custom.gone}",
                "PARITY_EH": "a ${custom.token}",
                "PARITY_EI": None,
            },
        ),
        {
            "n.py": """
            import os


            @tool
            def n():
                names = sorted(name for name in os.environ if name.startswith("PARITY_E"))
                return {name: os.environ[name].split("127")[0] for name in names}
            """,
        },
        say({}),
    ),
    Flow(
        "prompt-of-every-kind",
        document(
            [
                prompt(
                    "n", {**{name: f"${{inputs.{name}}}" for name in TEXTS}, "lit": "5", "nul": None, "obj": {"a": [1]}}
                )
            ],
            OUT,
            TEXTS,
        ),
        {
            "n.jinja2": """
            {% set x = namespace(n=0) %}{% for one in l %}{% set x.n = x.n + 1 %}{{ one }};{% endfor %}{{ x.n }}
            {{ o.a.b }} {{ o['a'] }} {{ o.get('zz', 'none') }} {{ text | upper | e }} {{ text | tojson }}
            {{ lit + lit if lit is string else lit * 2 }} {{ nul }} {{ obj.a[0] }} {{ l | map('string') | join(',') }}
            {# comment #}{% raw %}{{ raw }}{% endraw %} {{ text is defined }} {{ gone is defined }} {{ gone }}
            {% if o %}yes{% elif l %}maybe{% else %}no{% endif %} {{ "%s-%s" % (1, 2) }} {{ (1, 2) }} {{ dict(a=1) }}
            """
        },
        say(
            {"text": "a<é>", "l": [1, "b", None], "o": {"a": {"b": 2}}},
            {"text": "", "l": [0], "o": "{}"},
            {"text": "x", "l": [], "o": {}},
        ),
    ),
    Flow(
        "nulls-of-every-kind",
        document(
            [
                prompt("p", {"a": None, "b": "", "c": "${inputs.text}"}),
                prompt("s", {"a": None, "b": "", "c": "${inputs.text}"}),
                llm("q", "openai", {"a": None, "b": "", "p": "${p.output}", "temperature": None, "max_tokens": ""}),
                py("r", {"a": None, "b": "", "q": "${q.output}"}),
            ],
            {"out": "${r.output}", "p": "${p.output}", "s": "${s.output}"},
            TEXT,
        ),
        {
            "p.jinja2": "[{{ a }}|{{ b }}|{{ c }}|{{ a is none }}|{{ b is defined }}]",
            "s.jinja2": "[{{ a }}|{{ b }}|{{ c }}]",
            "q.jinja2": "user:\n[{{ a }}|{{ b }}|{{ a is defined }}] {{ p }}\n",
            "r.py": "@tool\ndef r(q, a='A', b='B'):\n    return [a, b]\n",
        },
        say({"text": "hi"}, {"text": ""}),
    ),
    Flow(
        "null-in-the-place-of-an-image",
        document([prompt("n", {"picture": None, **FROM_TEXT})], OUT, TEXT),
        {"n.jinja2": "![image]({{ picture }}) {{ text }}"},
        refused=True,
    ),
    Flow(
        "names-of-every-kind",
        document(
            [
                py("node one", {"text": "${inputs.my-input}"}, "a.py"),
                py("Über", {"text": "${node one.output}"}, "a.py"),
                prompt("p.q", {"text": "${Über.output}"}),
            ],
            {"out put": "${Über.output}", "é": "${node one.output[0]}", "inputs": "${inputs.my-input}"},
            {"my-input": "string"},
        ),
        {"a.py": "@tool\ndef n(text):\n    return str(text)[:3]\n", "p.q.jinja2": "{{ text }}"},
        say({"my-input": "abcdef"}, {"my_input": "x"}),
    ),
    Flow(
        "generators-of-every-kind",
        document(
            [
                py("a", FROM_TEXT),
                py("b", {"it": "${a.output}"}),
                py("c", {"it": "${b.output}"}),
                py("d", {"it": "${c.output}", **FROM_TEXT}),
            ],
            {"out": "${d.output}", "b": "${b.output}"},
            TEXT,
        ),
        {
            "a.py": "@tool\nasync def a(text: str):\n    async def items():\n        for c in text:\n"
            "            yield c\n    return items()\n",
            "b.py": "@tool\nasync def b(it):\n    return [c async for c in it]\n",
            "c.py": "@tool\ndef c(it):\n    return (x * 2 for x in it)\n",
            "d.py": "@tool\ndef d(it, text):\n    return [list(it), text]\n",
        },
        say({"text": "abc"}, {"text": ""}),
    ),
    one(
        "decorated",
        """
        import functools

        from promptflow.tracing import trace


        def twice(function):
            @functools.wraps(function)
            def inner(*args, **kwargs):
                return [function(*args, **kwargs), function(*args, **kwargs)]
            return inner


        @tool
        @twice
        def n(text: str, k: int = 1):
            return helper(text) * k


        @trace
        def helper(text):
            return text[:1]
        """,
        say({"text": "ab"}),
        wires={**FROM_TEXT, "k": 3},
    ),
]

DETAILS = [*READERS, *CODE]
