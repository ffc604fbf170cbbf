"""``POST /score``: look, read, admit, execute, release, reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import hdrs

from pfserve.errors import NotAcceptable, NotStarted, TooManyRequests
from pfserve.web.accept import Wanted, negotiate, unacceptable_message
from pfserve.web.encode import encode_outputs, encode_returned, with_literal_nan
from pfserve.web.events import send_events, take_stream
from pfserve.web.exchange import Exchange, Stage
from pfserve.web.relay import GRANTED, NUMBER, SEAT, Reply

if TYPE_CHECKING:
    from pfserve.web.body import Bodies
    from pfserve.web.decode import Decoder
    from pfserve.web.needs import Executor, Gate, Slots
    from pfserve.web.relay import Relay

_OK = 200
_JSON, _ANSWERING = Wanted.JSON, Stage.ANSWERING  # looking up a member of an enum takes its time


class Scoring:
    """Serves the flow.

    ``can_stream`` says whether an output of it can be a generator, ``returned`` whether the outputs are what one step
    returned, ``timed`` whether somebody wants to know when they were there, ``ages_s`` how long requests have been
    running; ``count_wait`` is told how long one that succeeded had waited in the line; ``full_message`` is what a
    refused client reads. ``slots`` and ``relay`` are for a flow that needs a slot to start.
    """

    def __init__(
        self,
        executor: Executor,
        gate: Gate,
        *,
        decode: Decoder,
        bodies: Bodies,
        can_stream: bool,
        returned: bool,
        ages_s: Callable[[], list[float]],
        count_wait: Callable[[float], None],
        full_message: str,
        message_format: str,
        literal_nan: bool = False,
        timed: bool = False,
        slots: Slots | None = None,
        relay: Relay | None = None,
    ) -> None:
        self._executor = executor
        self._gate = gate
        self._decode = decode
        self._bodies = bodies
        self._can_stream = can_stream
        encode = encode_returned if returned else encode_outputs
        self._encode = with_literal_nan(encode) if literal_nan else encode
        self._literal_nan = literal_nan
        self._ages_s = ages_s
        self._count_wait = count_wait
        self._full_message = full_message
        self._message_format = message_format
        self._slots = slots
        self._is_short = slots is None and not timed
        self._relay = relay

    async def serve(self, exchange: Exchange) -> None:
        """Run the flow for one request and answer it.

        Raises:
            RequestError: what the client is to be told instead.
        """
        wanted = self._wanted(exchange) if hdrs.ACCEPT in exchange.headers else _JSON
        gate = self._gate
        if gate.full():
            raise self._full()
        content = await self._bodies.receive(exchange)
        values = self._decode(content)
        if not gate.admit():
            raise self._full()
        try:
            exchange.stage = Stage.RUNNING
            answer: bytes | Reply | None
            if self._is_short and wanted is _JSON:  # as _run does, without a coroutine more
                answer = self._encode(await self._executor.run(values), self._message_format)
            elif self._slots is None:
                answer = await self._run(exchange, values, wanted)
            else:
                answer = await self._run_in_turn(exchange, values, wanted, content, self._slots)
        finally:
            gate.release()  # before the reply: who has it may come again at once, to any worker
        _reply(exchange, answer)

    async def serve_handed_over(self, exchange: Exchange) -> None:
        """Run the flow for a request that another worker has admitted and hands over.

        Raises:
            RequestError: what the client is to be told instead.
        """
        slots = self._slots
        assert slots is not None, "requests are handed over only where they need a slot"
        wanted = self._wanted(exchange) if hdrs.ACCEPT in exchange.headers else _JSON
        values = self._decode(await self._bodies.receive(exchange))
        told = exchange.headers
        if not slots.take_up(int(told[SEAT]), int(told[NUMBER]), float(told[GRANTED])):
            exchange.connection.abort()  # nothing has started: it is waited for elsewhere
            return
        if not exchange.connection.send_processing():
            return
        exchange.stage = Stage.RUNNING
        while True:
            try:
                answer = await self._run(exchange, values, wanted)
            except NotStarted:  # but it was said to have started
                continue
            _reply(exchange, answer)
            return

    async def _run(self, exchange: Exchange, values: dict[str, object], wanted: Wanted) -> bytes | None:
        """Run the flow here, and give the body of the answer; None if it was sent as a stream, all but its end."""
        if wanted is _JSON:
            outputs = await self._executor.run(values)
            exchange.stage = _ANSWERING
            return self._encode(outputs, self._message_format)
        return await self._stream(exchange, values, wanted)

    async def _run_in_turn(
        self, exchange: Exchange, values: dict[str, object], wanted: Wanted, content: bytes, slots: Slots
    ) -> bytes | Reply | None:
        """Run the flow where a slot is free, here or in another worker; wait for one."""
        if slots.at_once():
            try:
                return await self._run(exchange, values, wanted)
            except NotStarted:
                pass
        waiter = slots.enter(exchange.arrived_s)
        while True:
            exchange.stage = Stage.WAITING
            away = await slots.turn(waiter)
            try:
                answer: bytes | Reply | None
                if away is None:
                    exchange.begin()
                    answer = await self._run(exchange, values, wanted)
                else:
                    assert self._relay is not None
                    answer = await self._relay.run(exchange, content, away)
            except NotStarted:
                continue
            if not isinstance(answer, tuple) or answer[0] == _OK:  # which failures of another worker's are, too
                self._count_wait(exchange.began_s - exchange.arrived_s)
            return answer

    def _wanted(self, exchange: Exchange) -> Wanted:
        """What the client accepts. Refuses, before the flow runs, what certainly could not be answered after it."""
        accept = _accept(exchange)
        wanted = negotiate(accept)
        if wanted is Wanted.NOTHING or (wanted is Wanted.EVENTS and not self._can_stream):
            raise NotAcceptable(unacceptable_message(accept))
        return wanted

    async def _stream(self, exchange: Exchange, values: dict[str, object], wanted: Wanted) -> bytes | None:
        """Answer with a stream, all but its end; or give the body of an answer, if the flow gave no generator."""
        outputs = await self._executor.run(values, True)
        found = await take_stream(outputs)
        if found is not None:
            await send_events(exchange, *found, outputs, self._message_format, literal_nan=self._literal_nan)
            return None
        exchange.stage = _ANSWERING
        body = self._encode(outputs, self._message_format)
        if wanted is Wanted.EVENTS:
            raise NotAcceptable(unacceptable_message(_accept(exchange)))
        return body

    def _full(self) -> TooManyRequests:
        return TooManyRequests(self._full_message, self._gate.retry_after_s(self._ages_s()))


def _reply(exchange: Exchange, answer: bytes | Reply | None) -> None:
    if answer is None:
        exchange.end_stream()
    elif isinstance(answer, bytes):
        exchange.reply(200, answer)
    else:
        exchange.reply(*answer)


def _accept(exchange: Exchange) -> str:
    return ",".join(exchange.headers.getall(hdrs.ACCEPT))
