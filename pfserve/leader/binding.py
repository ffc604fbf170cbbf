"""Where a leader gets its trades from: how a flow is compiled, and how a worker works.

The rooms are imported inside the functions: the master imports this module, and must stay without user code, event
loop and HTTP server. A leader imports them once, and all of its workers share the pages.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pfserve.config import ServeConfig, snapshot
from pfserve.errors import CompileError, Diagnostic
from pfserve.leader.leader import Post, run_leader
from pfserve.leader.stand_in import stand_in
from pfserve.plan import Plan

if TYPE_CHECKING:
    from pfserve.connections import Connections, StandIn
    from pfserve.flow import AnySource

_log = logging.getLogger("pfserve")

_NO_STUB = "http://stub.invalid"  # where a flow is only checked, nobody calls the model

Tell: TypeAlias = "Callable[[Connections], None]"


def lead(post: Post) -> int:
    """The life of a real leader; give its exit code."""
    from pfserve.compiler import remove_copies
    from pfserve.worker.worker import run_worker

    with stand_in(post) as stub_url:
        try:
            return run_leader(post, partial(load_flow, stub_url=stub_url, waits=True), run_worker)
        finally:
            remove_copies()


def load_flow(config: ServeConfig, *, stub_url: str = "", tell: Tell | None = None, waits: bool = False) -> Plan:
    """Set the environment that user code expects, then import and compile the flow.

    ``--env`` wins over the process environment, and that over the flow's own ``environment_variables``.
    ``tell`` gets the connections in the end, also when there are mistakes; by default they are logged.
    With ``waits`` a flow that lacks nothing but the right to read its connections gives a plan that says so.

    Raises:
        CompileError: with every mistake found.
        ConfigError: the sources of connections cannot be read.
    """
    from pfserve import compat, compiler, connections, flow
    from pfserve.values import identity

    os.environ.update(config.environment)
    sys.dont_write_bytecode = True  # nothing is written into the flow's folder, by no import of its files
    source = flow.read_flow(Path(config.flow))
    given = connections.load(config, source.environment | snapshot(), stand_in=_stand_in(config, stub_url))
    try:
        mistakes = _set_environment(source, given)
        compat.install(given, source.kind)
        plan = _compile(config, source, given, mistakes)
        compat.rest()
        _load_tokenisers(plan)
        if given.need_identity():
            identity.preload()
    except CompileError as problem:
        if not waits or not _lacks_only_access(problem, given):
            raise
        plan = compiler.waiting_plan(source, given.denied, config.included_outputs)
    finally:
        (tell or _log_connections)(given)
    return msgspec.structs.replace(plan, warnings=plan.warnings + given.warnings())


def _set_environment(source: AnySource, connections: Connections) -> list[Diagnostic]:
    """Set the variables that the flow declares and the process lacks, with the values of connections filled in.

    A reference to a connection counts in the process's own variable too, if the flow declares one of that name.
    """
    from pfserve.connections import ConnectionProblem, fill, referred

    texts = [os.environ.get(variable.name, variable.text) for variable in source.environment_variables]
    connections.fetch(filter(None, map(referred, texts)))
    mistakes = []
    for variable in source.environment_variables:
        text = os.environ.get(variable.name, variable.text)
        try:
            os.environ[variable.name] = fill(text, connections)
        except ConnectionProblem as problem:
            mistakes.append(variable.span.mistake(f"environment variable {variable.name!r}: {problem}"))
    return mistakes


def _compile(config: ServeConfig, source: AnySource, connections: Connections, mistakes: list[Diagnostic]) -> Plan:
    from pfserve import compiler

    try:
        plan = compiler.compile_flow(
            source,
            jinja_sandbox=config.jinja_sandbox,
            included_outputs=config.included_outputs,
            connections=connections,
            variants=dict(_split(text) for text in config.variants),
            init=config.init,
        )
    except CompileError as problem:
        raise CompileError([*mistakes, *problem.diagnostics], problem.warnings) from problem
    if mistakes:
        raise CompileError(mistakes, plan.warnings)
    return plan


def _lacks_only_access(problem: CompileError, connections: Connections) -> bool:
    denied = connections.denied
    return bool(denied) and all(denied in mistake.message for mistake in problem.diagnostics)


def _load_tokenisers(plan: Plan) -> None:
    """Load the tokenisers of models whose streams are counted, where tiktoken has them cached: workers share them."""
    from pfserve.llm.encodings import encoding_name, preload

    models = [(call.api, str(model)) for call, model in plan.streaming_models()]
    if models:
        preload(encoding_name(model, api) for api, model in models)


def _split(text: str) -> tuple[str, str]:
    node, _, variant = text.partition(".")
    return node, variant


def _stand_in(config: ServeConfig, stub_url: str) -> StandIn | None:
    if not config.stub_llm:
        return None
    from pfserve.stub import stub_connection

    return lambda kind: stub_connection(kind, stub_url or _NO_STUB)


def _log_connections(connections: Connections) -> None:
    told = [f"{one.name} ({one.type}) from {one.origin}" for one in connections.resolved()]
    if told:
        _log.info("connections: %s", "; ".join(told))
