"""From what the author wrote to the plan that every worker runs. User code is imported here, and only here."""

from pfserve.compiler.compile import compile_flow
from pfserve.compiler.includes import remove_copies

__all__ = ["compile_flow", "remove_copies"]
