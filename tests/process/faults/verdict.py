"""What the campaign claims, checked: who was to blame for each failure, and whether the numbers agree."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from process.faults.client import Request
from process.faults.schedule import MISSED, Event
from process.faults.steps import STEPS, Notes

SLACK_S = 0.25  # between the kill as we note it and its effect as a client notes it
AFTERMATH_S = 3.0  # a client that was cut off hears of it within this


_KILLED_BY_SERVER = re.compile(r"process (\d+) has held the region's lock|worker pid (\d+): killed")

HELD, HANDED_OVER = "it had their connection", "they were handed over to it"


@dataclass
class Verdict:
    """Failures by cause, and whatever should not have happened."""

    causes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    handed_over: Counter[tuple[str, bool]] = field(default_factory=Counter)  # answered through another worker, by kind


def judge(requests: list[Request], events: list[Event], notes: Notes, log: str) -> Verdict:
    """Prove of every lost request that it was lost with a killed process, or call it a violation.

    Either the kernel said that the process had its connection; or it had been handed over to the process, which has
    noted that it began it, and the one that had its connection told the client (502), or cut its stream.
    """
    verdict = Verdict(violations=list(notes.twice))
    killed = {int(found[1] or found[2]): "the server: it had stopped" for found in _KILLED_BY_SERVER.finditer(log)}
    killed |= {pid: event.what for event in events for pid in event.pids if pid}
    killed_s = {pid: event.at_s for event in events for pid in event.pids}

    def died_with(request: Request, pid: int) -> bool:
        return pid in killed and request.ended_s >= killed_s.get(pid, 0.0) - SLACK_S

    for request in requests:
        pid, begun = notes.ran.get(request.id, 0), notes.begun.get(request.id, 0)
        if request.pid and request.pid != pid:
            verdict.violations.append(f"ran in {pid}, but says otherwise: {request}")
        elif request.outcome in ("answered", "full", "left"):
            verdict.handed_over[_kind(request)] += request.outcome == "answered" and begun != 0
        elif request.outcome not in ("lost", "cut"):
            verdict.violations.append(f"{request.outcome}: {request}")
        elif holder := _holder(request, events, killed):
            what = "it ran them" if holder == pid else "another one ran them" if pid else "they had not begun"
            verdict.causes[HELD, what, killed[holder]] += 1
        elif request.told == "502" and died_with(request, begun):
            what = "it ran them" if begun == pid else "they had not begun"
            verdict.causes[HANDED_OVER, what, killed[begun]] += 1
        elif request.outcome == "cut" and died_with(request, pid):
            verdict.causes[HANDED_OVER, "it ran them", killed[pid]] += 1
        else:
            verdict.violations.append(f"lost without a kill or a word, ran in {pid}, begun in {begun}: {request}")
    return verdict


def unseen(requests: list[Request], verdict: Verdict) -> list[str]:
    """What has not happened, so that the campaign shows nothing of it."""
    kinds = sorted({_kind(request) for request in requests})
    return [f"no answer came through another worker: {kind}" for kind in kinds if not verdict.handed_over[kind]]


def _kind(request: Request) -> tuple[str, bool]:
    """What it came over, and whether it wanted a stream."""
    return request.over, bool(request.events)


def _holder(request: Request, events: list[Event], killed: dict[int, str]) -> int:
    """The killed process that had the request's connection; 0 for none."""
    for event in events:
        if request.opened_s <= event.until_s + SLACK_S and _ends_with(event, request):
            for pid, ends in event.held.items():
                if pid in killed and request.end in ends:
                    return pid
    return 0


def _ends_with(event: Event, request: Request) -> bool:
    return event.at_s - SLACK_S <= request.ended_s <= max(event.until_s, event.at_s) + AFTERMATH_S


