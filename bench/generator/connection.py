"""One connection to the target: writes a request, reads its answer, tells its owner."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, cast

from ..sample import NEVER, Cause
from .answer import Answer, Malformed
from .shot import Shot, cause_of


class Owner(Protocol):
    """Who is told."""

    def opened(self, connection: Connection) -> None:
        """It is ready for a first request."""

    def finished(self, connection: Connection, shot: Shot, answer: Answer, cause: Cause) -> None:
        """The request has its answer, or never will. If it ``is_usable``, clear the answer before you send again."""

    def lost(self, connection: Connection) -> None:
        """It is gone; nothing was on it."""


class Connection(asyncio.Protocol):
    """At most one request is on it at a time."""

    __slots__ = ("_answer", "_closes", "_owner", "_shot", "_transport", "is_usable", "was_opened")

    def __init__(self, owner: Owner, *, is_head: bool, closes: bool) -> None:
        self._owner = owner
        self._closes = closes  # after one answer, whatever the server says
        self.was_opened = False
        self._answer = Answer(is_head=is_head)
        self._shot: Shot | None = None
        self.is_usable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)
        self.is_usable = self.was_opened = True
        self._owner.opened(self)

    def send(self, shot: Shot) -> None:
        """Write a request."""
        self._shot = shot
        shot.sent_ns = time.monotonic_ns()
        self._transport.write(shot.bytes)

    def data_received(self, data: bytes) -> None:
        """A part of an answer, mostly a whole one."""
        now_ns = time.monotonic_ns()
        shot, answer = self._shot, self._answer
        if shot is None:
            self.give_up()  # nobody asked: whatever it is, the connection cannot be trusted
            return
        if shot.first_ns == NEVER:
            shot.first_ns = now_ns
        try:
            is_whole = answer.feed(data, now_ns)
        except Malformed:
            self._end(Cause.MALFORMED)
            return
        if answer.surplus:
            self._end(Cause.SURPLUS)
        elif is_whole:
            if self._closes or not answer.is_kept:
                self.is_usable = False
                self._transport.close()
            self._finish(Cause.NONE)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.is_usable = False
        if self._shot is None:
            self._owner.lost(self)
        elif self._answer.closed() and exc is None:
            self._finish(Cause.NONE)
        else:
            self._finish(cause_of(exc, self._answer))

    def give_up(self) -> None:
        """End it at once, and say nothing about a request that is on it."""
        self._shot = None
        self.is_usable = False
        self._transport.abort()

    def _end(self, cause: Cause) -> None:
        self.is_usable = False
        self._transport.abort()
        self._finish(cause)

    def _finish(self, cause: Cause) -> None:
        shot, answer = self._shot, self._answer
        assert shot is not None
        self._shot = None
        self._owner.finished(self, shot, answer, cause)
