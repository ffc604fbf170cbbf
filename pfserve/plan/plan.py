"""The compiled flow: steps over integer slots, fused into chains.

A request owns one list of values, its *frame*. Slots ``0 … len(inputs) - 1`` hold the flow's inputs, the following
ones the literals (bound once, at compile time), then one slot per step for its result. No name is looked
up at run time.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import msgspec


class Lane(enum.Enum):
    """Where a chain runs."""

    LOOP = "loop"  # on the worker's event loop: async functions, prompt rendering, model calls
    THREAD = "thread"  # on a thread of the worker's lane: everything that blocks


class StepKind(enum.Enum):
    """What kind of node a step was compiled from."""

    PYTHON = "python"
    PROMPT = "prompt"
    LLM = "llm"


class AccessKind(enum.Enum):
    """How one part of a property path reads a value (contract section 3.4)."""

    NAME = "name"  # .word: a key of a dict, an attribute of anything else
    ITEM = "item"  # ['key'] or [3]: indexing


class Access(msgspec.Struct, frozen=True):
    """One part of a property path."""

    kind: AccessKind
    key: str | int


class Reference(msgspec.Struct, frozen=True):
    """A value of the frame: its slot, and the property path into it.

    ``text`` is the author's spelling (``node.output.key``), ``owner`` the node or input that it starts from and
    ``property`` the spelling of the path (``key``), which the message about a failing path repeats.
    """

    slot: int
    path: tuple[Access, ...]
    owner: str
    text: str
    property: str = ""


class Argument(msgspec.Struct, frozen=True):
    """One keyword argument of a step."""

    name: str
    value: Reference
    optional: bool = False  # the parameter has a default: left out where the value is that of a bypassed node


class Guard(msgspec.Struct, frozen=True):
    """A step's ``activate``: it runs only if the referenced value equals the literal (Python ``==``)."""

    when: Reference
    equals: object


class Step(msgspec.Struct, frozen=True):
    """One node, ready to call: ``function(**arguments)`` goes into ``frame[result]``."""

    name: str
    kind: StepKind
    function: Callable[..., object]
    is_async: bool  # calling it gives a coroutine
    lane: Lane | None  # None: cheap and without I/O, runs in the lane of its neighbours (prompt rendering)
    arguments: tuple[Argument, ...]
    result: int
    needs: tuple[int, ...]  # indexes of the steps whose results it reads, ascending
    guard: Guard | None
    source: str  # file:line of the node, for people


class Chain(msgspec.Struct, frozen=True):
    """Consecutive steps of one lane, run without a hop between them."""

    lane: Lane
    steps: tuple[int, ...]  # indexes into Plan.steps, in order
    needs: tuple[int, ...]  # indexes of the chains that must be finished first, ascending
    unlocks: tuple[int, ...]  # indexes of the chains that need this one, ascending


class InputSpec(msgspec.Struct, frozen=True):
    """A declared input of the flow; its slot is its index.

    ``convert(value)`` applies the type's coercions (contract section 3.3) and raises ``errors.UserError``.
    ``default`` is already converted; ``required`` means that there is none that could be used.
    """

    name: str
    type: str
    required: bool
    default: object
    convert: Callable[[object], object]


class OutputSpec(msgspec.Struct, frozen=True):
    """A declared output of the flow: a reference into the frame, or a literal text."""

    name: str
    reference: Reference | None
    literal: object
    evaluation_only: bool


class Plan(msgspec.Struct, frozen=True):
    """A compiled flow. Built by the compiler, walked by the executor, printed by ``explain``."""

    flow_name: str
    kind: str  # "dag"
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    steps: tuple[Step, ...]  # in dependency order, stable with respect to the file
    chains: tuple[Chain, ...]  # in dependency order
    literals: tuple[object, ...]
    width: int  # the largest number of THREAD chains of one request that can run at once; 0: no thread lane needed
    swagger: bytes  # the body of /swagger.json
    environment: Mapping[str, str]  # the flow's environment_variables, as texts
    fingerprint: str  # of the sources: equal for equal flows
    warnings: tuple[str, ...] = ()  # what the author should know although the flow runs, one line each

    @property
    def frame_size(self) -> int:
        """The number of slots of a request's frame."""
        return len(self.inputs) + len(self.literals) + len(self.steps)

    def new_frame(self) -> list[object]:
        """A frame with the defaults of the inputs and the literals in place, and None for every result."""
        return [*(spec.default for spec in self.inputs), *self.literals, *([None] * len(self.steps))]
