"""What the operator asked for. The only room that reads the environment."""

from pfserve.config.model import ServeConfig

__all__ = ["ServeConfig"]
