"""Which steps are fused, and how many threads that needs at once. Graphs as text: ``name lane: needs``."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfserve.compiler.chains import fuse, reduced_needs, thread_width
from pfserve.plan import Chain, Lane, Step, StepKind

LANES = {"T": Lane.THREAD, "L": Lane.LOOP, "-": None}


def step(name: str, lane: Lane | None, needs: tuple[int, ...], index: int) -> Step:
    kind = StepKind.PROMPT if lane is None else StepKind.PYTHON
    return Step(
        name=name,
        kind=kind,
        function=len,
        is_async=lane is Lane.LOOP,
        lane=lane,
        arguments=(),
        result=index,
        needs=needs,
        guard=None,
        source="",
    )


def graph(text: str) -> list[Step]:
    steps: list[Step] = []
    for line in text.split(","):
        head, _, needs = line.partition(":")
        name, lane = head.split()
        names = [step.name for step in steps]
        wanted = tuple(sorted(names.index(need) for need in needs.split()))
        steps.append(step(name, LANES[lane], wanted, len(steps)))
    return steps


def drawn(steps: list[Step], chains: tuple[Chain, ...]) -> str:
    letters = {Lane.THREAD: "T", Lane.LOOP: "L"}
    texts = []
    for chain in chains:
        after = f"<{','.join(map(str, chain.needs))}" if chain.needs else ""
        texts.append(f"{'+'.join(steps[index].name for index in chain.steps)} {letters[chain.lane]}{after}")
    return " | ".join(texts)


CASES = {
    # what: (graph, chains, width)
    "one sync": ("a T", "a T", 1),
    "one async": ("a L", "a L", 0),
    "a lone prompt": ("p -", "p L", 0),
    "the sync echo": ("p -, a T: p", "p+a T", 1),
    "the async echo": ("p -, a L: p", "p+a L", 0),
    "a sync line": ("a T, b T: a, c T: b", "a+b+c T", 1),
    "sync, prompt, sync is one hop": ("a T, p -: a, b T: p", "a+p+b T", 1),
    "a prompt stays with what it follows": ("a T, p -: a, b L: p", "a+p T | b L<0", 1),
    "async, prompt, sync": ("a L, p -: a, b T: p", "a+p L | b T<0", 1),
    "fetch, model, parse": ("a T, m L: a, b T: m", "a T | m L<0 | b T<1", 1),
    "prompts only": ("p -, q -: p", "p+q L", 0),
    "three beside each other": ("a T, b T, c T", "a T | b T | c T", 3),
    "fan-out": ("a T, b T: a, c T: a", "a T | b T<0 | c T<0", 2),
    "join": ("a T, b T, c T: a b", "a T | b T | c T<0,1", 2),
    "diamond": ("a T, b T: a, c T: a, d T: b c", "a T | b T<0 | c T<0 | d T<1,2", 2),
    "diamond of lines": (
        "a T, b T: a, c T: a, d T: b, e T: c, f T: d e, g T: f",
        "a T | b+d T<0 | c+e T<0 | f+g T<1,2",
        2,
    ),
    "a need that is implied does not split": ("a T, b T: a, c T: a b", "a+b+c T", 1),
    "an early result used late": ("a T, b T: a, c T: b, d T: a c", "a+b+c+d T", 1),
    "a side branch splits": ("a T, b T: a, s L: a, c T: b", "a T | b+c T<0 | s L<0", 1),
    "async beside sync": ("a T, b L", "a T | b L", 1),
    "an async branch does not take the thread": ("a T, b L: a, c T: a, d T: b c", "a T | b L<0 | c T<0 | d T<1,2", 1),
    "threads that only look ordered": ("a T, x L: a, b T: x, c T", "a T | x L<0 | b T<1 | c T", 2),
    "the widest place is no level": (
        "a T, x L: a, b T: x, c T, y L: c, d T: y, z L, e T: z",
        "a T | x L<0 | b T<1 | c T | y L<3 | d T<4 | z L | e T<6",
        3,
    ),
    "at most sixteen": (",".join(f"n{i} T" for i in range(20)), " | ".join(f"n{i} T" for i in range(20)), 16),
    "nothing": ("", "", 0),
}


@pytest.mark.parametrize("what", CASES)
def test_fusion(what: str) -> None:
    text, expected, width = CASES[what]
    steps = graph(text) if text else []
    chains = fuse(steps)
    assert drawn(steps, chains) == expected
    assert thread_width(chains) == width


def test_a_long_line_is_one_chain() -> None:
    steps = [step(f"n{i}", Lane.THREAD if i % 2 else None, (i - 1,) if i else (), i) for i in range(2000)]
    [chain] = fuse(steps)
    assert chain.steps == tuple(range(2000))


@st.composite
def steps_of(draw: st.DrawFn) -> list[Step]:
    count = draw(st.integers(0, 9))
    steps = []
    for index in range(count):
        lane = draw(st.sampled_from([Lane.THREAD, Lane.LOOP, None]))
        needs = draw(st.sets(st.integers(0, index - 1))) if index else set()
        steps.append(step(f"n{index}", lane, tuple(sorted(needs)), index))
    return steps


def before(needs: list[tuple[int, ...]]) -> list[set[int]]:
    found: list[set[int]] = []
    for own in needs:
        found.append(set(own).union(*(found[need] for need in own)))
    return found


@given(steps_of())
def test_every_graph_keeps_its_order_and_its_parallelism(steps: list[Step]) -> None:
    chains = fuse(steps)
    assert sorted(index for chain in chains for index in chain.steps) == list(range(len(steps)))
    chain_of = {index: number for number, chain in enumerate(chains) for index in chain.steps}
    step_before = before([step.needs for step in steps])
    chain_before = before([chain.needs for chain in chains])
    for index, ancestors in enumerate(step_before):
        allowed = {other for number in chain_before[chain_of[index]] for other in chains[number].steps}
        earlier_here = {other for other in chains[chain_of[index]].steps if other < index}
        assert allowed | earlier_here == ancestors  # it waits for all that it needs, and for nothing else
    for number, chain in enumerate(chains):
        assert all(steps[index].lane in (None, chain.lane) for index in chain.steps)
        assert chain.unlocks == tuple(n for n, other in enumerate(chains) if number in other.needs)


@given(steps_of())
def test_the_width_is_the_largest_set_of_independent_thread_chains(steps: list[Step]) -> None:
    chains = fuse(steps)
    ancestors = before([chain.needs for chain in chains])
    threads = [number for number, chain in enumerate(chains) if chain.lane is Lane.THREAD]
    largest = max(
        size
        for size in range(len(threads) + 1)
        if any(all(a not in ancestors[b] for a, b in combinations(group, 2)) for group in combinations(threads, size))
    )
    assert thread_width(chains) == largest


@given(steps_of())
def test_the_reduction_keeps_what_is_reachable(steps: list[Step]) -> None:
    needs = [step.needs for step in steps]
    assert before(reduced_needs(needs)) == before(needs)
