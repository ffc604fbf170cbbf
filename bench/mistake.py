"""What the user of the suite has to mend: an option, a file, a target. Shown as one sentence, exit code 2."""

from __future__ import annotations


class Mistake(ValueError):
    """The message names the thing, where it came from and what to do."""
