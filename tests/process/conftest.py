"""Fixtures of process tests."""

from bench_runs import load

__all__ = ["load"]
