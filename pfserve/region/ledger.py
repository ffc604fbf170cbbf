"""What the instance counts and tells about itself, in shared memory: nothing here is decided by.

Every word has one writer, so nothing is locked. Counts only grow, and survive the process that counted: a seat's page
stays when its process goes. Every reader sees the instance as a whole by summing the pages.
"""

from __future__ import annotations

import enum
import mmap
from bisect import bisect_left

import msgspec

_WORD = 8
_TEXT_BYTES = 1024

BOUNDS_S = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip
"""Upper bounds, inclusive, of the buckets of a request's duration; one more bucket takes what is longer."""

_WIDTH = len(BOUNDS_S) + 1


class Outcome(enum.IntEnum):
    """How a request ended, as far as it is counted apart."""

    GONE = 0  # the client had left
    CUT = 1  # an event stream that had begun: it failed, or its deadline passed, so its client did not get all
    OK = 2
    CLIENT_ERROR = 4
    SERVER_ERROR = 5


OUTCOMES = max(Outcome) + 1


class Refusal(enum.IntEnum):
    """Why a request was not let in."""

    FULL = 0  # 429: the instance holds C requests
    WAIT = 1  # 429: waited in the line for as long as is allowed
    DEADLINE = 2  # 429: its deadline cannot be met any more
    DRAINING = 3  # 503
    BODIES = 4  # 503: too many bodies in flight


class ModelCount(enum.IntEnum):
    """What is counted of answered model calls."""

    CALLS = 0
    ESTIMATED_CALLS = 1  # of them, those whose tokens are estimates
    PROMPT_TOKENS = 2
    COMPLETION_TOKENS = 3
    MICROSECONDS = 4  # from asking to the end of the answer


class Departure(enum.IntEnum):
    """How a worker ended, as its parent sees it."""

    CRASHED = 0  # nobody had asked it to go
    STUCK = 1  # replaced because it did not answer any more
    RECYCLED = 2  # replaced because it had served or grown enough
    DRAINED = 3  # its generation ended


_SCORED = 0  # OUTCOMES rows of _WIDTH buckets: requests for the flow, by outcome and duration
_MICROSECONDS = _SCORED + OUTCOMES * _WIDTH  # their durations, summed by outcome
_OTHERS = _MICROSECONDS + OUTCOMES  # requests for other routes, by outcome
_REFUSALS = _OTHERS + OUTCOMES
_MODELS = _REFUSALS + len(Refusal)
_WAITED = _MODELS + len(ModelCount)  # microseconds that successes waited in the line
_FAILED_HANDSHAKES = _WAITED + 1
_DEPARTURES = _FAILED_HANDSHAKES + 1  # from here on the seat's parent writes
_STARTS = _DEPARTURES + len(Departure)
_PAGE_WORDS = _STARTS + 1


