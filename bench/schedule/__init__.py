"""When requests are meant to begin: pure functions of a load and a seed, in seconds since the trial's zero.

No clock and no sleep live here. The same load and seed give the same times, however many processes share them.
"""

from .arrivals import arrivals
from .load import Closed, Load, Open, Spacing, Span, Think, Thinking, Trace
from .shape import Segment, Shape

__all__ = ["Closed", "Load", "Open", "Segment", "Shape", "Spacing", "Span", "Think", "Thinking", "Trace", "arrivals"]
