"""``pfserve parity``: the same requests to two servers, and what differs between their answers."""

from pfserve.cli.parity.command import parity

__all__ = ["parity"]
