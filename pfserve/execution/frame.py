"""A request's frame: made from the plan and the request's values, read through references."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TypeAlias

from pfserve.errors import UserError
from pfserve.plan import ABSENT, AccessKind, OutputSpec, Plan, Reference, Returned
from pfserve.values import BARE_NAME, Bare, Pending

Frame: TypeAlias = list[object]
UNSET = object()  # in a frame: the step has not finished
GIVEN_UP = -1
"""Where a frame says whether its request has ended: a thread that is left behind begins no other step of it."""
FrameMaker: TypeAlias = "Callable[[Mapping[str, object]], Frame]"
Reader: TypeAlias = Callable[[Frame], object]


_SCALARS = (str, int, float, bool, type(None))


def frame_maker(plan: Plan) -> FrameMaker:
    """A function that makes a request's frame: defaults and literals, and over them what the request gives.

    The values that are given (an explicit null is one) are converted in the order of declaration; the first that
    does not convert raises ``errors.UserError``. That required ones are there is the caller's to see to.
    """
    blank = plan.new_frame()
    for step in plan.steps:
        blank[step.result] = UNSET
    blank.append(False)  # GIVEN_UP
    fresh = [(slot, copier) for slot, value in enumerate(blank) if (copier := _copier(value)) is not None]
    inputs = [(slot, spec.name, spec.convert) for slot, spec in enumerate(plan.inputs)]
    images = [(slot, spec.name, spec.images) for slot, spec in enumerate(plan.inputs) if spec.images is not None]

    def make(values: Mapping[str, object]) -> Frame:
        frame = blank.copy()
        for slot, copier in fresh:
            frame[slot] = copier()
        for slot, name, convert in inputs:
            if name in values:
                frame[slot] = convert(values[name])
        return frame

    def make_with_images(values: Mapping[str, object]) -> Frame:
        frame = make(values)
        for slot, name, read in images:  # after all conversions: what fails there fails first
            if name in values:
                frame[slot] = read(frame[slot])
        return frame

    refusing = _refusing(plan, make_with_images if images else make)
    return _or_sample(refusing, plan.sample)


def _refusing(plan: Plan, make: FrameMaker) -> FrameMaker:
    """Requests are told what the plan refuses: all of them, or those that lack an input."""
    refusals = {spec.name: spec.refusal for spec in plan.inputs if spec.refusal}
    if not refusals and not plan.refusal:
        return make

    def make_or_refuse(values: Mapping[str, object]) -> Frame:
        for name, refusal in refusals.items():
            if name not in values:
                raise UserError(refusal)
        if plan.refusal:
            raise UserError(plan.refusal)
        return make(values)

    return make_or_refuse


def _or_sample(make: FrameMaker, sample: Mapping[str, object]) -> FrameMaker:
    """A request that gives nothing at all gets the sample's values, if there is a sample (contract section 4.1)."""
    if not sample:
        return make
    return lambda values: make(values or copy.deepcopy(sample))


def _copier(value: object) -> Callable[[], object] | None:
    """How each request gets a list or dict of its own: a node that changes it must not change other requests'."""
    if isinstance(value, Pending):
        return lambda: copy.deepcopy(value)
    if not isinstance(value, list | dict):
        return None
    parts = value.values() if isinstance(value, dict) else value
    if all(isinstance(part, _SCALARS) for part in parts):
        return value.copy
    return lambda: copy.deepcopy(value)


def reader(reference: Reference) -> Reader:
    """A function that reads the referenced value out of a frame (contract section 3.4).

    It raises ``errors.UserError`` where a key, an index or an attribute is missing.
    """
    slot = reference.slot
    if not reference.path:
        return lambda frame: frame[slot]
    path = [(part.kind is AccessKind.NAME, part.key) for part in reference.path]
    problem = (
        f"Flow execution failed. Invalid property '{reference.property}' when accessing the node "
        f"'{reference.owner}'. Please check the property and try again."
    )

    def read(frame: Frame) -> object:
        value = frame[slot]
        try:
            for by_name, key in path:
                value = getattr(value, str(key)) if by_name and not isinstance(value, dict) else _item(value, key)
        except Exception as missing:  # not only LookupError and AttributeError: a property is the author's code
            raise UserError(problem) from missing
        return value

    return read


def _item(value: object, key: str | int) -> object:
    return value[key]  # type: ignore[index]


def output_reader(plan: Plan) -> Callable[[Frame], dict[str, object]]:
    """A function that gives the flow's outputs in the order of declaration; raises as :func:`reader` does.

    The output of a bypassed node is None, and a property of it is an error (contract section 3.5).
    """
    if plan.returned is not None:
        return _returned_reader(plan.returned)
    readers = [(spec.name, _output(spec)) for spec in plan.outputs]

    def read(frame: Frame) -> dict[str, object]:
        return {name: None if (value := output(frame)) is ABSENT else value for name, output in readers}

    return read


def progress_reader(plan: Plan) -> Callable[[Frame], tuple[str, ...]]:
    """A function that gives the names of the steps that a frame waits for, having what they need."""
    results = [[plan.steps[index].result for index in chain.steps] for chain in plan.chains]
    names = {step.result: step.name for step in plan.steps}

    def read(frame: Frame) -> tuple[str, ...]:
        last = [frame[slots[-1]] is not UNSET for slots in results]  # whether each chain has finished
        begun = [number for number, chain in enumerate(plan.chains) if all(last[need] for need in chain.needs)]
        firsts = (next((slot for slot in results[number] if frame[slot] is UNSET), None) for number in begun)
        return tuple(names[slot] for slot in firsts if slot is not None)

    return read


def _returned_reader(returned: Returned) -> Callable[[Frame], dict[str, object]]:
    """The outputs of a flow that is one step: what that step returned decides what they are (contract section 1.6)."""
    read_value, hidden = reader(returned.value), returned.hidden

    def read(frame: Frame) -> dict[str, object]:
        value = read_value(frame)
        if isinstance(value, dict):
            return {name: item for name, item in value.items() if name not in hidden} if hidden else dict(value)
        if is_dataclass(value) and not isinstance(value, type):
            return {one.name: getattr(value, one.name) for one in fields(value) if one.name not in hidden}
        return Bare({BARE_NAME: value})

    return read


def _output(spec: OutputSpec) -> Reader:
    if spec.reference is None:
        return lambda frame: spec.literal
    return reader(spec.reference)
