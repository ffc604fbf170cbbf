"""Compiles a flow as ``serve`` would, but apart from this process, and reports what was found."""

from __future__ import annotations

from functools import partial

import msgspec

from pfserve.cli.apart import Died, apart
from pfserve.config import ServeConfig
from pfserve.errors import CompileError, Diagnostic


class Outcome(msgspec.Struct, frozen=True):
    """What compiling a flow came to."""

    flow: str
    mistakes: tuple[Diagnostic, ...]
    warnings: tuple[str, ...] = ()
    explained: str = ""  # the plan as text, if there is one

    @property
    def is_good(self) -> bool:
        """Whether the flow can be served."""
        return not self.mistakes


def compile_apart(config: ServeConfig) -> Outcome:
    """Compile the flow in a process of its own: its code may print, end or hang the process, or leave threads."""
    try:
        return msgspec.msgpack.decode(apart(partial(_compile, config), timeout_s=config.boot_timeout_s), type=Outcome)
    except Died as death:
        return Outcome(config.flow, (Diagnostic(config.flow, 0, f"importing the flow {death}"),))


def report(outcome: Outcome, *, as_json: bool) -> str:
    """The text that ``pfserve check`` prints: mistakes and warnings one a line and a sum, or one JSON object."""
    if as_json:
        facts = {
            "flow": outcome.flow,
            "ok": outcome.is_good,
            "mistakes": outcome.mistakes,
            "warnings": outcome.warnings,
        }
        return msgspec.json.format(msgspec.json.encode(facts)).decode()
    told = [*map(str, outcome.mistakes), *(f"{warning} (warning)" for warning in outcome.warnings)]
    return "\n".join([*told, f"{_count(outcome.mistakes, 'mistake')}, {_count(outcome.warnings, 'warning')}"])


def _count(things: tuple[object, ...], noun: str) -> str:
    return f"{len(things) or 'no'} {noun}{'' if len(things) == 1 else 's'}"


def _compile(config: ServeConfig) -> bytes:
    from pfserve.leader.binding import load_flow
    from pfserve.leader.intake import take_in, why_unshareable
    from pfserve.plan import explain

    try:
        plan = take_in(lambda: load_flow(config), config.flow)
    except CompileError as problem:
        return msgspec.msgpack.encode(Outcome(config.flow, problem.diagnostics))
    warnings = plan.warnings
    if reason := why_unshareable():
        warnings += (f"{config.flow}: every worker imports the flow for itself, after what its import left: {reason}",)
    return msgspec.msgpack.encode(Outcome(config.flow, (), warnings, explain(plan)))
