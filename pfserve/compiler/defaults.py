"""The defaults of inputs, as their types read them. One that does not fit ends no start, in promptflow neither."""

from __future__ import annotations

import copy
from collections.abc import Callable

from pfserve.compiler.findings import Findings
from pfserve.errors import UserError
from pfserve.flow import InputSource


def usable_default(entry: InputSource, read: Callable[[object], object], findings: Findings) -> tuple[object, str]:
    """The default, read; or None and what is told to a request that would need it."""
    if entry.default is None:
        return None, ""
    try:
        return read(copy.deepcopy(entry.default)), ""  # what reads images changes it
    except UserError as problem:
        findings.warning(entry.span, f"{problem.message} (Its default cannot be used: clients have to give it.)")
        return None, problem.message
