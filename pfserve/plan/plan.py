"""The compiled flow: steps over integer slots, fused into chains.

A request owns one list of values, its *frame*. Slots ``0 … len(inputs) - 1`` hold the flow's inputs, the following
ones the literals (bound once, at compile time), then one slot per step for its result. No name is looked
up at run time.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import msgspec


class _Absent(enum.Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent.ABSENT
"""In a slot that has no value: of an input that is left out, whose parameter has a default of its own, or of a step
that did not run because of an ``activate``. An argument that would get it is left out or None."""


class Lane(enum.Enum):
    """Where a chain runs."""

    LOOP = "loop"  # on the worker's event loop: async functions, prompt rendering, model calls
    THREAD = "thread"  # on a thread of the worker's lane: everything that blocks


class StepKind(enum.Enum):
    """What kind of node a step was compiled from."""

    PYTHON = "python"
    PROMPT = "prompt"
    LLM = "llm"
    TOOL = "tool"  # a built-in one that has no prompt
    PROMPTY = "prompty"


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
    optional: bool = False  # the parameter has a default: left out where the value is ABSENT


class Guard(msgspec.Struct, frozen=True):
    """A step's ``activate``: it runs only if the referenced value equals the literal (Python ``==``)."""

    when: Reference
    equals: object


GIVEN_PROMPT = "prompt"
"""The input that gives an LLM node its prompt, instead of its file: a template, or what a prompt node gave."""


class LlmCall(msgspec.Struct, frozen=True):
    """What an LLM node asks of a model. Data only: the client that sends it is built in the worker.

    ``parameters`` names the arguments that are the API's own; the others are variables of the ``template``.
    ``escaped`` names those bound directly to flow inputs: role words in them are no roles (contract section 3.7).
    """

    api: str  # "chat" | "completion"
    connection: object  # of pfserve.values.connections
    template: Callable[..., str]
    parameters: frozenset[str]
    escaped: tuple[str, ...]


class PromptyCall(msgspec.Struct, frozen=True):
    """What a prompty asks of a model, and what it gives of the answer (contract section 4.2). Data only.

    All values that it is called with are variables of the ``template``; none of them can change a role in it.
    """

    api: str  # "chat" | "completion"
    model: object  # of the API: a deployment's or a model's name
    connection: object | None  # of pfserve.values.connections; None: ``problem`` makes what each call raises
    problem: Callable[[], Exception] | None
    template: Callable[..., str]
    parameters: Mapping[str, object]  # sent as they are
    whole: bool  # give the answer as it came, not the text of its first choice
    outputs: tuple[str, ...]  # of the model's JSON; empty for all of it

    @property
    def reads_json(self) -> bool:
        """Whether the model's text is JSON, which is read."""
        wanted = self.parameters.get("response_format")
        return not self.whole and isinstance(wanted, dict) and wanted.get("type") == "json_object"

    @property
    def streams(self) -> bool:
        """Whether a call gives a generator."""
        return bool(self.parameters.get("stream")) and not self.reads_json


class ToolCall(msgspec.Struct, frozen=True):
    """What a built-in tool asks of a service. Data only.

    ``template`` is that of its prompt, if it has one; ``escaped`` as in :class:`LlmCall`.
    """

    tool: str  # its id
    connection: object | None  # of pfserve.values.connections, if the author names one
    template: Callable[..., str] | None
    escaped: tuple[str, ...]

    @property
    def api(self) -> str:
        """What people call it."""
        return self.tool.rpartition(".")[2]


class Step(msgspec.Struct, frozen=True):
    """One node, ready to call: ``function(**arguments)`` goes into ``frame[result]``.

    A step with a ``call`` is a model call: the executor binds a function of its own in place of ``function``. One with
    a ``construct`` is a method of an object that must not be shared by a fork: the worker makes it and takes what
    ``construct`` gives in place of ``function``. It raises ``errors.CompileError``.
    """

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
    call: LlmCall | PromptyCall | ToolCall | None = None
    construct: Callable[[], Callable[..., object]] | None = None
    wraps: bool = False  # whatever it raises is told as its failure, promptflow's own exceptions too


class Chain(msgspec.Struct, frozen=True):
    """Consecutive steps of one lane, run without a hop between them."""

    lane: Lane
    steps: tuple[int, ...]  # indexes into Plan.steps, in order
    needs: tuple[int, ...]  # indexes of the chains that must be finished first, ascending
    unlocks: tuple[int, ...]  # indexes of the chains that need this one, ascending


