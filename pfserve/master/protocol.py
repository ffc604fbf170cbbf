"""What the decisions about generations hear, the events, and what they answer, the actions; the master does them."""

from __future__ import annotations

import msgspec

from pfserve.worker import messages as m

# -- Events ----------------------------------------------------------------------------------------


class AskedStop(msgspec.Struct, frozen=True):
    """SIGTERM or SIGINT. The second one means now."""

    number: int = 0  # of the signal


class AskedReload(msgspec.Struct, frozen=True):
    """SIGHUP, or a client of the control socket, whose number is then not 0."""

    client: int = 0


class Compiled(msgspec.Struct, frozen=True):
    """The leader has its plan."""

    generation: int


class BecameReady(msgspec.Struct, frozen=True):
    """All workers of the generation serve."""

    generation: int


class FoundUnshareable(msgspec.Struct, frozen=True):
    """The leader may not fork after what user code did on import, and exits."""

    generation: int
    reason: str


class Waits(msgspec.Struct, frozen=True):
    """The flow of the generation cannot be compiled yet. It serves the reason if nobody else serves, else it ends."""

    generation: int
    reason: str


class AskedTryAgain(msgspec.Struct, frozen=True):
    """Somebody asked a generation that waits."""


class Failed(msgspec.Struct, frozen=True):
    """The leader says why it is about to exit: in one line, and in as many as it takes."""

    generation: int
    exit_code: int
    message: str
    detail: str = ""


class LeaderExited(msgspec.Struct, frozen=True):
    """The leader is reaped, or could not be forked. ``how`` is for people."""

    generation: int
    how: str


class Emptied(msgspec.Struct, frozen=True):
    """The leader and all workers of the generation are gone, and their seats empty."""

    generation: int


Starting = Compiled | BecameReady | FoundUnshareable | Waits | Failed
Event = AskedStop | AskedReload | AskedTryAgain | Starting | LeaderExited | Emptied


# -- Actions ---------------------------------------------------------------------------------------


class Fork(msgspec.Struct, frozen=True):
    """Fork a leader for the generation, on the seats of the block."""

    generation: int
    block: int
    preload: bool


class BeginDrain(msgspec.Struct, frozen=True):
    """The whole instance goes down: unready from now on."""


class TellDrain(msgspec.Struct, frozen=True):
    """Tell the leader to drain its generation: the instance goes down."""

    generation: int
    delay_s: float
    deadline_s: float


class TellRetire(msgspec.Struct, frozen=True):
    """Tell the leader to retire its generation: the next one has taken over."""

    generation: int
    deadline_s: float


class Dump(msgspec.Struct, frozen=True):
    """Make the leader write its stacks to the log."""

    generation: int


class Kill(msgspec.Struct, frozen=True):
    """SIGKILL the leader; its workers die with it."""

    generation: int
    reason: str


class Tell(msgspec.Struct, frozen=True):
    """A line for the log."""

    text: str


class RefuseReload(msgspec.Struct, frozen=True):
    """Tell the client that there will be no reload now."""

    client: int
    reason: str


class PostponeReload(msgspec.Struct, frozen=True):
    """The reload that the client waits for begins with the next :class:`Fork`."""

    client: int


class EndReload(msgspec.Struct, frozen=True):
    """The reload that is going on is over. ``failure`` is empty if the generation serves."""

    generation: int
    failure: str


class Exit(msgspec.Struct, frozen=True):
    """End the master: kill who is left."""

    exit_code: int


Action = (
    Fork | BeginDrain | TellDrain | TellRetire | Dump | Kill | Tell | RefuseReload | PostponeReload | EndReload | Exit
)


# -- From the words of a leader --------------------------------------------------------------------


def event_of(generation: int, message: m.Message) -> Event | None:  # noqa: PLR0911 - one case a message
    """What it is for the decisions that a leader says."""
    match message:
        case m.Compiled():
            return Compiled(generation)
        case m.Unshareable(reason):
            return FoundUnshareable(generation, reason)
        case m.Waits(reason):
            return Waits(generation, reason)
        case m.TryAgain():
            return AskedTryAgain()
        case m.Ready():
            return BecameReady(generation)
        case m.BootFailed(exit_code, text, detail):
            return Failed(generation, exit_code, text, detail)
    return None
