"""The master process: keeps generations of workers serving, through crashes, reloads and signals, and ends last."""

from pfserve.master.start import run_master

__all__ = ["run_master"]
