"""What the web room needs from others, as protocols: it builds none of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Stream(Protocol):
    """The items of a generator, as they come. Raises :class:`pfserve.errors.RequestError`."""

    def __aiter__(self) -> AsyncIterator[object]: ...

    async def aclose(self) -> None:
        """End it, wherever it is."""


class Executor(Protocol):
    """Runs the flow."""

    async def run(self, values: dict[str, object], streaming: bool = False) -> dict[str, object]:
        """The outputs, in declared order, for the decoded inputs; if ``streaming``, each generator as a Stream.

        Raises :class:`pfserve.errors.RequestError`.
        """


class Gate(Protocol):
    """The bound of the instance."""

    def full(self) -> bool:
        """The look: whether no request would be admitted now."""

    def admit(self) -> bool:
        """Take a ticket. False if the instance is full."""

    def release(self) -> None:
        """Give a ticket back."""

    def retry_after_s(self) -> float:
        """When a refused client should try again."""


class Vitals(Protocol):
    """How the instance is, for the health routes."""

    @property
    def draining(self) -> bool:
        """Whether the instance has been told to stop."""

    def live(self) -> bool:
        """Whether the master and at least one worker are alive."""

    def ready(self) -> bool:
        """Whether requests should be sent here."""


class Admin(Protocol):
    """The pages of the admin port."""

    def metrics(self) -> bytes:
        """Prometheus text of the instance."""

    def status(self) -> bytes:
        """JSON of the instance."""
