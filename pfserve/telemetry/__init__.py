"""What the server tells about itself. For now: its log."""

from pfserve.telemetry.logs import configure
from pfserve.telemetry.refusals import OnceASecond

__all__ = ["OnceASecond", "configure"]
