"""Every mistake of an author, as the text he gets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pfserve import compat

if TYPE_CHECKING:
    from conftest import Flows

HEAD = """inputs:
  text: {type: string}
outputs:
  out: {type: string, reference: "${a.output}"}
nodes:
"""
NODE = """- name: a
  type: python
  source: {type: code, path: a.py}
  inputs:
    text: ${inputs.text}
"""
GOOD = "from house import tool\n\n@tool\ndef a(text: str):\n    return text\n"
ONE = "Please make sure you have one and only one tool definition in your script."

FLOW_MISTAKES = {
    "duplicate node": (
        HEAD + NODE + NODE,
        "flow.dag.yaml:11: Node with name 'a' appears more than once, first on line 6; "
        "give every node a name of its own",
    ),
    "unknown flow input": (
        HEAD + NODE.replace("inputs.text", "inputs.txt"),
        "flow.dag.yaml:10: Node 'a' references flow input 'txt' which is not defined; did you mean 'text'?",
    ),
    "unknown node": (
        HEAD + NODE.replace("inputs.text", "aa.output"),
        "flow.dag.yaml:10: Node 'a' references a non-existent node 'aa'; did you mean 'a'?",
    ),
    "unknown node, nothing near": (
        HEAD + NODE.replace("inputs.text", "zzz.output"),
        "flow.dag.yaml:10: Node 'a' references a non-existent node 'zzz'",
    ),
    "unknown node in an output": (
        HEAD.replace("${a.output}", "${b.output}") + NODE,
        "flow.dag.yaml:4: The output 'out' references a non-existent node 'b'",
    ),
    "unknown input in an output": (
        HEAD.replace("${a.output}", "${inputs.tex}") + NODE,
        "flow.dag.yaml:4: The output 'out' references flow input 'tex' which is not defined; did you mean 'text'?",
    ),
    "empty output": (
        HEAD.replace('"${a.output}"', '""') + NODE,
        "flow.dag.yaml:4: The output 'out' has no 'reference'",
    ),
    "section": (
        HEAD + NODE + NODE.replace("name: a", "name: b").replace("inputs.text", "a.outputs.x"),
        "flow.dag.yaml:15: The section 'outputs' of reference is currently unsupported. "
        "Please specify the output part of the node 'a': ${a.output.x}.",
    ),
    "an index without its dot": (
        HEAD + NODE + NODE.replace("name: a", "name: b").replace("inputs.text", "a.output['x'].y"),
        "flow.dag.yaml:15: The section 'output['x']' of reference is currently unsupported. "
        "Please specify the output part of the node 'a': ${a.output.['x'].y}.",
    ),
    "circle of one": (
        HEAD + NODE.replace("inputs.text", "a.output"),
        "flow.dag.yaml:6: Node circular dependency has been detected among the nodes in your flow: "
        "a -> a (each needs the one behind the arrow)",
    ),
    "circle of two, and a node behind it": (
        HEAD
        + NODE.replace("inputs.text", "b.output")
        + NODE.replace("name: a", "name: b").replace("inputs.text", "a.output")
        + NODE.replace("name: a", "name: c").replace("inputs.text", "b.output"),
        "flow.dag.yaml:6: Node circular dependency has been detected among the nodes in your flow: "
        "a -> b -> a (each needs the one behind the arrow)",
    ),
    "unknown input type": (
        HEAD.replace("{type: string}", "{type: strng}") + NODE,
        "flow.dag.yaml:2: input 'text' has the unknown type 'strng'; did you mean 'string'?",
    ),
    "no input type": (
        HEAD.replace("{type: string}", "{default: x}") + NODE,
        "flow.dag.yaml:2: input 'text' has no 'type'",
    ),
    "unknown output type": (
        HEAD.replace("{type: string, ref", "{type: lst, ref") + NODE,
        "flow.dag.yaml:4: output 'out' has the unknown type 'lst'; did you mean 'list'?",
    ),
    "no node type": (
        HEAD + NODE.replace("  type: python\n", ""),
        "flow.dag.yaml:6: node 'a' has no 'type'",
    ),
    "unknown node type": (
        HEAD + NODE.replace("type: python", "type: pyton"),
        "flow.dag.yaml:7: node 'a' has the unknown type 'pyton'; did you mean 'python'?",
    ),
    "custom_llm node": (
        HEAD + NODE.replace("type: python", "type: custom_llm"),
        "flow.dag.yaml:8: node 'a': Tool source type code for custom_llm tool is not supported yet.",
    ),
    "csharp node": (
        HEAD + NODE.replace("type: python", "type: csharp"),
        "flow.dag.yaml:7: node 'a' is of type csharp, which cannot be served",
    ),
    "package tool": (
        HEAD + NODE.replace("type: code, path: a.py", "type: package, tool: x.y"),
        "flow.dag.yaml:8: node 'a': Package tool 'x.y' is not found in the current environment. "
        "All available package tools are: [].",
    ),
    "aggregation of a package that is not there": (
        HEAD + NODE + "- {name: c, type: python, aggregation: true, source: {type: package, tool: x.y}}\n",
        "flow.dag.yaml:11: node 'c': Package tool 'x.y' is not found in the current environment. "
        "All available package tools are: [].",
    ),
    "unknown source type": (
        HEAD + NODE.replace("type: code", "type: coed"),
        "flow.dag.yaml:8: node 'a' has the unknown source type 'coed'; did you mean 'code'?",
    ),
    "no default variant": (
        HEAD + NODE.replace("type: python", "use_variants: true"),
        "flow.dag.yaml:6: node 'a' uses variants, but 'node_variants' has no default variant for it",
    ),
    "no source": (
        HEAD + NODE.replace("  source: {type: code, path: a.py}\n", ""),
        "flow.dag.yaml:6: Node a does not have source defined",
    ),
    "no such python file": (
        HEAD + NODE.replace("a.py", "b.py"),
        "flow.dag.yaml:8: Load tool failed for node 'a'. Tool file 'b.py' can not be found.",
    ),
    "no such template": (
        HEAD + NODE.replace("a.py", "b.jinja2").replace("type: python", "type: prompt"),
        "flow.dag.yaml:8: Node source path 'b.jinja2' is invalid on node 'a'.",
    ),
    "half an activate": (
        HEAD + NODE + "  activate: {when: '${inputs.text}'}\n",
        "flow.dag.yaml:11: The definition of activate config for node a is incorrect: it needs both 'when' and 'is'",
    ),
    "an aggregation that waits for a node": (
        HEAD
        + NODE
        + NODE.replace("name: a", "name: b").replace(
            "type: python", "type: python\n  aggregation: true\n  activate: {when: '${a.output}', is: 1}"
        ),
        "flow.dag.yaml:14: The 'activate' of node 'b', an aggregation, references 'a', which is none",
    ),
    "an aggregation is read": (
        HEAD
        + NODE.replace("inputs.text", "b.output")
        + NODE.replace("name: a", "name: b").replace("type: python", "type: python\n  aggregation: true"),
        "flow.dag.yaml:10: Node 'a' references the aggregation node 'b', which is never run here",
    ),
    "language": (
        "language: csharp\n" + HEAD + NODE,
        "flow.dag.yaml:1: Only python flows are allowed to be loaded with promptflow-core but got a csharp flow",
    ),
    "message format": (
        "message_format: x\n" + HEAD + NODE,
        "flow.dag.yaml:1: Invalid message format 'x'. Supported message formats are ['basic', 'openai-vision'].",
    ),
}


@pytest.mark.parametrize("name", FLOW_MISTAKES)
def test_a_mistake_in_the_flow_file(flows: Flows, name: str) -> None:
    text, expected = FLOW_MISTAKES[name]
    assert flows.mistakes({"flow.dag.yaml": text, "a.py": GOOD}) == [expected]


PYTHON_MISTAKES = {
    "no tool": ("x = 1\n", f"a.py: No tool found in the python script. {ONE}"),
    "imported tools do not count": ("from other import a\n", f"a.py: No tool found in the python script. {ONE}"),
    "two tools": (
        GOOD + "@tool\ndef b():\n    pass\n",
        f"a.py: Expected 1 but collected 2 tools: a, b. {ONE}",
    ),
    "a class": (
        "from house import tool\n\nclass C:\n    @tool\n    def m(self):\n        pass\n",
        f"a.py: No tool found in the python script. {ONE} "
        "(The class 'C' has one, but it does not derive from ToolProvider.)",
    ),
    "syntax": ("x = 1\ndef (:\n", "a.py:2: SyntaxError: invalid syntax"),
    "indentation": ("def a():\nreturn 1\n", "a.py:2: IndentationError: expected an indented block"),
    "raises": ("\n\nraise ValueError('boom')\n", "a.py:3: fails on import: ValueError: boom"),
    "raises in a helper": ("import bad\n", "bad.py:2: fails on import: KeyError: 'x'"),
    "raises in a library": (
        "import json\n\njson.loads('{')\n",
        "a.py:3: fails on import: JSONDecodeError: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ),
    "syntax of a helper": ("import wrong\n", "wrong.py:3: fails on import: SyntaxError: "),
    "missing package": (
        "import not_there\n",
        "a.py:1: fails on import: ModuleNotFoundError: No module named 'not_there'",
    ),
    "exits": (
        "import sys\nsys.exit(3)\n",
        "a.py:2: calls sys.exit on import (exit code 3); a server cannot import it",
    ),
    "no signature": (
        GOOD + "a.__signature__ = 5\n",
        "a.py: the tool 'a' has no readable signature: unexpected object 5 in __signature__ attribute",
    ),
    "an exception that is none": (
        "class Odd(BaseException):\n    pass\nraise Odd()\n",
        "a.py:3: fails on import: Odd",
    ),
}


@pytest.mark.parametrize("name", PYTHON_MISTAKES)
def test_a_mistake_in_a_python_file(flows: Flows, name: str) -> None:
    text, expected = PYTHON_MISTAKES[name]
    files = {
        "flow.dag.yaml": HEAD + NODE,
        "a.py": text,
        "other.py": GOOD,
        "bad.py": "\n{}['x']\n",
        "wrong.py": "\n\n(:",
    }
    [found] = flows.mistakes(files)
    assert found.startswith(expected)


def test_the_place_of_a_helpers_mistake_does_not_depend_on_the_folder(flows: Flows) -> None:
    files = {"f/flow.dag.yaml": HEAD + NODE, "f/a.py": "from sub import bad\n", "f/sub/bad.py": "1 / 0\n"}
    flows.write(files)
    flows.folder = flows.folder / "f"
    assert flows.mistakes({}) == ["f/sub/bad.py:1: fails on import: ZeroDivisionError: division by zero"]


def test_an_interrupt_on_import_is_not_swallowed(flows: Flows) -> None:
    with pytest.raises(KeyboardInterrupt):
        flows.compile({"flow.dag.yaml": HEAD + NODE, "a.py": "raise KeyboardInterrupt\n"})


TEMPLATE_MISTAKES = {
    "syntax": (
        "one\n{{ text\n",
        "a.jinja2:2: Jinja parsing failed: (TemplateSyntaxError) "
        "unexpected end of template, expected 'end of print statement'.",
    ),
    "unknown filter": (
        "one\n\n{{ text|nope }}\n",
        "a.jinja2:3: Jinja parsing failed: (TemplateAssertionError) No filter named 'nope'.",
    ),
    "reserved name": (
        "{{ template }}",
        "a.jinja2: Invalid inputs {'template'} in prompt template of node a. "
        "These inputs are duplicated with the reserved parameters of prompt tool.",
    ),
}


@pytest.mark.parametrize("name", TEMPLATE_MISTAKES)
def test_a_mistake_in_a_template(flows: Flows, name: str) -> None:
    text, expected = TEMPLATE_MISTAKES[name]
    node = NODE.replace("type: python", "type: prompt").replace("a.py", "a.jinja2")
    assert flows.mistakes({"flow.dag.yaml": HEAD + node, "a.jinja2": text}) == [expected]


LITERAL_MISTAKES = {
    "int": ("text: int", "abc", "Input 'text' for node 'a' of value 'abc' is not type int."),
    "bool": ("text: bool", "1", "Input 'text' for node 'a' of value '1' is not type bool."),
    "list": ("text: list", "abc", "Input 'text' for node 'a' of value 'abc' is not type list."),
    "type of the default": ("text=1.5", "abc", "Input 'text' for node 'a' of value 'abc' is not type double."),
    "connection": (
        "text: OpenAIConnection",
        "conn",
        "Get connection 'conn' for node 'a' error: connection 'conn' is not given (given: none); give --connections "
        "PATH or PFSERVE_CONNECTIONS, a YAML or JSON file or a folder of them that has it, or use another with "
        "--connection 'conn=OTHER' or the environment variable conn=OTHER, or set conn to the connection's JSON as "
        "Azure gives it, or put it into PROMPTFLOW_ENCODED_CONNECTIONS",
    ),
    "assistant": (
        "text: AssistantDefinition",
        "a.yaml",
        "Input 'text' for node 'a' of value 'a.yaml' is not a valid path.",
    ),
}


@pytest.mark.parametrize("name", LITERAL_MISTAKES)
def test_a_literal_that_does_not_fit(flows: Flows, name: str) -> None:
    parameter, literal, expected = LITERAL_MISTAKES[name]
    head = "from house import tool\nclass OpenAIConnection: pass\nclass AssistantDefinition: pass\n"
    code = f"{head}@tool\ndef a({parameter}):\n    pass\n"
    node = NODE.replace("${inputs.text}", literal)
    assert flows.mistakes({"flow.dag.yaml": HEAD + node, "a.py": code}) == [f"flow.dag.yaml:10: {expected}"]


def test_all_mistakes_are_told_at_once(flows: Flows) -> None:
    text = (
        HEAD.replace("{type: string}", "{}")
        + NODE.replace("inputs.text", "inputs.nothing")
        + NODE.replace("name: a", "name: b").replace("a.py", "missing.py")
        + NODE.replace("name: a", "name: c").replace("type: python", "type: llm")
        + "- 5\n"
        + NODE.replace("name: a", "name: d").replace("a.py", "d.py")
    )
    assert flows.mistakes({"flow.dag.yaml": text, "a.py": GOOD, "d.py": "1/0"}) == [
        "d.py:1: fails on import: ZeroDivisionError: division by zero",
        "flow.dag.yaml:2: input 'text' has no 'type'",
        "flow.dag.yaml:10: Node 'a' references flow input 'nothing' which is not defined",
        "flow.dag.yaml:13: Load tool failed for node 'b'. Tool file 'missing.py' can not be found.",
        "flow.dag.yaml:16: node 'c' has no 'connection'",
        "flow.dag.yaml:21: a node must be a mapping",
    ]


WARNINGS = {
    "a parameter is not given": (
        HEAD + NODE,
        GOOD.replace("text: str", "text, need, more=1"),
        ["flow.dag.yaml:6: node 'a' does not give 'need', which a() requires"],
    ),
    "an empty literal is not given": (
        HEAD + NODE.replace("${inputs.text}", "''"),
        GOOD,
        ["flow.dag.yaml:6: node 'a' does not give 'text', which a() requires"],
    ),
    "an input is not taken": (
        HEAD + NODE + "    texd: 1\n",
        GOOD,
        ["flow.dag.yaml:11: node 'a' gives 'texd', which a() does not take; did you mean 'text'?"],
    ),
    "anything is taken": (HEAD + NODE + "    extra: 1\n", GOOD.replace("text: str", "**rest"), []),
    "positional-only": (
        HEAD + NODE,
        GOOD.replace("text: str", "text, /"),
        [
            "flow.dag.yaml:6: node 'a' cannot give the positional-only parameters of a()",
            "flow.dag.yaml:10: node 'a' gives 'text', which a() does not take",
        ],
    ),
    "a default that does not fit": (
        HEAD.replace("{type: string}", "{type: string}\n  n: {type: int, default: ''}") + NODE,
        GOOD,
        [
            "flow.dag.yaml:3: The input for flow is incorrect. The value for flow input 'n' does not match the "
            "expected type 'int'. Please change flow input type or adjust the input value in your input data. "
            "(Its default cannot be used: clients have to give it.)"
        ],
    ),
    "an odd path": (
        HEAD.replace("a.output", "a.output.b-c") + NODE,
        GOOD,
        [
            "flow.dag.yaml:4: '-' in the property path of ${a.output.b-c} means nothing and is skipped; "
            "write ['key'] or [0] for keys and indexes"
        ],
    ),
    "an output's section": (
        HEAD.replace("a.output", "a.foo") + NODE,
        GOOD,
        ["flow.dag.yaml:4: 'foo' in the reference of the output 'out' is read as 'output'; write: ${a.output}"],
    ),
    "an activate that is always met": (
        HEAD + NODE + "  activate: {when: x, is: x}\n",
        GOOD,
        [
            "flow.dag.yaml:11: the 'activate' of node 'a' compares two literals: the node always runs; "
            "a reference (${…}) for 'when' is usual"
        ],
    ),
    "an aggregation's output": (
        HEAD.replace("a.output", "b.output")
        + NODE
        + NODE.replace("name: a", "name: b").replace("type: python", "type: python\n  aggregation: true"),
        GOOD,
        [
            "flow.dag.yaml:4: the output 'out' comes from the aggregation node 'b', which is never run here: "
            "it is left out of responses"
        ],
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning(flows: Flows, name: str) -> None:
    text, code, expected = WARNINGS[name]
    assert flows.compile({"flow.dag.yaml": text, "a.py": code}).warnings == tuple(expected)


def test_an_output_to_include_that_does_not_exist_is_warned_of(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": HEAD + NODE, "a.py": GOOD}, included_outputs=("ou",))
    assert plan.warnings == ("flow.dag.yaml: there is no output 'ou' to include; did you mean 'out'?",)
    assert plan.outputs == ()


MISSPELLED = {
    "a node's": (NODE + "  activat: {when: x}\n", "node 'a' has the unknown key 'activat'", "activate", 11),
    "an input's": (NODE, "input 'text' has the unknown key 'defalt'", "default", 2),
}


@pytest.mark.parametrize("name", MISSPELLED)
def test_a_misspelled_key_is_warned_of(flows: Flows, name: str) -> None:
    node, what, meant, line = MISSPELLED[name]
    head = HEAD.replace("{type: string}", "{type: string, defalt: x}") if "defalt" in what else HEAD
    plan = flows.compile({"flow.dag.yaml": head + node, "a.py": GOOD})
    assert plan.warnings == (f"flow.dag.yaml:{line}: {what}, which is ignored; did you mean '{meant}'?",)


def test_keys_without_a_meaning_are_taken(flows: Flows) -> None:
    legacy = "  tool: a.py\n  provider: x\n  comment: c\n  enable_cache: true\n  odd: 1\n"
    legacy += "  skip: {when: x, is: y, return: z}\n"
    assert flows.compile({"flow.dag.yaml": HEAD + NODE + legacy, "a.py": GOOD}).warnings == ()


def test_a_nodes_module_is_imported_at_start(flows: Flows) -> None:
    node = NODE + "  module: aside\n"
    files = {"flow.dag.yaml": HEAD + node, "a.py": GOOD}
    assert flows.mistakes(files) == [
        "flow.dag.yaml:11: Failed to import modules with error: Import node 'a' provider module 'aside' failed. "
        "Root cause: ModuleNotFoundError(\"No module named 'aside'\")."
    ]
    flows.compile({"aside.py": "import os\nSEEN = os.getcwd()\n"})


def test_a_nodes_module_may_be_one_of_promptflows(flows: Flows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    compat.install()
    known = HEAD + NODE + "  module: promptflow.tools.openai\n"
    flows.compile({"flow.dag.yaml": known, "a.py": GOOD})
    [unknown] = flows.mistakes({"flow.dag.yaml": known.replace("openai", "aoai.11")})
    assert "provider module 'promptflow.tools.aoai.11' failed" in unknown
