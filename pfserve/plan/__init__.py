"""What will run: immutable, printable, shared by every worker. Functions and data; never sockets, locks or clients."""

from pfserve.plan.diagram import diagram
from pfserve.plan.explain import explain
from pfserve.plan.facts import facts
from pfserve.plan.plan import (
    ABSENT,
    GIVEN_PROMPT,
    Access,
    AccessKind,
    Argument,
    Chain,
    Guard,
    InputSpec,
    Lane,
    LlmCall,
    OutputSpec,
    Plan,
    PromptyCall,
    Reference,
    Returned,
    Step,
    StepKind,
    ToolCall,
    Waiting,
)

__all__ = [
    "ABSENT",
    "GIVEN_PROMPT",
    "Access",
    "AccessKind",
    "Argument",
    "Chain",
    "Guard",
    "InputSpec",
    "Lane",
    "LlmCall",
    "OutputSpec",
    "Plan",
    "PromptyCall",
    "Reference",
    "Returned",
    "Step",
    "StepKind",
    "ToolCall",
    "Waiting",
    "diagram",
    "explain",
    "facts",
]
