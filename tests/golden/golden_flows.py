"""What pfserve says about each flow under ``flows/``. As a program: writes it to the ``expected.txt`` of each.

python tests/golden/golden_flows.py            rewrite all
python tests/golden/golden_flows.py FLOW       print one
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
FLOWS = sorted(path.parent.name for path in HERE.glob("flows/*/flow.dag.yaml"))


def told(flow: str) -> str:
    """The plan of a flow as text, or its mistakes. Paths are relative to the flow's folder."""
    from pfserve.compiler import compile_flow
    from pfserve.errors import CompileError
    from pfserve.flow import parse_flow
    from pfserve.plan import explain

    folder = HERE / "flows" / flow
    with contextlib.chdir(folder):
        try:
            plan = compile_flow(parse_flow(folder))
        except CompileError as problem:
            return f"{problem}\n"
    return explain(plan) + "".join(f"{warning}\n" for warning in plan.warnings)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(HERE.parent.parent))
    if sys.argv[1:]:
        print(told(sys.argv[1]), end="")
    else:
        for name in FLOWS:
            (HERE / "flows" / name / "expected.txt").write_text(told(name))
