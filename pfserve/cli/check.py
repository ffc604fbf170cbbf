"""Compiles a flow as ``serve`` would, but apart from this process, and reports what was found."""

from __future__ import annotations

from functools import partial

import msgspec

from pfserve.cli.apart import Died, apart
from pfserve.config import ServeConfig
from pfserve.connections import Connections, Resolved
from pfserve.errors import CompileError, ConfigError, Diagnostic
from pfserve.plan import Plan, diagram, explain, facts


class Outcome(msgspec.Struct, frozen=True):
    """What compiling a flow came to."""

    flow: str
    mistakes: tuple[Diagnostic, ...]
    warnings: tuple[str, ...] = ()
    explained: str = ""  # the plan as a text of the kind asked for, if there is one
    connections: tuple[Resolved, ...] = ()  # those that the flow needs and gets; a missing one is a mistake
    refused: tuple[str, str, str, str] | None = None  # a ConfigError's parts

    @property
    def is_good(self) -> bool:
        """Whether the flow can be served."""
        return not self.mistakes


def compile_apart(config: ServeConfig, form: str = "text") -> Outcome:
    """Compile the flow in a process of its own: its code may print, end or hang the process, or leave threads.

    ``form`` is how the plan is explained: ``text``, ``mermaid`` or ``json``.

    Raises:
        ConfigError: the connections cannot be read.
    """
    try:
        outcome = msgspec.msgpack.decode(
            apart(partial(_compile, config, form), timeout_s=config.boot_timeout_s), type=Outcome
        )
    except Died as death:
        return Outcome(config.flow, (Diagnostic(config.flow, 0, f"importing the flow {death}"),))
    if outcome.refused:
        raise ConfigError(*outcome.refused)
    return outcome


def report(outcome: Outcome, *, as_json: bool) -> str:
    """What ``pfserve check`` prints: connections, mistakes and warnings one a line, then a sum; or one JSON object."""
    if as_json:
        facts = {
            "flow": outcome.flow,
            "ok": outcome.is_good,
            "mistakes": outcome.mistakes,
            "warnings": outcome.warnings,
            "connections": outcome.connections,
        }
        return msgspec.json.format(msgspec.json.encode(facts)).decode()
    told = [f"connection {one}" for one in outcome.connections]
    told += [*map(str, outcome.mistakes), *(f"{warning} (warning)" for warning in outcome.warnings)]
    return "\n".join([*told, f"{_count(outcome.mistakes, 'mistake')}, {_count(outcome.warnings, 'warning')}"])


def _count(things: tuple[object, ...], noun: str) -> str:
    return f"{len(things) or 'no'} {noun}{'' if len(things) == 1 else 's'}"


def _compile(config: ServeConfig, form: str) -> bytes:
    from pfserve.compiler import remove_copies

    try:
        return msgspec.msgpack.encode(_outcome(config, form))
    finally:
        remove_copies()


def _outcome(config: ServeConfig, form: str) -> Outcome:
    from pfserve.execution import with_objects
    from pfserve.leader.binding import load_flow
    from pfserve.leader.intake import take_in, why_unshareable

    given: list[Connections] = []
    try:
        plan = take_in(lambda: with_objects(load_flow(config, tell=given.append)), config.flow)
    except CompileError as problem:
        return Outcome(config.flow, problem.diagnostics, problem.warnings, connections=_resolved(given))
    except ConfigError as problem:
        refused = problem.key, str(problem.value), problem.origin, problem.problem
        return Outcome(config.flow, (), refused=refused)
    warnings = plan.warnings
    if reason := why_unshareable():
        warnings += (f"{config.flow}: every worker imports the flow for itself, after what its import left: {reason}",)
    return Outcome(config.flow, (), warnings, _explained(plan, form), _resolved(given))


def _explained(plan: Plan, form: str) -> str:
    if form == "mermaid":
        return diagram(plan)
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(facts(plan))).decode() + "\n"
    return explain(plan)


def _resolved(given: list[Connections]) -> tuple[Resolved, ...]:
    return given[0].resolved() if given else ()