class InputSpec(msgspec.Struct, frozen=True):
    """A declared input of the flow; its slot is its index.

    ``convert(value)`` applies the type's coercions (contract section 3.3) and raises ``errors.UserError``.
    ``default`` is already converted; ``required`` means that there is none that could be used; ABSENT that the code has
    its own. ``images`` puts images in the place of what stands for them in a converted value (contract section 3.6);
    None where there can be none. ``refusal`` is what a request is told that does not give it although it has to.
    """

    name: str
    type: str
    required: bool
    default: object
    convert: Callable[[object], object]
    images: Callable[[object], object] | None = None
    refusal: str = ""


class OutputSpec(msgspec.Struct, frozen=True):
    """A declared output of the flow: a reference into the frame, or a literal text."""

    name: str
    reference: Reference | None
    literal: object
    evaluation_only: bool


class Returned(msgspec.Struct, frozen=True):
    """The outputs are what one step returned: the items of a dict, the fields of a dataclass, else the bare value."""

    value: Reference
    hidden: frozenset[str] = frozenset()  # names that responses do not have


class Waiting(msgspec.Struct):
    """In the plan of a flow that cannot be compiled yet: why not, and how many requests this process has told so."""

    reason: str
    asked: int = 0


class Plan(msgspec.Struct, frozen=True):
    """A compiled flow. Built by the compiler, walked by the executor, printed by ``explain``."""

    flow_name: str
    kind: str  # "dag" | "flex" | "prompty"; "waiting"
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]  # declared ones; none where they are ``returned``
    steps: tuple[Step, ...]  # in dependency order, stable with respect to the file
    chains: tuple[Chain, ...]  # in dependency order
    literals: tuple[object, ...]
    width: int  # the largest number of THREAD chains of one request that can run at once; 0: no thread lane needed
    swagger: bytes  # the body of /swagger.json
    environment: Mapping[str, str]  # the flow's environment_variables, as texts
    fingerprint: str  # of the sources: equal for equal flows
    warnings: tuple[str, ...] = ()  # what the author should know although the flow runs, one line each
    message_format: str = "basic"  # how responses write images: "basic" | "openai-vision"
    folder: str = ""  # the working directory of the flow's code: its own, or a copy with what it includes
    waiting: Waiting | None = None  # the flow is not compiled yet: what stands here only answers why
    streaming: int | None = None  # the slot that says whether the request asked for a stream; None: no step asks
    returned: Returned | None = None
    sample: Mapping[str, object] = {}  # what counts as given where a request gives nothing at all
    refusal: str = ""  # what every request is told: promptflow, too, starts with such a flow but never runs it

    def streaming_models(self) -> list[tuple[LlmCall | PromptyCall | ToolCall, object]]:
        """The model calls that may be streamed, each with the model or deployment that the author gives it."""
        first = len(self.inputs)
        found: list[tuple[LlmCall | PromptyCall | ToolCall, object]] = []
        for step in self.steps:
            if isinstance(step.call, PromptyCall):
                found += [(step.call, step.call.model)] if step.call.streams else []
                continue
            given = {one.name: one.value.slot for one in step.arguments}
            slot = given.get("deployment_name", given.get("model"))
            if step.call and slot is not None and "stream" in given and first <= slot < first + len(self.literals):
                found.append((step.call, self.literals[slot - first]))
        return found

    @property
    def starts_blocking(self) -> bool:
        """Whether a request needs a thread for the first thing that it does, or for one of them."""
        return any(chain.lane is Lane.THREAD for chain in self.chains if not chain.needs)

    @property
    def starts_alone(self) -> bool:
        """Whether one chain comes before all others."""
        return sum(not chain.needs for chain in self.chains) == 1

    @property
    def is_linear(self) -> bool:
        """Whether each chain needs the one before it, so that never two can run at once."""
        return all(index - 1 in chain.needs for index, chain in enumerate(self.chains) if index)

    def new_frame(self) -> list[object]:
        """A frame with the defaults of the inputs and the literals in place, and None for every result."""
        asked = [] if self.streaming is None else [False]
        return [*(spec.default for spec in self.inputs), *self.literals, *([None] * len(self.steps)), *asked]
