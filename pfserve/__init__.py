"""pfserve serves a prompt flow folder at ``POST /score``. Importing this package does nothing else."""

__version__ = "0.1.0"
