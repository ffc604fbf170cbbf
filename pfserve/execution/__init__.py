"""From a plan and inputs to outputs: the walk through a compiled flow, on the event loop and on the lane of threads."""

from pfserve.execution.executor import Executor
from pfserve.execution.lane import ThreadLane

__all__ = ["Executor", "ThreadLane"]
