"""Where a leader gets its trades from: how a flow is compiled, and how a worker works.

The rooms are imported inside the functions: the master imports this module, and must stay without user code, event
loop and HTTP server. A leader imports them once, and all of its workers share the pages.
"""

from __future__ import annotations

import os
from pathlib import Path

from pfserve.config import ServeConfig
from pfserve.leader.leader import Post, run_leader
from pfserve.plan import Plan


def lead(post: Post) -> int:
    """The life of a real leader; give its exit code."""
    from pfserve.worker.worker import run_worker

    return run_leader(post, load_flow, run_worker)


def load_flow(config: ServeConfig) -> Plan:
    """Set the environment that user code expects, then import and compile the flow.

    ``--env`` wins over the process environment, and that over the flow's own ``environment_variables``.

    Raises:
        CompileError: with every mistake found.
    """
    from pfserve import compat, compiler, flow

    os.environ.update(config.environment)
    source = flow.parse_flow(Path(config.flow))
    for name, text in source.environment.items():
        os.environ.setdefault(name, text)
    compat.install()
    return compiler.compile_flow(source, jinja_sandbox=config.jinja_sandbox, included_outputs=config.included_outputs)