def numbers_disagree(status: dict[str, object], requests: list[Request], events: list[Event], late: int) -> list[str]:
    """Where the admin port's numbers cannot be what happened. ``late`` requests were asked outside of the load."""
    outcomes = Counter(request.outcome for request in requests)
    answered, lost = outcomes["answered"] + late, outcomes["lost"] + outcomes["cut"] + outcomes["left"]
    wrong = []
    served, refused = int(str(status["served"])), status["refused"]
    assert isinstance(refused, dict)
    if not answered <= served <= answered + lost:
        wrong.append(f"{served} served, but clients had {answered} answers and {lost} were lost or left")
    if not outcomes["full"] <= sum(refused.values()) <= outcomes["full"] + lost:
        wrong.append(
            f"{refused} refused, but clients were refused {outcomes['full']} times and {lost} were lost or left"
        )
    exits, monitor, reloads = status["worker_exits"], status["monitor"], status["reloads"]
    assert isinstance(exits, dict) and isinstance(monitor, dict) and isinstance(reloads, dict)
    leaders = _count(events, "kill leader") + sum(event.code == 0 and any(event.pids) for event in _new_leaders(events))
    workers = sum(_count(events, f"kill {who}") for who in ("worker", "other worker"))
    if status["leaders_lost"] != leaders:
        wrong.append(f"{status['leaders_lost']} leaders lost, {leaders} killed")
    if monitor["lost"] != _count(events, "kill monitor"):
        wrong.append(f"{monitor['lost']} monitors lost, {_count(events, 'kill monitor')} killed")
    if exits["crashed"] < workers:
        wrong.append(f"{exits['crashed']} workers crashed, {workers} killed")
    codes = Counter(bool(event.code) for event in events if event.code is not None)
    if (reloads["ok"], reloads["failed"]) != (codes[False], codes[True]):
        wrong.append(f"{reloads} reloads, {codes[False]} ended well and {codes[True]} badly")
    return wrong


def _count(events: list[Event], killing: str) -> int:
    return sum(event.what.startswith(killing) and any(event.pids) for event in events)


def _new_leaders(events: list[Event]) -> list[Event]:
    """Deaths of leaders that may or may not have served: their reloads tell."""
    return [event for event in events if event.what == "kill new leader"]


def table(requests: list[Request], events: list[Event], verdict: Verdict, began_s: float, seed: int) -> str:
    """What happened, for people."""
    lasted_s = time.monotonic() - began_s
    lines = [
        f"seed {seed}, {lasted_s:.0f} s",
        "",
        "| event | times | recovered after (median, longest) |",
        "|---|---|---|",
    ]
    for what, count in sorted(Counter(event.what for event in events).items()):
        took = [event.recovered_s for event in events if event.what == what]
        lines.append(f"| {what} | {count} | {median(took):.2f} s, {max(took):.2f} s |")
    lines += ["", *_steps(events), "", *_requests(requests, verdict)]
    lines += ["", *_causes(verdict), "", f"violations: {len(verdict.violations)}"]
    return "\n".join(lines)


def _steps(events: list[Event]) -> list[str]:
    """What was done to workers that were stopped between two steps of a hand-over."""
    kinds = sorted({event.what for event in events if event.step is not None})
    lines = [f"| {' | '.join(['step', *kinds])} |", "|---" * (1 + len(kinds)) + "|"]
    counts = Counter((event.step, event.what) for event in events)
    for number, name in [*enumerate(step.name for step in STEPS), (MISSED, "nobody came by")]:
        lines.append(f"| {name} | {' | '.join(str(counts[number, kind]) for kind in kinds)} |")
    return lines


def _requests(requests: list[Request], verdict: Verdict) -> list[str]:
    """What became of them, by the kind of connection and of answer."""
    kinds = sorted({_kind(request) for request in requests})
    names = [f"{over}{', streams' if streams else ''}" for over, streams in kinds]
    lines = [f"| requests | {' | '.join(names)} |", "|---" * (1 + len(kinds)) + "|"]
    counts = Counter((request.outcome, *_kind(request)) for request in requests)
    for outcome in sorted({request.outcome for request in requests}):
        lines.append(f"| {outcome} | {' | '.join(str(counts[outcome, *kind]) for kind in kinds)} |")
    handed_over = [str(verdict.handed_over[kind]) for kind in kinds]
    lines.append(f"| answered through another worker | {' | '.join(handed_over)} |")
    took_s = {kind: [r.ended_s - r.sent_s for r in requests if _kind(r) == kind] for kind in kinds}
    lines.append(f"| longest, in s | {' | '.join(f'{max(took_s[kind]):.1f}' for kind in kinds)} |")
    return lines


def _causes(verdict: Verdict) -> list[str]:
    """Why requests were lost or cut: by what was killed, and what it had of them."""
    reasons = sorted({cause[:2] for cause in verdict.causes})
    names = [f"{had}: {what}" for had, what in reasons]
    lines = [f"| {' | '.join(['lost or cut because of', *names])} |", "|---" * (1 + len(names)) + "|"]
    for event in sorted({cause[2] for cause in verdict.causes}):
        lines.append(f"| {event} | {' | '.join(str(verdict.causes[*reason, event]) for reason in reasons)} |")
    return lines
