"""The life of a worker: one event loop that composes gate, lane, executor, web service and acceptor.

Nothing is decided here but the order of things: build, serve, drain, end.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
import time
from typing import Any

import uvloop

from pfserve import __version__
from pfserve.admission import Gate
from pfserve.config import ServeConfig
from pfserve.errors import PortError
from pfserve.execution import Executor, ThreadLane, attribute_prints
from pfserve.llm import Models, serve_models
from pfserve.plan import Plan
from pfserve.region import SeatState
from pfserve.telemetry.admin import Admin
from pfserve.telemetry.look import resident_bytes
from pfserve.telemetry.model_calls import ModelCallCounter
from pfserve.telemetry.vitals import Vitals
from pfserve.values.ambient import MODEL_CALLS
from pfserve.web import Limits, PrivateService, Relay, Service, Settings
from pfserve.worker.accept import Acceptor
from pfserve.worker.beat import Beat
from pfserve.worker.descriptors import connection_limit, descriptors_left
from pfserve.worker.dispatch import Dispatch
from pfserve.worker.duty import Duty
from pfserve.worker.messages import Drain, Ready, Replace, Retire, TryAgain
from pfserve.worker.wear import Wear

_log = logging.getLogger("pfserve")
_NS = 1_000_000_000

# CPU-bound threads give the loop its turn ten times as often as by default: loop p99 beside one 10.8 -> 1.4 ms.
SWITCH_INTERVAL_S = 0.0005

# Blocking generators that one worker streams at once; each keeps a thread to its end. More wait for one of them.
STREAM_THREADS = 64

# What a request allocates dies by its reference counts, and the inherited heap is frozen: cycles are rare. So the
# youngest generation is looked through every 10,000 net allocations instead of every 700.
GC_THRESHOLDS = (10_000, 10, 10)


def run_worker(duty: Duty, plan: Plan) -> int:
    """Serve until told to drain, then drain; give the exit code.

    Raises:
        PortError: the sockets are bound but may not listen.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    attribute_prints()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with contextlib.suppress(OSError):  # the folder may be gone by the time that a worker is replaced
        os.chdir(plan.folder or ".")  # as "pf flow serve" and the containers of promptflow have it
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    life = loop.create_task(Worker(duty, plan, loop).run())
    while True:
        try:
            return loop.run_until_complete(life)
        except (SystemExit, KeyboardInterrupt) as exit_:
            if life.done():
                raise
            # A task that user code started: asyncio lets these two through the loop, which then stops for all.
            _log.error("seat %d: a task of the flow's code ended with %r; the worker goes on", duty.seat, exit_)
        except RuntimeError:
            if life.done():
                raise
            _log.error("seat %d: the flow's code stopped the event loop; the worker goes on", duty.seat)


