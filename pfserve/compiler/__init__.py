"""From what the author wrote to the plan that every worker runs. User code is imported here, and only here."""

from pfserve.compiler.includes import remove_copies
from pfserve.compiler.kinds import compile_flow
from pfserve.compiler.waiting import waiting_plan

__all__ = ["compile_flow", "remove_copies", "waiting_plan"]