class Page:
    """The counts of one seat, over all processes it has had. Its worker writes, except what says otherwise."""

    __slots__ = ("_took_s", "_waited_s", "_words")

    def __init__(self, words: memoryview | None = None) -> None:
        self._words = memoryview(bytearray(_PAGE_WORDS * _WORD)).cast("Q") if words is None else words
        self._took_s = [0.0] * OUTCOMES  # of this process, since the last flush
        self._waited_s = 0.0  # as well

    # -- the worker writes

    def count_scored(self, status: int, took_s: float) -> None:
        """A request for the flow has ended; -1 says that its client had left, -2 that its stream was cut.

        On the path of every request: the count goes straight into shared memory, its duration with the next flush.
        """
        outcome = status // 100 if status > 0 else -1 - status
        self._words[outcome * _WIDTH + bisect_left(BOUNDS_S, took_s)] += 1
        self._took_s[outcome] += took_s

    def count_wait(self, waited_s: float) -> None:
        """A request that is about to be counted as a success has waited in the line for so long."""
        self._waited_s += waited_s

    def flush(self) -> None:
        """Once a second: write how long the requests since the last time took together, and waited."""
        self._words[_WAITED] += int(self._waited_s * 1e6)
        self._waited_s = self._waited_s * 1e6 % 1 / 1e6
        for outcome, took_s in enumerate(self._took_s):
            self._words[_MICROSECONDS + outcome] += int(took_s * 1e6)
            self._took_s[outcome] = took_s * 1e6 % 1 / 1e6

    def count_other(self, status: int) -> None:
        """A request for another route has ended."""
        self._words[_OTHERS + (status // 100 if status > 0 else 0)] += 1

    def count_refusal(self, cause: Refusal) -> None:
        """A request was not let in."""
        self._words[_REFUSALS + cause] += 1

    def count_failed_handshake(self) -> None:
        """A client did not come to the end of its TLS handshake."""
        self._words[_FAILED_HANDSHAKES] += 1

    def count_model(self, what: ModelCount, amount: int) -> None:
        """More of that."""
        self._words[_MODELS + what] += amount

    # -- the parent writes

    def count_start(self) -> None:
        """A process was forked for the seat."""
        self._words[_STARTS] += 1

    def count_departure(self, how: Departure) -> None:
        """The process of the seat is reaped."""
        self._words[_DEPARTURES + how] += 1

    # -- anybody reads

    def buckets(self, outcome: int) -> list[int]:
        """Requests for the flow that ended so, by duration; not cumulated."""
        start = _SCORED + outcome * _WIDTH
        return list(self._words[start : start + _WIDTH])

    def microseconds(self, outcome: int) -> int:
        """How long those took together; up to a second behind the buckets."""
        return self._words[_MICROSECONDS + outcome]

    @property
    def waited_microseconds(self) -> int:
        """How long successes had waited in the line together; up to a second behind, too."""
        return self._words[_WAITED]

    def others(self, outcome: int) -> int:
        """Requests for other routes that ended so."""
        return self._words[_OTHERS + outcome]

    def refusals(self, cause: Refusal) -> int:
        """Requests refused for this cause."""
        return self._words[_REFUSALS + cause]

    @property
    def failed_handshakes(self) -> int:
        """Clients that did not come to the end of their TLS handshake."""
        return self._words[_FAILED_HANDSHAKES]

    def models(self, what: ModelCount) -> int:
        """How much of that."""
        return self._words[_MODELS + what]

    def departures(self, how: Departure) -> int:
        """Processes of the seat that ended so."""
        return self._words[_DEPARTURES + how]

    @property
    def starts(self) -> int:
        """Processes that the seat has had."""
        return self._words[_STARTS]

    @property
    def answered(self) -> int:
        """Requests for the flow that have ended."""
        return sum(self._words[_SCORED:_MICROSECONDS])


class Fact(enum.IntEnum):
    """Words about the instance. The master writes."""

    STARTED_WALL_NS = 0  # since 1970
    STARTED_NS = 1  # monotonic, as all others in nanoseconds are
    ALIVE_NS = 2  # when a worker was last seen to beat, or a generation to be getting ready in its time
    GENERATION = 3  # the one that serves
    READY_AFTER_NS = 4  # how long that took from its start until it was ready
    RELOADS_OK = 5
    RELOADS_FAILED = 6
    LEADERS_LOST = 7  # leaders that died though they had served
    MONITOR_PID = 8
    MONITORS_LOST = 9
    ADMIN_PORT = 10
    PORT = 11


class Life(enum.IntEnum):
    """Where a generation is in its life."""

    NONE = 0
    COMPILING = 1
    STARTING = 2
    LIVE = 3
    RETIRING = 4
    DRAINING = 5
    ENDING = 6  # its leader is dead or about to be


class PlanFacts(msgspec.Struct, frozen=True):
    """What a generation serves."""

    name: str = ""
    kind: str = ""
    fingerprint: str = ""
    steps: int = 0


class Ledger:
    """The pages of all seats, the facts of the instance, and what each block's generation is.

    Args:
        seats: of the region.
        blocks: of seats: how many generations fit at a time.
    """

    def __init__(self, seats: int, blocks: int) -> None:
        words = seats * _PAGE_WORDS + len(Fact) + 4 * blocks
        memory = memoryview(mmap.mmap(-1, words * _WORD + blocks * _TEXT_BYTES))  # anonymous, shared with children
        cells = memory[: words * _WORD].cast("Q")
        self.blocks = blocks
        self.pages = [Page(cells[seat * _PAGE_WORDS : (seat + 1) * _PAGE_WORDS]) for seat in range(seats)]
        rest = cells[seats * _PAGE_WORDS :]
        self.facts = rest[: len(Fact)]
        rest = rest[len(Fact) :]
        self.generations, self.lives, self.leaders, self._lengths = (
            rest[index * blocks : (index + 1) * blocks] for index in range(4)
        )
        self._texts = memory[words * _WORD :]

    def tell_plan(self, block: int, plan: PlanFacts) -> None:
        """Write what the block's generation serves; the master does, once per generation."""
        text = msgspec.json.encode(plan)
        if len(text) > _TEXT_BYTES:  # a flow's name can be as long as its author likes
            text = msgspec.json.encode(msgspec.structs.replace(plan, name=plan.name[:100]))
        self._lengths[block] = 0
        start = block * _TEXT_BYTES
        self._texts[start : start + len(text)] = text
        self._lengths[block] = len(text)

    def forget_plan(self, block: int) -> None:
        """The block's generation is over."""
        self._lengths[block] = 0

    def plan(self, block: int) -> PlanFacts:
        """What the block's generation serves; empty as long as nobody knows."""
        start, length = block * _TEXT_BYTES, self._lengths[block]
        try:
            return msgspec.json.decode(bytes(self._texts[start : start + length]), type=PlanFacts)
        except msgspec.DecodeError:  # nothing there, or it is just being written
            return PlanFacts()
