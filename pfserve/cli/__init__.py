"""The command line. Knows every room, and imports a room only in the command that needs it."""

from pfserve.cli.commands import main

__all__ = ["main"]
