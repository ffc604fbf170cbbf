"""What ``pfserve check`` tells: every mistake and warning of a flow, and what it consists of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from pfserve.compiler.compile import compile_flow
from pfserve.errors import CompileError, Diagnostic
from pfserve.flow import FlowSource, parse_flow
from pfserve.plan import Plan


class CheckReport(msgspec.Struct, frozen=True):
    """The result of a check. ``plan`` is there if and only if there is no mistake."""

    mistakes: tuple[Diagnostic, ...]
    warnings: tuple[str, ...]
    plan: Plan | None

    @property
    def is_good(self) -> bool:
        """Whether the flow can be served."""
        return self.plan is not None


def check(
    path: Path,
    *,
    prepare: Callable[[FlowSource], None] = lambda source: None,
    jinja_sandbox: bool = True,
    included_outputs: tuple[str, ...] | None = None,
) -> CheckReport:
    """Compile the flow that ``path`` means and report instead of raising.

    ``prepare`` is called between reading and compiling, to set the flow's environment variables.
    """
    try:
        source = parse_flow(path)
        prepare(source)
        plan = compile_flow(source, jinja_sandbox=jinja_sandbox, included_outputs=included_outputs)
    except CompileError as problem:
        return CheckReport(mistakes=problem.diagnostics, warnings=(), plan=None)
    return CheckReport(mistakes=(), warnings=plan.warnings, plan=plan)
