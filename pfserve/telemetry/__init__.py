"""What the server tells about itself: its log, and what can be seen of the instance in the shared region."""

from pfserve.telemetry.logs import configure

__all__ = ["configure"]
