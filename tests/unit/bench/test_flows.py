from __future__ import annotations

import msgspec
import pytest

from bench import flows


def nodes(folder):
    flow = msgspec.json.decode((folder / "flow.dag.yaml").read_bytes())
    return flow["nodes"], flow["outputs"]["answer"]["reference"]


def test_a_chain_hands_on_from_node_to_node(tmp_path):
    made, answer = nodes(flows.chain(tmp_path / "flow", "sync", 3))
    assert [node["inputs"]["text"] for node in made] == ["${inputs.text}", "${node1.output}", "${node2.output}"]
    assert answer == "${node3.output}"


def test_the_flex_flow_is_python(tmp_path):
    folder = flows.parallel_flex(tmp_path / "flow")
    module, _, name = (folder / "flow.flex.yaml").read_text().removeprefix("entry: ").strip().partition(":")
    assert f"class {name}:" in (folder / f"{module}.py").read_text()
    compile((folder / f"{module}.py").read_text(), module, "exec")


def test_what_is_parallel_needs_nothing_but_the_input(tmp_path):
    made, answer = nodes(flows.parallel_async(tmp_path / "flow"))
    assert [node["inputs"]["text"] for node in made[:3]] == ["${inputs.text}"] * 3
    assert {f"${{rest{number}.output}}" for number in range(3)} <= set(made[3]["inputs"].values())
    assert (made[3]["type"], answer) == ("llm", "${last.output}")


@pytest.mark.parametrize(
    "make",
    [flows.parallel_async, flows.parallel_sync, flows.model, flows.mixed, flows.picture],
    ids=lambda f: f.__name__,
)
def test_every_file_is_there_and_python_is_python(make, tmp_path):
    folder = make(tmp_path / "flow")
    for node in nodes(folder)[0]:
        text = (folder / node["source"]["path"]).read_text()
        if node["type"] == "python":
            compile(text, node["name"], "exec")


@pytest.mark.parametrize(
    ("make", "amount", "said"),
    [
        (flows.awaiting, 0.1, "async def pass_on(text: str) -> str:\n    await asyncio.sleep(0.1)\n    return text"),
        (flows.computing, 7, "def pass_on(text: str) -> str:\n    sum(number * number for number in range(7))\n"),
    ],
)
def test_flows_of_overload_await_or_compute(make, amount, said, tmp_path):
    folder = make(tmp_path / "flow", amount)
    (node,), _ = nodes(folder)
    text = (folder / node["source"]["path"]).read_text()
    compile(text, "flow", "exec")
    assert said in text
