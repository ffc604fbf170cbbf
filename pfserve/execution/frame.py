"""A request's frame: made from the plan and the request's values, read through references."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TypeAlias

from pfserve.errors import UserError
from pfserve.plan import AccessKind, OutputSpec, Plan, Reference
from pfserve.values import Pending

Frame: TypeAlias = list[object]
Reader: TypeAlias = Callable[[Frame], object]

BYPASSED = object()  # in the slot of a step that did not run because of an ``activate``

_SCALARS = (str, int, float, bool, type(None))


def frame_maker(plan: Plan) -> Callable[[Mapping[str, object]], Frame]:
    """A function that makes a request's frame: defaults and literals, and over them what the request gives.

    The values that are given (an explicit null is one) are converted in the order of declaration; the first that
    does not convert raises ``errors.UserError``. That required ones are there is the caller's to see to.
    """
    blank = plan.new_frame()
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

    return make_with_images if images else make


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


def output_reader(outputs: tuple[OutputSpec, ...]) -> Callable[[Frame], dict[str, object]]:
    """A function that gives the flow's outputs in the order of declaration; raises as :func:`reader` does.

    The output of a bypassed node is None, and a property of it is an error (contract section 3.5).
    """
    readers = [(spec.name, _output(spec)) for spec in outputs]

    def read(frame: Frame) -> dict[str, object]:
        return {name: None if (value := output(frame)) is BYPASSED else value for name, output in readers}

    return read


def _output(spec: OutputSpec) -> Reader:
    if spec.reference is None:
        return lambda frame: spec.literal
    return reader(spec.reference)
