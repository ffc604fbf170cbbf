"""Whatever stands in a flow file: a plan, or mistakes with places. Never anything else."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfserve.compiler import compile_flow
from pfserve.errors import CompileError
from pfserve.flow import read_flow
from pfserve.plan import explain

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.just(datetime.date(2024, 2, 1)),
    st.text(max_size=5),
    st.sampled_from(
        ["${inputs.a}", "${a}", "${b.output.x[0]}", "${.}", "${}", "${a.output}", "a", "b", "x.py", "x.jinja2"]
    ),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "type", "when", "is"]), inner)
    ),
    max_leaves=5,
)
TYPES = st.sampled_from(["int", "string", "list", "object", "image", "x"]) | ANYTHING


def mappings(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.fixed_dictionaries({}, optional=fields), ANYTHING)


NAMES = st.sampled_from(["a", "b", "c"])
SOURCES = mappings(type=st.just("code") | ANYTHING, path=st.sampled_from(["x.py", "x.jinja2", "no.py"]) | ANYTHING)
NODES = mappings(
    name=NAMES | ANYTHING,
    type=st.sampled_from(["python", "prompt", "llm"]) | ANYTHING,
    source=SOURCES,
    inputs=st.dictionaries(NAMES, ANYTHING) | ANYTHING,
    activate=mappings(**{"when": ANYTHING, "is": ANYTHING}),
    aggregation=ANYTHING,
    use_variants=ANYTHING,
)
FLOWS = mappings(
    inputs=st.dictionaries(NAMES, mappings(type=TYPES, default=ANYTHING, description=ANYTHING)) | ANYTHING,
    outputs=st.dictionaries(NAMES, mappings(type=TYPES, reference=ANYTHING)) | ANYTHING,
    nodes=st.lists(NODES, max_size=4) | ANYTHING,
    node_variants=st.dictionaries(NAMES, mappings(default_variant_id=ANYTHING, variants=ANYTHING)) | ANYTHING,
    environment_variables=ANYTHING,
    language=st.just("python") | ANYTHING,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(FLOWS)
def test_any_flow_gives_a_plan_or_mistakes(flow: object) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flow.dag.yaml").write_text(yaml.safe_dump(flow, allow_unicode=True))
        (folder / "x.py").write_text("from house import tool\n@tool\ndef x(a: int = 1, b=None, **rest): ...\n")
        (folder / "x.jinja2").write_text("{{ a }} {{ b.c }}")
        try:
            plan = compile_flow(read_flow(folder))
        except CompileError as problem:
            assert problem.diagnostics
            assert all(one.message and one.file.startswith(name) for one in problem.diagnostics)
        else:
            assert explain(plan)
            plan.new_frame()
