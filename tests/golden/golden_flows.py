"""What pfserve says about each flow under ``flows/``. As a program: writes it to the ``expected.*`` of each.

python tests/golden/golden_flows.py            rewrite all
python tests/golden/golden_flows.py FLOW       print one
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
OTHER_FORMS = ("mmd", "json")
FLOWS = sorted(path.parent.name for path in HERE.glob("flows/*/flow.*.yaml"))


def told(flow: str, form: str = "txt") -> str:
    """The plan of a flow, or its mistakes. Paths are relative to the flow's folder."""
    from pfserve import compat
    from pfserve.compiler import compile_flow, remove_copies
    from pfserve.config import load_config
    from pfserve.connections import load
    from pfserve.errors import CompileError
    from pfserve.flow import read_flow
    from pfserve.plan import diagram, explain, facts

    folder = HERE / "flows" / flow
    file = folder / "connections.yaml"
    config = load_config({"flow": str(folder), "connections": [str(file)] if file.exists() else []}, {}, cores=1)
    compat.install()
    with contextlib.chdir(folder):
        try:
            plan = compile_flow(read_flow(folder), connections=load(config, {}))
        except CompileError as problem:
            return f"{problem}\n"
        finally:
            remove_copies()
    if form == "mmd":
        return diagram(plan)
    if form == "json":
        return json.dumps(facts(plan), indent=2) + "\n"
    return explain(plan) + "".join(f"{warning}\n" for warning in plan.warnings)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(HERE.parent.parent))
    if sys.argv[1:]:
        print(told(sys.argv[1]), end="")
    else:
        for name in FLOWS:
            (HERE / "flows" / name / "expected.txt").write_text(told(name))
        for form in OTHER_FORMS:
            (HERE / "flows" / "classify" / f"expected.{form}").write_text(told("classify", form))
