"""What the web room needs from others, as protocols: it builds none of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pfserve.web.relay import Away


class Stream(Protocol):
    """The items of a generator, as they come. Raises :class:`pfserve.errors.RequestError`."""

    def __aiter__(self) -> AsyncIterator[object]: ...

    async def aclose(self) -> None:
        """End it, wherever it is."""


class Executor(Protocol):
    """Runs the flow."""

    async def run(self, values: dict[str, object], streaming: bool = False) -> dict[str, object]:
        """The outputs, in declared order, for the decoded inputs; if ``streaming``, each generator as a Stream.

        Raises :class:`pfserve.errors.RequestError`. A ``CancelledError`` has the names of the nodes that were running,
        as a tuple, for its argument.
        """


class Gate(Protocol):
    """The bound of the instance."""

    def full(self) -> bool:
        """The look: whether no request would be admitted now."""

    def admit(self) -> bool:
        """Take a ticket. False if the instance is full."""

    def release(self) -> None:
        """Give a ticket back."""

    def retry_after_s(self, ages_s: Sequence[float]) -> float:
        """When a refused client should try again; ``ages_s`` are those of our running requests, oldest first."""


class Slots(Protocol):
    """The slots of the instance, and the line for them. What a slot is given for must begin before the loop turns."""

    def at_once(self) -> bool:
        """Whether the request may begin here at once. It may then still end with ``NotStarted``."""

    def enter(self, arrived_s: float) -> Any:
        """What waits for a request that may not: for :meth:`turn`."""

    async def turn(self, waiter: Any) -> Away | None:
        """Wait for a slot: one of this worker (None), or of another one.

        Raises :class:`pfserve.errors.TooManyRequests`.
        """

    def take_up(self, seat: int, number: int, granted_s: float) -> bool:
        """Whether the request that another seat hands over may begin here at once."""


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
