"""One trial: the server up, the generators on it, everything recorded; and what a record tells."""

from .run import Trial, run
from .summary import Summary, summarise

__all__ = ["Summary", "Trial", "run", "summarise"]
