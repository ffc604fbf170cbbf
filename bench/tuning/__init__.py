"""Tunes a flow on this machine: starts servers, loads them, asks ``tuner`` what to try next, keeps everything."""

from .record import NAME, Question, TrialRecord, Tuning, read
from .run import tune

__all__ = ["NAME", "Question", "TrialRecord", "Tuning", "read", "tune"]
