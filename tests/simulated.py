"""A server made of two queues, one for slots and one for CPU, with a bound, random arrivals and random service."""

from __future__ import annotations

import functools
import heapq
import math
import random

import msgspec

from bench.tuner import Facts, Goal, Score, Setting, Space, Step, Verdict, step
from bench.tuner.goal import Seen
from bench.tuner.model import CROWDS, calibrate, forecast, is_limited
from bench.tuner.search import Load, goodput, next_rate

CORES = 2


class Flow(msgspec.Struct, frozen=True):
    """What a request needs, in the mean. Blocking keeps the slot, waiting does not."""

    cpu_s: float
    blocks_s: float
    waits_s: float

    @property
    def latency_s(self) -> float:
        return self.cpu_s + self.blocks_s + self.waits_s


def load(flow: Flow, setting: Setting, rate_per_s: float, requests: int = 600) -> Seen:
    """One load at one rate; the same arguments show the same."""
    dice = random.Random(f"{flow}{setting}{rate_per_s:.4f}")
    warm_up_s = 2 * flow.latency_s
    lasts_s = max(requests / rate_per_s, 3 * flow.latency_s)
    slots, processors = [0.0] * setting.slots, [0.0] * min(setting.workers, CORES)
    # More workers than cores and more threads than needed cost a little, as they do in life.
    cpu_s = flow.cpu_s * (1 + 0.03 * max(0, setting.workers - CORES) + 0.001 * setting.threads)
    inside: list[float] = []
    times, refused, offered, answered, now_s = [], 0, 0, 0, 0.0
    while (now_s := now_s + dice.expovariate(rate_per_s)) < warm_up_s + lasts_s:
        counts = now_s >= warm_up_s
        offered += counts
        while inside and inside[0] <= now_s:
            heapq.heappop(inside)
        if len(inside) >= setting.bound:
            refused += counts
            continue
        ready_s = max(now_s, slots[0], processors[0])
        computed_s = ready_s + cpu_s * dice.uniform(0.5, 1.5)
        heapq.heapreplace(processors, computed_s)
        free_s = computed_s + flow.blocks_s * dice.uniform(0.5, 1.5)
        heapq.heapreplace(slots, free_s)
        end_s = free_s + flow.waits_s * dice.uniform(0.5, 1.5)
        heapq.heappush(inside, end_s)
        answered += warm_up_s <= end_s < warm_up_s + lasts_s
        if counts:
            times.append(end_s - now_s)
    times.sort()
    percentiles = (
        {str(percent): times[math.ceil(len(times) * percent / 100) - 1] for percent in (50, 95)} if times else {}
    )
    return Seen(rate_per_s, offered, answered / lasts_s, lasts_s, refused, 0, percentiles)


@functools.cache
def truth(flow: Flow, setting: Setting, goal: Goal, requests: int = 600) -> float:
    """The goodput of a setting, but for the chance that so many requests leave."""
    loads: list[Load] = []
    first_per_s = forecast(setting, facts(flow), goal.tightest_s)
    while rate := next_rate(loads, first_per_s, facts(flow).idle_per_s):
        loads.append(Load(rate, not goal.missed(load(flow, setting, rate, requests))))
    return goodput(loads)


def facts(flow: Flow) -> Facts:
    """As a single user and growing crowds at one slot would show them."""
    for users in CROWDS:
        crowd_per_s = min(1 / (flow.cpu_s + flow.blocks_s), users / flow.latency_s)
        if is_limited(flow.latency_s, users, crowd_per_s):
            break
    return calibrate(CORES, flow.latency_s, flow.cpu_s, users, crowd_per_s)


def trial(flow: Flow, setting: Setting, goal: Goal, dice: random.Random, noise: float) -> Score:
    """A trial of a setting, with noise."""
    true_per_s = truth(flow, setting, msgspec.structs.replace(goal, rate_per_s=None))
    found = true_per_s * math.exp(dice.gauss(0, noise))
    memory = 50_000_000 + 8_000_000 * setting.workers + 50_000 * setting.slots
    if goal.rate_per_s is not None:
        return Score(setting, min(found, goal.rate_per_s), found >= goal.rate_per_s, memory)
    return Score(setting, found, found > 0, memory)


def tune(flow: Flow, space: Space, goal: Goal, most: int, seed: int, noise: float) -> tuple[Verdict, list[Score]]:
    """From the first trial to the verdict."""
    dice, scores = random.Random(seed), []
    while isinstance(asked := step(space, goal, facts(flow), scores, most), Step):
        scores.append(trial(flow, asked.setting, goal, dice, noise))
        assert len(scores) <= most
    return asked, scores
