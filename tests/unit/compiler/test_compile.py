"""What a plan holds: slots, bindings, functions, module objects."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pfserve.compiler import compile_flow
from pfserve.errors import UserError
from pfserve.flow import read_flow
from pfserve.plan import Access, AccessKind, Guard, Lane, Plan, Reference, StepKind, diagram, explain

if TYPE_CHECKING:
    from conftest import Flows

TOOL = "from house import tool\n\n"


def flow(
    nodes: str, inputs: str = "text: {type: string}", outputs: str = "out: {type: string, reference: '${a.output}'}"
) -> str:
    return f"inputs:\n  {inputs}\noutputs:\n  {outputs}\nnodes:\n{nodes}"


def node(name: str, inputs: str, path: str = "a.py", more: str = "type: python") -> str:
    return f"- {{name: {name}, {more}, source: {{type: code, path: {path}}}, inputs: {{{inputs}}}}}\n"


def run(plan: Plan, **inputs: object) -> dict[str, object]:
    """The plan walked by hand: sync steps without property paths."""
    frame = plan.new_frame()
    for slot, spec in enumerate(plan.inputs):
        if spec.name in inputs:
            frame[slot] = spec.convert(inputs[spec.name])
    for step in plan.steps:
        frame[step.result] = step.function(**{one.name: frame[one.value.slot] for one in step.arguments})
    return {one.name: frame[one.reference.slot] if one.reference else one.literal for one in plan.outputs}


def test_inputs_literals_and_results_have_slots_in_this_order(flows: Flows) -> None:
    plan = flows.compile(
        {
            "flow.dag.yaml": flow(
                node("a", "x: '${inputs.text}', n: 3") + node("b", "x: '${a.output}', n: 4"),
                inputs="text: {type: string, default: d}\n  k: {type: int}",
            ),
            "a.py": TOOL + "@tool\ndef a(x, n):\n    return f'{x}{n}'\n",
        }
    )
    assert plan.new_frame() == ["d", None, 3, 4, None, None]
    first, second = plan.steps
    assert [(one.name, one.value.slot, one.value.text) for one in first.arguments] == [
        ("x", 0, "inputs.text"),
        ("n", 2, "3"),
    ]
    assert [(one.name, one.value.slot, one.value.text) for one in second.arguments] == [
        ("x", 4, "a.output"),
        ("n", 3, "4"),
    ]
    assert (first.result, second.result, second.needs) == (4, 5, (0,))
    assert [(spec.name, spec.required, spec.default) for spec in plan.inputs] == [
        ("text", False, "d"),
        ("k", True, None),
    ]
    assert run(plan, k=1) == {"out": "d3"}


def test_equal_literals_have_slots_of_their_own(flows: Flows) -> None:
    code = TOOL + "@tool\ndef a(x: list, y: list):\n    return x is y\n"
    plan = flows.compile({"flow.dag.yaml": flow(node("a", "x: [1], y: [1]")), "a.py": code})
    assert plan.literals == ([1], [1])
    assert run(plan) == {"out": False}


def test_a_property_path_is_part_of_the_reference(flows: Flows) -> None:
    text = flow(node("a", "x: '${inputs.text}'"), outputs="out: {type: string, reference: \"${a.output.k['v w'][1]}\"}")
    plan = flows.compile({"flow.dag.yaml": text, "a.py": TOOL + "@tool\ndef a(x):\n    return x\n"})
    path = (Access(AccessKind.NAME, "k"), Access(AccessKind.ITEM, "v w"), Access(AccessKind.ITEM, 1))
    assert plan.outputs[0].reference == Reference(1, path, "a", "a.output.k['v w'][1]", "k['v w'][1]")


def test_nodes_are_put_into_dependency_order_and_otherwise_stay(flows: Flows) -> None:
    nodes = node("c", "x: '${b.output}'") + node("z", "x: 1") + node("b", "x: '${a.output}'") + node("a", "x: 2")
    plan = flows.compile({"flow.dag.yaml": flow(nodes), "a.py": TOOL + "@tool\ndef a(x):\n    return x\n"})
    assert [step.name for step in plan.steps] == ["z", "a", "b", "c"]
    assert [step.source for step in plan.steps] == [f"flow.dag.yaml:{line}" for line in (7, 9, 8, 6)]


def test_lanes_follow_from_the_functions(flows: Flows) -> None:
    nodes = node("a", "x: 1") + node("b", "x: 1", "b.py") + node("p", "x: 1", "p.jinja2", "type: prompt")
    files = {
        "flow.dag.yaml": flow(nodes),
        "a.py": TOOL + "@tool\ndef a(x):\n    return x\n",
        "b.py": TOOL + "@tool\nasync def b(x):\n    return x\n",
        "p.jinja2": "{{x}}",
    }
    plan = flows.compile(files)
    assert [(step.kind, step.is_async, step.lane) for step in plan.steps] == [
        (StepKind.PYTHON, False, Lane.THREAD),
        (StepKind.PYTHON, True, Lane.LOOP),
        (StepKind.PROMPT, False, None),
    ]
    assert plan.width == 1


def test_a_step_calls_the_authors_function_itself(flows: Flows) -> None:
    code = TOOL + "KEPT = []\n@tool\ndef a(x):\n    return x\nKEPT.append(a)\n"
    plan = flows.compile({"flow.dag.yaml": flow(node("a", "x: 1")), "a.py": code})
    function = plan.steps[0].function
    assert function.__globals__["KEPT"] == [function]  # type: ignore[attr-defined]


def test_decorators_above_and_below_tool_stay(flows: Flows) -> None:
    code = (
        "import functools\nfrom house import tool\n"
        "def twice(f):\n    @functools.wraps(f)\n    def g(**k):\n        return f(**k) * 2\n    return g\n"
        "@twice\n@tool\n@twice\ndef a(x: int):\n    return x\n"
    )
    assert run(flows.compile({"flow.dag.yaml": flow(node("a", "x: '3'")), "a.py": code})) == {"out": 12}


def test_two_nodes_of_one_file_do_not_share_a_module(flows: Flows) -> None:
    code = TOOL + "count = 0\n@tool\ndef a(x):\n    global count\n    count += 1\n    return count\n"
    nodes = node("a", "x: 1") + node("b", "x: 1")
    plan = flows.compile({"flow.dag.yaml": flow(nodes), "a.py": code})
    first, second = (step.function for step in plan.steps)
    assert (first(x=1), first(x=1), second(x=1)) == (1, 2, 1)


def test_user_code_sees_its_file_folder_and_name(flows: Flows, tmp_path: Path) -> None:
    code = (
        TOOL
        + "import os, sys, helper\nSEEN = (__name__, __file__, os.getcwd(), sys.path[0], __name__ in sys.modules)\n"
        "@tool\ndef a(x):\n    return SEEN\n"
    )
    flows.folder = tmp_path / "f"
    plan = flows.compile({"flow.dag.yaml": flow(node("a", "x: 1")), "a.py": code, "helper.py": ""})
    folder = str(tmp_path / "f")
    assert run(plan) == {"out": ("__pf_main__", f"{folder}/a.py", folder, folder, False)}
    assert Path.cwd() == tmp_path
    assert sys.path[0] == folder
    assert not list(tmp_path.rglob("*.pyc"))


def test_a_tool_may_be_imported_under_a_second_name(flows: Flows) -> None:
    code = TOOL + "from other import b\n@tool\ndef a(x):\n    return b(x)\nalias = a\n"
    files = {
        "flow.dag.yaml": flow(node("a", "x: 1")),
        "a.py": code,
        "other.py": TOOL + "@tool\ndef b(x):\n    return -x\n",
    }
    assert run(flows.compile(files)) == {"out": -1}


def test_odd_objects_in_a_module_do_no_harm(flows: Flows) -> None:
    code = TOOL + (
        "class Odd:\n    def __getattribute__(self, name):\n        raise RuntimeError(name)\nodd = Odd()\n"
        "@tool\ndef a(x):\n    return x\n"
    )
    assert run(flows.compile({"flow.dag.yaml": flow(node("a", "x: 1")), "a.py": code})) == {"out": 1}


LITERALS = {
    # parameter: (YAML, what the function gets)
    "x: str": ("'123'", "123"),
    "x: int": ("'123'", 123),
    "x: float": ("'1.5'", 1.5),
    "x: bool": ("'TRUE'", True),
    "x: list": ("'[1]'", [1]),
    "x: dict": ("'{\"a\": 1}'", {"a": 1}),
    "x": ("'123'", 123),
    "x='d'": ("'123'", "123"),
    "x=1": ("'7'", 7),
    "x: 'str'": ("'123'", 123),  # a text is no annotation to promptflow
    "x: Optional[int] = None": ("'7'", 7),
    "x: str | None = None": ("'true'", True),  # nor is this union
    "x: Color = Color.RED": ("red", "red"),
    "x: Secret": ("'123'", "123"),
    "**x": ("'123'", {"x": "123"}),
}


CLASSES = """
from enum import Enum
from typing import Optional

