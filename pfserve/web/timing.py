"""Where a request's time went, told in its answer: ``Server-Timing`` (W3C), with ``--server-timing``."""

from __future__ import annotations

from pfserve.web.exchange import Exchange, Stage
from pfserve.web.heads import JSON


class TimedExchange(Exchange):
    """An exchange that notes when its flow started and had its outputs, and says so in the head of its answer.

    ``queue`` is from the arrival of the request's head until the flow starts, or until it is clear that it will not;
    ``run`` from there to the outputs or the failure. Of a stream only ``queue`` is known when its head goes out.
    """

    __slots__ = ("_ran_s", "_stage", "_started_s")

    @property
    def stage(self) -> Stage:
        """How far it has come."""
        return self._stage

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self._stage = stage
        if stage is Stage.ANSWERING:
            self._ran_s: float | None = self.connection.service.clock()
        else:  # whoever waits again has not started
            self._started_s = self.connection.service.clock() if stage is Stage.RUNNING else None
            self._ran_s = None

    def reply(self, status: int, body: bytes, content_type: str = JSON, extra: str = "") -> None:
        """Answer, and say what it took."""
        super().reply(status, body, content_type, extra + self._line(has_run=True) if self.scored else extra)

    def stream_extra(self) -> str:
        """What is known at the head of a stream."""
        return self._line(has_run=False)

    def _line(self, *, has_run: bool) -> str:
        now_s, started_s = self.connection.service.clock(), self._started_s
        queue_s = (now_s if started_s is None else started_s) - self.arrived_s
        line = f"Server-Timing: queue;dur={queue_s * 1e3:.3f}"
        if has_run and started_s is not None:
            line += f", run;dur={((now_s if self._ran_s is None else self._ran_s) - started_s) * 1e3:.3f}"
        return line + "\r\n"
