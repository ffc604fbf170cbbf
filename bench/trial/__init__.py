"""One trial: the server up, the generators on it, everything recorded; and what a record tells."""

from .promise import Keeping, Promise, keeping
from .run import Trial, run
from .summary import Summary, summarise

__all__ = ["Keeping", "Promise", "Summary", "Trial", "keeping", "run", "summarise"]
