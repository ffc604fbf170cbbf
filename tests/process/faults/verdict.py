"""What the campaign claims, checked: who was to blame for each failure, and whether the numbers agree."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from process.faults.client import Request
from process.faults.schedule import Event

SLACK_S = 0.25  # between the kill as we note it and its effect as a client notes it
AFTERMATH_S = 3.0  # a client that was cut off hears of it within this


_KILLED_BY_SERVER = re.compile(r"process (\d+) has held the region's lock|worker pid (\d+): killed")


@dataclass
class Verdict:
    """Failures by cause, and whatever should not have happened."""

    causes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def judge(requests: list[Request], events: list[Event], ran_in: dict[str, int], log: str) -> Verdict:
    """Prove of every lost request that it was lost with a killed process, or call it a violation.

    Either the flow noted that it ran in that process, or the kernel said that the process had its connection, or the
    server said that it had been taken up by a process that died (502), and one was killed at that time.
    """
    verdict = Verdict()
    killed = {int(found[1] or found[2]): "by the server: it had stopped" for found in _KILLED_BY_SERVER.finditer(log)}
    killed |= {pid: event.what for event in events for pid in event.pids if pid}
    killed_s = {pid: event.at_s for event in events for pid in event.pids}
    for request in requests:
        if request.outcome in ("answered", "full"):
            continue
        pid = ran_in.get(request.id, 0)
        if request.outcome != "lost":
            verdict.violations.append(f"{request.outcome}: {request}")
        elif pid in killed and request.ended_s >= killed_s.get(pid, 0.0) - SLACK_S:
            verdict.causes[f"ran in a process that was killed ({killed[pid]})"] += 1
        elif holder := _holder(request, events, killed):
            what = "another process ran it, but its connection was" if pid else "it had not begun: its connection was"
            verdict.causes[f"{what} in one that was killed ({killed[holder]})"] += 1
        elif request.told == "502" and (event := _at_its_time(request, events)):
            verdict.causes[f"taken up by another process that was killed before it ran it ({event.what})"] += 1
        else:
            verdict.violations.append(f"lost without a kill, ran in {pid}: {request}")
    return verdict


def _holder(request: Request, events: list[Event], killed: dict[int, str]) -> int:
    """The killed process that had the request's connection; 0 for none."""
    for event in events:
        if request.opened_s <= event.until_s + SLACK_S and _ends_with(event, request):
            for pid, ports in event.held.items():
                if pid in killed and request.port in ports:
                    return pid
    return 0


def _at_its_time(request: Request, events: list[Event]) -> Event | None:
    """What killed a process while the request was under way."""
    slack_s = SLACK_S
    return next(
        (e for e in events if e.pids and request.sent_s <= e.until_s + slack_s and _ends_with(e, request)), None
    )


def _ends_with(event: Event, request: Request) -> bool:
    return event.at_s - SLACK_S <= request.ended_s <= max(event.until_s, event.at_s) + AFTERMATH_S


def numbers_disagree(status: dict[str, object], requests: list[Request], events: list[Event], late: int) -> list[str]:
    """Where the admin port's numbers cannot be what happened. ``late`` requests were asked outside of the load."""
    outcomes = Counter(request.outcome for request in requests)
    kills = Counter(event.what for event in events if any(event.pids))
    answered, lost = outcomes["answered"] + late, outcomes["lost"]
    wrong = []
    served, refused = int(str(status["served"])), status["refused"]
    assert isinstance(refused, dict)
    if not answered <= served <= answered + lost:
        wrong.append(f"{served} served, but clients had {answered} answers and lost {lost}")
    if not outcomes["full"] <= sum(refused.values()) <= outcomes["full"] + lost:
        wrong.append(f"{refused} refused, but clients were refused {outcomes['full']} times and lost {lost}")
    exits, monitor, reloads = status["worker_exits"], status["monitor"], status["reloads"]
    assert isinstance(exits, dict) and isinstance(monitor, dict) and isinstance(reloads, dict)
    if status["leaders_lost"] != kills["kill leader"]:
        wrong.append(f"{status['leaders_lost']} leaders lost, {kills['kill leader']} killed")
    if monitor["lost"] != kills["kill monitor"]:
        wrong.append(f"{monitor['lost']} monitors lost, {kills['kill monitor']} killed")
    if exits["crashed"] < kills["kill worker"]:
        wrong.append(f"{exits['crashed']} workers crashed, {kills['kill worker']} killed")
    done = Counter(event.what for event in events)
    if (reloads["ok"], reloads["failed"]) != (done["reload"], done["reload a bad flow"]):
        wrong.append(f"{reloads} reloads, {done['reload']} good and {done['reload a bad flow']} bad ones asked for")
    return wrong


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
    lines += ["", "| requests | |", "|---|---|", f"| asked | {len(requests)} |"]
    lines += [f"| {outcome} | {count} |" for outcome, count in sorted(Counter(r.outcome for r in requests).items())]
    lines += ["", "| lost because | |", "|---|---|"]
    lines += [f"| {cause} | {count} |" for cause, count in sorted(verdict.causes.items())]
    lines += [f"| none of these: a violation | {len(verdict.violations)} |"]
    return "\n".join(lines)
