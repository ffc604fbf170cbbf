"""Walking chains that branch: each starts as soon as all that it needs is there."""

from __future__ import annotations

import asyncio
from collections import deque
from operator import itemgetter
from typing import Any, TypeAlias

from pfserve.errors import RequestError
from pfserve.execution.frame import UNSET, Frame
from pfserve.execution.runners import Runner, Running
from pfserve.plan import Plan

AT_ONCE = 16  # chains of one request that run at the same time: promptflow's node concurrency
GRACE_S = 0.005  # after a failure, for nodes that promptflow would have started before the one that failed

Rank: TypeAlias = tuple[int, int]
"""When promptflow would start a step: after how many others at least, then by its place in the flow."""


class Graph:
    """The chains of a plan and what each waits for. One for all requests."""

    def __init__(self, plan: Plan, runners: list[Runner]) -> None:
        chains = plan.chains
        ranks = _ranks(plan)
        self._steps = [[(ranks[index], plan.steps[index].result) for index in chain.steps] for chain in chains]
        self.runners = runners
        self.unlocks = [chain.unlocks for chain in chains]
        self.missing = [len(chain.needs) for chain in chains]
        self.roots = [index for index, chain in enumerate(chains) if not chain.needs]

    async def walk(self, frame: Frame) -> None:
        """Run every chain. The first failure cancels the chains that run, starts no more, and is raised.

        Of failures at about the same time that of the step is raised that promptflow would have started first: a chain
        of ours may be steps ahead of what stands beside it, and which of them fails first would be chance.
        """
        await _Walk(self, frame).run()

    def rank(self, chain: int, frame: Frame) -> Rank:
        """The rank of the chain's first step that has not finished."""
        steps = self._steps[chain]
        return next((rank for rank, result in steps if frame[result] is UNSET), steps[-1][0])


def _ranks(plan: Plan) -> list[Rank]:
    depths: list[int] = []
    for step in plan.steps:
        depths.append(1 + max((depths[need] for need in step.needs), default=0))
    return [(depth, index) for index, depth in enumerate(depths)]


class _Walk:
    """One request on its way through a graph."""

    def __init__(self, graph: Graph, frame: Frame) -> None:
        self._graph = graph
        self._frame = frame
        self._missing = graph.missing.copy()
        self._ready = deque(graph.roots)
        self._running: dict[asyncio.Future[Any], tuple[int, Running]] = {}
        self._finished: deque[asyncio.Future[Any]] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._failed = 0  # the chain whose failure ends the walk

    async def run(self) -> None:
        try:
            while self._ready or self._running:
                if len(self._ready) == 1 and not self._running:
                    await self._run_within(self._ready.popleft())
                else:
                    self._start_ready()
                    await self._until_one_finished()
                    self._take_finished()
        except RequestError as problem:
            failure = await self._first_failure(problem)
        except (Exception, asyncio.CancelledError):
            await self._give_up()
            raise
        else:
            return
        try:
            raise failure
        finally:
            del failure  # it holds this frame, which would hold it

    async def _run_within(self, index: int) -> None:
        """Nothing could run beside it: it needs no task."""
        self._failed = index
        await self._graph.runners[index].run(self._frame)
        self._unlock(index)

    def _start_ready(self) -> None:
        while self._ready and len(self._running) < AT_ONCE:
            index = self._ready.popleft()
            running = self._graph.runners[index].start(self._frame)
            self._running[running.future] = index, running
            running.future.add_done_callback(self._note)

    def _note(self, future: asyncio.Future[Any]) -> None:
        self._finished.append(future)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _until_one_finished(self) -> None:
        if not self._finished:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    def _take_finished(self) -> None:
        while self._finished:
            self._unlock(self._result_of(self._finished.popleft()))

    def _result_of(self, future: asyncio.Future[Any]) -> int:
        """The index of the chain that has finished. Raises its failure."""
        index = self._running.pop(future)[0]
        try:
            future.result()
        except RequestError:
            self._failed = index
            raise
        finally:
            del future  # it holds the failure, which holds this frame
        return index

    async def _first_failure(self, problem: RequestError) -> RequestError:
        """Give up, but first let those fail that are about to and would have been started earlier; the one to raise."""
        found = [(self._graph.rank(self._failed, self._frame), problem)]
        earlier = [future for future, rank in self._ranked() if rank[0] < found[0][0][0]]
        try:
            if earlier:
                await asyncio.wait(earlier, timeout=GRACE_S)
            for future, rank in self._ranked():
                if future.done() and not future.cancelled() and isinstance(other := future.exception(), RequestError):
                    found.append((rank, other))
            return min(found, key=itemgetter(0))[1]
        finally:
            await self._give_up()

    def _ranked(self) -> list[tuple[asyncio.Future[Any], Rank]]:
        return [(future, self._graph.rank(index, self._frame)) for future, (index, _) in self._running.items()]

    def _unlock(self, index: int) -> None:
        for next_index in self._graph.unlocks[index]:
            self._missing[next_index] -= 1
            if not self._missing[next_index]:
                self._ready.append(next_index)

    async def _give_up(self) -> None:
        """Cancel what runs, and see it end: no step outlives its request on the loop."""
        unfinished = set(self._running)
        while unfinished:
            for future in unfinished:
                self._running[future][1].give_up()
            try:
                _, unfinished = await asyncio.wait(unfinished)
            except asyncio.CancelledError:
                continue  # the request is cancelled (again): so are they, once more
        for future in self._running:
            if not future.cancelled():
                future.exception()  # looked at, so that asyncio does not complain; the first failure is the error
