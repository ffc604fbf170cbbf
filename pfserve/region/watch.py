"""When is a lock's holder stuck? A pure decision over looks at the lock; no clock, no process."""

from __future__ import annotations


class HeldLockWatch:
    """Tells from looks at a busy lock that one holding goes on and on.

    The same holder at two looks proves nothing: it may have released the lock and taken it again in between. So a look
    also has the number of turns, which each holder raises just after taking the lock. Even this leaves one innocent
    history: seen just before a release, and next time after taking the lock again but before counting the turn.
    It fits into a run of equal looks once. Therefore the run must last two halves of the limit: a hand-over hides in
    one half at most, and the other is one unbroken holding. The halves also forgive a pause of the whole machine.
    """

    __slots__ = ("_half_s", "_halfway_s", "_seen", "_since_s")

    def __init__(self, limit_s: float) -> None:
        self._half_s = limit_s / 2
        self._start(0.0, 0, 0)

    def _start(self, now_s: float, holder: int, turns: int) -> None:
        self._seen = (holder, turns)
        self._since_s = now_s
        self._halfway_s: float | None = None

    def observe(self, now_s: float, holder: int, turns: int) -> int | None:
        """Take one look; ``holder`` is a thread id or 0. Gives the holder to kill, once per limit, or None."""
        if not holder or (holder, turns) != self._seen:
            self._start(now_s, holder, turns)
            return None
        if self._halfway_s is None:
            if now_s - self._since_s >= self._half_s:
                self._halfway_s = now_s
            return None
        if now_s - self._halfway_s < self._half_s:
            return None
        self._start(now_s, holder, turns)
        return holder
