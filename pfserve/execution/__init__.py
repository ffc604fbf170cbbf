"""From a plan and inputs to outputs: the walk through a compiled flow, on the event loop and on the lane of threads."""

from pfserve.execution.executor import Executor
from pfserve.execution.lane import ThreadLane
from pfserve.execution.objects import with_objects
from pfserve.execution.prints import install as attribute_prints
from pfserve.execution.streams import Stream

__all__ = ["Executor", "Stream", "ThreadLane", "attribute_prints", "with_objects"]
