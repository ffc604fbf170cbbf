"""The one place that reads the process environment."""

from __future__ import annotations

import os


def snapshot() -> dict[str, str]:
    """A copy of the process environment as it is now."""
    return dict(os.environ)
