"""The outputs of a flow that returned one value without a name (contract section 1.6)."""

from __future__ import annotations

BARE_NAME = "output"  # what event streams and messages call the value


class Bare(dict[str, object]):
    """One output, :data:`BARE_NAME`, whose value is the whole JSON document of the answer."""
