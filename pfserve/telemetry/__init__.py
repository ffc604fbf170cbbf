"""What the server tells about itself. For now: its log."""

from pfserve.telemetry.logs import configure

__all__ = ["configure"]