class Worker:
    """The process on a seat."""

    def __init__(self, duty: Duty, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        config = duty.config
        self._duty = duty
        self._waiting = plan.waiting
        self._loop = loop
        self._gate = Gate(duty.region, duty.seat)
        self._lane = ThreadLane(
            config.threads * plan.width, loop, patience_s=config.stuck_after_s, on_exhausted=self._ask_replacement
        )
        self._streams = ThreadLane(
            min(config.max_concurrent_requests, STREAM_THREADS),
            loop,
            patience_s=config.stuck_after_s,
            on_exhausted=self._ask_replacement,
        )
        self._models = Models()
        serve_models(loop, self._models)
        self._model_calls = ModelCallCounter(duty.region.ledger.pages[duty.seat], loop)
        MODEL_CALLS.set(self._model_calls.take)  # before there is a task: each has a copy of this context
        executor = Executor(
            plan,
            self._lane,
            models=self._models,
            streams=self._streams,
            line_timeout_s=config.line_timeout_s if plan.kind == "dag" else None,  # as promptflow (contract 2.2)
        )
        vitals, settings = Vitals(duty.region, config.stuck_after_s), _web_settings(config)
        self._dispatch = self._relay = self._private = None
        if plan.starts_blocking and config.hand_off:
            self._dispatch = self._make_dispatch(plan)
            self._relay = Relay(loop, self._dispatch.open_stream, time.monotonic)
            self._private = PrivateService(
                plan, executor, self._gate, vitals, settings, loop=loop, slots=self._dispatch
            )
        self._service = Service(
            plan,
            executor,
            self._gate,
            vitals,
            settings,
            loop=loop,
            page=duty.region.ledger.pages[duty.seat],
            admin=Admin(config, duty.region, vitals, __version__) if config.expose_admin else None,
            connection_closed=lambda _: self._acceptor.connection_lost(),
            slots=self._dispatch,
            relay=self._relay,
        )
        self._acceptor = Acceptor(
            loop=loop,
            region=duty.region,
            seat=duty.seat,
            inboxes=duty.inboxes,
            listeners=duty.listeners,
            protocol_factory=self._service.protocol,
            idle_connections=self._service.idle_connections,
            shed=self._service.shed,
            max_connections=connection_limit(config.max_connections, descriptors_left(), self._private_streams()),
            tls=duty.tls,
        )
        page = duty.region.ledger.pages[duty.seat]
        before = page.answered  # by those who had the seat before
        self._wear = Wear(
            config.max_requests,
            config.max_rss_bytes,
            answered=lambda: page.answered - before,
            resident_bytes=lambda: resident_bytes(os.getpid()),
        )
        self._has_worn_out = False
        self._beat = Beat(duty.region, duty.seat, loop, self._tick)
        self._orders: asyncio.Queue[Drain | Retire] = asyncio.Queue()
        self._adopting: set[asyncio.Task[Any]] = set()

    def _private_streams(self) -> int:
        """How many this worker has at a time: one for each request that is not where it arrived, some idle."""
        if self._dispatch is None:
            return 0
        slots_elsewhere = (self._duty.config.workers - 1) * self._lane.threads
        return 2 * max(slots_elsewhere, self._duty.config.max_concurrent_requests)

    def _make_dispatch(self, plan: Plan) -> Dispatch:
        duty, config = self._duty, self._duty.config
        return Dispatch(
            loop=self._loop,
            region=duty.region,
            seat=duty.seat,
            mailboxes=duty.mailboxes,
            lane=self._lane,
            timeout_s=config.request_timeout_s,
            wait_limit_s=config.max_queue_wait_s,
            hasty=plan.starts_alone,
            branches=not plan.is_linear,
            adopt=self._adopt_private,
        )

    def _adopt_private(self, stream: socket.socket) -> None:
        assert self._private is not None, "only a dispatch adopts streams"
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._private.protocol, stream))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def run(self) -> int:
        """Serve, then leave as ordered; a later order replaces an earlier one."""
        self._start()
        order = await self._orders.get()
        while True:
            leaving = self._loop.create_task(self._leave(order))
            newer = self._loop.create_task(self._orders.get())
            either: list[asyncio.Task[Any]] = [leaving, newer]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                newer.cancel()
                leaving.result()
                return 0
            leaving.cancel()
            order = newer.result()

    def _start(self) -> None:
        """Be ready first, then say so: from the word LIVE on, other workers pass connections here."""
        duty = self._duty
        self._lane.start()
        self._models.start()
        self._loop.add_reader(duty.channel.fileno(), self._hear_leader)
        if self._dispatch is not None:
            self._dispatch.start()
        self._beat.start()
        duty.region.states[duty.seat] = SeatState.LIVE
        try:
            self._acceptor.start()
        except OSError as problem:  # two servers that start at once can both bind; only one may listen
            raise PortError(f"cannot listen on {duty.config.host}:{duty.config.port}: {problem.strerror}") from None
        duty.channel.send(Ready())

    def _tick(self) -> None:
        self._tell_of_waiters()
        self._tell_of_lanes()
        self._gate.tick(time.monotonic(), self._service.ages_s())
        self._service.tick()
        if self._private is not None:
            self._private.tick()
        self._acceptor.balance()
        if not self._has_worn_out and (reason := self._wear.reason()):
            self._has_worn_out = True
            self._duty.channel.send(Replace(reason, is_routine=True))

    def _hear_leader(self) -> None:
        for message in self._duty.channel.receive():
            if isinstance(message, Drain | Retire):
                self._orders.put_nowait(message)
        if self._duty.channel.closed:  # without a leader nobody would reap, replace or drain this worker
            os._exit(0)

    def _tell_of_waiters(self) -> None:
        """Say that a request has been told why the flow is not served yet: the reason may have gone meanwhile."""
        if self._waiting is not None and self._waiting.asked:
            self._waiting.asked = 0
            self._duty.channel.send(TryAgain())

    def _tell_of_lanes(self) -> None:
        region, seat = self._duty.region, self._duty.seat
        region.overdue[seat] = self._lane.stuck + self._streams.stuck
        if self._dispatch is None:  # which tells of every change
            region.busy[seat] = self._lane.jobs

    def _ask_replacement(self) -> None:
        self._duty.channel.send(Replace("every thread of its lane hangs in a call that was given up"))

    async def _leave(self, order: Drain | Retire) -> None:
        dropped = await (self._drain(order) if isinstance(order, Drain) else self._retire(order))
        await self._finish_for_others(order.deadline_ns / _NS)
        if dropped:
            _log.warning("seat %d (pid %d): %d requests lost at the deadline", self._duty.seat, os.getpid(), dropped)
        self._acceptor.close()
        await self._models.close()

    async def _drain(self, order: Drain) -> int:
        """The instance goes down: finish what has come, and send everybody away."""
        deadline_s = order.deadline_ns / _NS
        await asyncio.sleep(min(order.delay_s, max(0.0, deadline_s - time.monotonic())))
        self._take_no_more()
        self._stop_listening()
        self._acceptor.give_up_handshakes()
        return await self._service.finish(deadline_s, self._acceptor.expects)

    async def _retire(self, order: Retire) -> int:
        """Others have taken over: they get everybody."""
        self._take_no_more()
        return await self._service.retire(self._acceptor.pass_on, self._acceptor.expects, order.deadline_ns / _NS)

    def _take_no_more(self) -> None:
        self._duty.region.states[self._duty.seat] = SeatState.DRAINING
        self._acceptor.stop_accepting()

    async def _finish_for_others(self, deadline_s: float) -> None:
        """Take nothing more from other workers, and finish what they have handed over."""
        if self._dispatch and self._relay and self._private:
            self._dispatch.close()
            await self._private.finish(deadline_s)
            self._relay.close()

    def _stop_listening(self) -> None:
        """Let the kernel refuse new connections. Closing would not do: master and leader have the sockets too."""
        for listener in self._duty.listeners:
            with contextlib.suppress(OSError):  # another worker was quicker
                listener.shutdown(socket.SHUT_RDWR)


def _web_settings(config: ServeConfig) -> Settings:
    return Settings(
        version=__version__,
        capacity=config.max_concurrent_requests,
        capacity_origin=config.origins.get("max_concurrent_requests", "default"),
        request_timeout_s=config.request_timeout_s,
        build_info=config.build_info,
        cors=config.cors,
        literal_nan=config.nan == "literal",
        stream_errors=config.stream_errors,
        server_timing=config.server_timing,
        slow_s=config.slow_s,
        access_log=config.access_log,
        limits=Limits(body_bytes=config.body_limit_bytes),
    )
