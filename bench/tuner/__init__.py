"""What to try next, and when to stop: trials in, the next setting or a verdict out.

Nothing here measures, waits or knows a server: a simulated one is tuned by the same lines.
"""

from .goal import Goal, Limit
from .model import Facts
from .setting import Setting, Space, documented
from .step import Baseline, Score, Step, Verdict, step

__all__ = [
    "Baseline",
    "Facts",
    "Goal",
    "Limit",
    "Score",
    "Setting",
    "Space",
    "Step",
    "Verdict",
    "documented",
    "step",
]
