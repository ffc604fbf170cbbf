"""Event streams: a generator's items, written as they come (contract section 1.7)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from pfserve.errors import UserError
from pfserve.plan import Plan, PromptyCall, Step, StepKind
from pfserve.web.encode import encode_outputs, unserializable, with_literal_nan, without_nan
from pfserve.web.heads import EVENTS

if TYPE_CHECKING:
    from pfserve.web.exchange import Exchange
    from pfserve.web.needs import Stream

_encode = json.JSONEncoder(allow_nan=False).encode
_encode_literally = json.JSONEncoder().encode


def can_stream(plan: Plan) -> bool:
    """Whether an output could be a generator: any python function may give one, and any model call."""
    sources = {step.result for step in plan.steps if _can_give_generator(step)}
    shown = [spec.reference for spec in plan.outputs] + [plan.returned.value if plan.returned else None]
    return any(reference is not None and reference.slot in sources for reference in shown)


def _can_give_generator(step: Step) -> bool:
    if isinstance(step.call, PromptyCall):
        return step.call.streams
    return step.kind is not StepKind.PROMPT


async def take_stream(outputs: dict[str, object]) -> tuple[str, Stream] | None:
    """Take the generator out of the outputs, with its name; None if there is none.

    Raises:
        UserError: there are several.
    """
    streams = [(name, value) for name, value in outputs.items() if isinstance(value, AsyncIterator)]
    if len(streams) > 1:
        for _, stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        raise UserError("Multiple stream output fields not supported.")
    for name, _ in streams:
        return name, outputs.pop(name)  # type: ignore[return-value]
    return None


async def send_events(
    exchange: Exchange, name: str, stream: Stream, others: dict[str, object], message_format: str, *, literal_nan: bool
) -> None:
    """Answer with an event stream: all of it but its end. ``others`` are the outputs that are no generator.

    The head goes out with the first event: what fails before that is answered like any other failure.

    Raises:
        RequestError: the generator failed, or gave what is no JSON.
    """
    try:
        if others:
            body = (with_literal_nan(encode_outputs) if literal_nan else encode_outputs)(others, message_format)
            await exchange.send(f"data: {_encode_literally(json.loads(body))}\n\n".encode(), EVENTS)
        begin = f"data: {{{_encode(name)}: "
        async for item in stream:
            if exchange.push(f"{begin}{_item(name, item, literal_nan)}}}\n\n".encode(), EVENTS):
                await exchange.drain()
        await exchange.send(b"", EVENTS)
    finally:
        await stream.aclose()


def _item(name: str, value: object, literal_nan: bool) -> str:
    """JSON as promptflow spaces and escapes it."""
    try:
        if literal_nan:
            return _encode_literally(value)
        try:
            return _encode(value)
        except ValueError:  # NaN and infinities; or a cycle, which fails again
            return _encode(without_nan(value))
    except (TypeError, ValueError, RecursionError) as problem:
        raise UserError(unserializable(name, problem)) from None