class Color(str, Enum):
    RED = 'red'

class Secret(str):
    pass

"""


@pytest.mark.parametrize("parameter", LITERALS)
def test_a_literal_is_converted_by_the_annotation(flows: Flows, parameter: str) -> None:
    yaml, expected = LITERALS[parameter]
    code = TOOL + CLASSES + f"@tool\ndef a({parameter}):\n    return x\n"
    assert run(flows.compile({"flow.dag.yaml": flow(node("a", f"x: {yaml}")), "a.py": code})) == {"out": expected}


@pytest.mark.parametrize("empty", ["", "''", "null", "~"])
def test_an_empty_literal_leaves_the_parameter_its_default(flows: Flows, empty: str) -> None:
    code = TOOL + "@tool\ndef a(x: str = 'default'):\n    return x\n"
    assert run(flows.compile({"flow.dag.yaml": flow(node("a", f"x: {empty}")), "a.py": code})) == {"out": "default"}


def test_a_prompts_literals_stay_as_they_are(flows: Flows) -> None:
    nodes = node("a", "n: '12', l: [1], b: true, e: '', z: null", "a.jinja2", "type: prompt")
    plan = flows.compile({"flow.dag.yaml": flow(nodes), "a.jinja2": "{{n + 'x'}} {{l}} {{b}} [{{e}}{{z}}]\n"})
    assert run(plan) == {"out": "12x [1] True [None]\n"}


def test_references_are_not_converted(flows: Flows) -> None:
    code = TOOL + "@tool\ndef a(x: int):\n    return x\n"
    assert run(flows.compile({"flow.dag.yaml": flow(node("a", "x: '${inputs.text}'")), "a.py": code}), text="7") == {
        "out": "7"
    }


def test_a_parameter_that_nothing_gives_fails_when_it_is_called(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": flow(node("a", "")), "a.py": TOOL + "@tool\ndef n(need):\n    pass\n"})
    with pytest.raises(TypeError, match=r"^n\(\) missing 1 required positional argument: 'need'$"):
        run(plan)


def test_optional_arguments_are_those_of_parameters_with_a_default(flows: Flows) -> None:
    code = TOOL + "@tool\ndef a(x, y=1, **rest):\n    return x\n"
    plan = flows.compile({"flow.dag.yaml": flow(node("a", "x: 1, y: 2, z: 3")), "a.py": code})
    assert [(one.name, one.optional) for one in plan.steps[0].arguments] == [("x", False), ("y", True), ("z", False)]


def test_activate_becomes_a_guard_and_a_need(flows: Flows) -> None:
    guarded = "type: python, activate: {when: '${a.output.k}', is: 1}"
    nodes = node("a", "x: 1") + node("b", "x: 1", more=guarded)
    plan = flows.compile({"flow.dag.yaml": flow(nodes), "a.py": TOOL + "@tool\ndef a(x):\n    return x\n"})
    assert plan.steps[1].guard == Guard(Reference(3, (Access(AccessKind.NAME, "k"),), "a", "a.output.k", "k"), 1)
    assert plan.steps[1].needs == (0,)


def test_an_activate_of_literals_compares_a_slot_of_its_own(flows: Flows) -> None:
    guarded = "type: python, activate: {when: x, is: y}"
    files = {"flow.dag.yaml": flow(node("a", "x: 1", more=guarded)), "a.py": TOOL + "@tool\ndef a(x):\n    return x\n"}
    plan = flows.compile(files)
    assert plan.literals == (1, "x")
    assert plan.steps[0].guard == Guard(Reference(2, (), "", "'x'"), "y")
    assert explain(plan).count("only if 'x' == 'y'") == 1
    assert "if" not in diagram(plan)


def test_an_aggregation_is_loaded_but_no_step(flows: Flows) -> None:
    nodes = node("a", "x: 1") + node("all", "x: '${a.output}'", "all.py", "type: python, aggregation: true")
    files = {"flow.dag.yaml": flow(nodes), "a.py": TOOL + "@tool\ndef a(x):\n    return x\n", "all.py": "1 / 0\n"}
    assert flows.mistakes(files) == ["all.py:1: fails on import: ZeroDivisionError: division by zero"]
    plan = flows.compile({"all.py": files["a.py"]})
    assert [step.name for step in plan.steps] == ["a"]


def test_the_default_variant_takes_the_nodes_place(flows: Flows) -> None:
    variants = (
        "node_variants:\n  a:\n    default_variant_id: two\n    variants:\n"
        "      one: {node: {type: python, source: {type: code, path: a.py}, inputs: {x: 1}}}\n"
        "      two: {node: {type: python, source: {type: code, path: a.py}, inputs: {x: 2}}}\n"
    )
    text = flow("- {name: a, use_variants: true}\n") + variants
    assert run(flows.compile({"flow.dag.yaml": text, "a.py": TOOL + "@tool\ndef a(x):\n    return x\n"})) == {"out": 2}


OUTPUTS = (
    "one: {type: string, reference: '${a.output}'}\n  two: {type: string, reference: '${inputs.text}'}\n"
    "  three: {type: int, reference: 5}\n  four: {type: string, reference: '${a.output}', evaluation_only: true}"
)


def test_outputs_are_references_or_literals(flows: Flows) -> None:
    files = {
        "flow.dag.yaml": flow(node("a", "x: 1"), outputs=OUTPUTS),
        "a.py": TOOL + "@tool\ndef a(x):\n    return x\n",
    }
    assert run(flows.compile(files), text="t") == {"one": 1, "two": "t", "three": 5}
    assert run(flows.compile(files, included_outputs=("four", "two")), text="t") == {"two": "t", "four": 1}


def test_a_bad_default_refuses_the_request_that_needs_it(flows: Flows) -> None:
    text = flow(node("a", "x: 1"), inputs="text: {type: int, default: ''}")
    plan = flows.compile({"flow.dag.yaml": text, "a.py": TOOL + "@tool\ndef a(x):\n    return x\n"})
    assert not plan.inputs[0].required
    with pytest.raises(UserError) as refused:
        plan.inputs[0].convert("")
    assert plan.inputs[0].refusal == refused.value.message


def test_the_fingerprint_is_that_of_the_files(flows: Flows, tmp_path: Path) -> None:
    files = {"flow.dag.yaml": flow(node("a", "x: 1")), "a.py": TOOL + "@tool\ndef a(x):\n    return x\n"}
    first = flows.compile(files).fingerprint
    flows.folder = tmp_path / "copy"
    assert flows.compile(files).fingerprint == first
    assert flows.compile(files | {"a.py": files["a.py"] + "\n"}).fingerprint != first


def test_the_sandbox_can_be_turned_off(flows: Flows) -> None:
    files = {
        "flow.dag.yaml": flow(node("a", "x: 1", "a.jinja2", "type: prompt")),
        "a.jinja2": "{{ x.__class__.__name__ }}",
    }
    assert run(flows.compile(files, jinja_sandbox=False)) == {"out": "int"}
    with pytest.raises(UserError, match="SecurityError"):
        run(flows.compile(files))


def test_a_flow_without_anything_is_a_plan(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": "inputs: {}\nnodes: []\n"})
    assert (plan.steps, plan.chains, plan.width, run(plan)) == ((), (), 0, {})


EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(("example", "lane"), [("sync-echo", Lane.THREAD), ("async-echo", Lane.LOOP)])
def test_the_echo_examples_are_one_chain(example: str, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "promptflow", ModuleType("promptflow"))
    monkeypatch.setitem(sys.modules, "promptflow.core", sys.modules["house"])
    plan = compile_flow(read_flow(EXAMPLES / example))
    assert [(chain.lane, len(chain.steps)) for chain in plan.chains] == [(lane, 2)]
    assert plan.warnings == ()
    assert plan.steps[0].function(text="hello") == "You said: hello. Thank you.\n"
