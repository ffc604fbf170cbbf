"""From a plan and inputs to outputs: the walk through a compiled flow, on the event loop and on the lane of threads."""

from pfserve.execution.executor import Executor
from pfserve.execution.fetch import ImageFetcher
from pfserve.execution.images import fetch_images
from pfserve.execution.lane import ThreadLane
from pfserve.execution.objects import with_objects
from pfserve.execution.prints import install as attribute_prints
from pfserve.execution.streams import Stream

__all__ = ["Executor", "ImageFetcher", "Stream", "ThreadLane", "attribute_prints", "fetch_images", "with_objects"]
