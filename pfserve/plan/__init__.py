"""What will run: immutable, printable, shared by every worker. Functions and data; never sockets, locks or clients."""

from pfserve.plan.explain import explain
from pfserve.plan.plan import (
    Access,
    AccessKind,
    Argument,
    Chain,
    Guard,
    InputSpec,
    Lane,
    OutputSpec,
    Plan,
    Reference,
    Step,
    StepKind,
)

__all__ = [
    "Access",
    "AccessKind",
    "Argument",
    "Chain",
    "Guard",
    "InputSpec",
    "Lane",
    "OutputSpec",
    "Plan",
    "Reference",
    "Step",
    "StepKind",
    "explain",
]
