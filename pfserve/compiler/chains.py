"""Sixth pass: steps that can follow each other without a hop become chains. Pure; positions are bits of integers.

After transitive reduction of "needs", step ``t`` joins the chain that ends with ``p`` if ``p`` is all that ``t`` needs,
``t`` is all that needs ``p``, and their lanes agree. Then nothing else could have run between the two, so that no
parallel branch waits for it. A step without a lane takes the one of its chain; a chain without a lane takes the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from pfserve.plan import Chain, Lane, Step

_NODE_CONCURRENCY = 16  # the most nodes of one request that promptflow runs at once


def fuse(steps: Sequence[Step]) -> tuple[Chain, ...]:
    """The chains of steps that stand in dependency order; the chains do too."""
    needs = reduced_needs([step.needs for step in steps])
    followers = [0] * len(steps)
    for own in needs:
        for need in own:
            followers[need] += 1
    members: list[list[int]] = []
    lanes: list[Lane | None] = []
    chain_of: list[int] = []
    for index, step in enumerate(steps):
        chain = _chain_to_join(step, needs[index], followers, chain_of, lanes)
        if chain is None:
            chain = len(members)
            members.append([])
            lanes.append(None)
        members[chain].append(index)
        lanes[chain] = lanes[chain] or step.lane
        chain_of.append(chain)
    chain_needs = [tuple(sorted({chain_of[need] for need in needs[chain[0]]})) for chain in members]
    return tuple(
        Chain(
            lane=lanes[index] or Lane.LOOP,
            steps=tuple(chain),
            needs=chain_needs[index],
            unlocks=tuple(other for other, own in enumerate(chain_needs) if index in own),
        )
        for index, chain in enumerate(members)
    )


def _chain_to_join(
    step: Step, needs: tuple[int, ...], followers: list[int], chain_of: list[int], lanes: list[Lane | None]
) -> int | None:
    if len(needs) != 1 or followers[needs[0]] != 1:
        return None
    chain = chain_of[needs[0]]
    return chain if step.lane is None or lanes[chain] in (None, step.lane) else None


def reduced_needs(needs: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """``needs`` without those that another need implies."""
    before = _ancestors(needs)
    reduced = []
    for own in needs:
        implied = 0
        for need in own:
            implied |= before[need]
        reduced.append(tuple(need for need in own if not implied >> need & 1))
    return reduced


def thread_width(chains: Sequence[Chain]) -> int:
    """The most THREAD chains of one request that can run at once, at most promptflow's node concurrency.

    The largest set of chains of which none needs another, by Dilworth's theorem: their number less the largest matching
    of chains with later ones.
    """
    before = _ancestors([chain.needs for chain in chains])
    threads = [index for index, chain in enumerate(chains) if chain.lane is Lane.THREAD]
    earlier = {later: [index for index in threads if before[later] >> index & 1] for later in threads}
    matched: dict[int, int] = {}  # earlier chain -> the later one it is matched with
    width = len(threads) - sum(_match(later, earlier, matched) for later in threads)
    return min(width, _NODE_CONCURRENCY)


def _match(start: int, earlier: dict[int, list[int]], matched: dict[int, int]) -> bool:
    """Match ``start`` with a chain before it, moving others if need be (an augmenting path, found breadth first)."""
    came_from: dict[int, int] = {}  # earlier chain -> the later one that reached it
    queue = [start]
    for later in queue:
        for candidate in earlier[later]:
            if candidate in came_from:
                continue
            came_from[candidate] = later
            if candidate in matched:
                queue.append(matched[candidate])
                continue
            _rematch(candidate, start, came_from, matched)
            return True
    return False


def _rematch(free: int, start: int, came_from: dict[int, int], matched: dict[int, int]) -> None:
    candidate = free
    while True:
        later = came_from[candidate]
        previous = next((one for one, partner in matched.items() if partner == later), None)
        matched[candidate] = later
        if later == start or previous is None:
            return
        candidate = previous


def _ancestors(needs: Sequence[tuple[int, ...]]) -> list[int]:
    """For each position, in dependency order, the set of all positions before it as bits."""
    before: list[int] = []
    for own in needs:
        mask = 0
        for need in own:
            mask |= before[need] | 1 << need
        before.append(mask)
    return before
