"""The leader of one generation: compile once, fork, respawn. Importing this brings no event loop and no user code."""

from pfserve.leader.binding import lead
from pfserve.leader.leader import Post, describe_exit, run_leader

__all__ = ["Post", "describe_exit", "lead", "run_leader"]
