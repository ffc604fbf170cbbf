"""Logs as what a forecast starts from: pfserve's own in JSON, or a CSV with a time and a duration in each line."""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..mistake import Mistake
from .demand import Times
from .given import Given

_LINE = re.compile(r"(?P<method>[A-Z]+) (?P<path>\S+) (?P<status>\d{3}|gone) (?P<ms>\d+(?:\.\d+)?) ms \S+")
_TIMES = ("timestamp", "time", "timegenerated", "ts", "arrival", "start")
_DURATIONS_S = {
    "duration": 1.0, "duration_s": 1.0, "latency": 1.0, "latency_s": 1.0, "seconds": 1.0,
    "duration_ms": 1e-3, "durationms": 1e-3, "latency_ms": 1e-3, "totaldurationms": 1e-3, "elapsed_ms": 1e-3,
}  # fmt: skip
_STATUSES = ("status", "statuscode", "responsecode", "code")
_SUCCESS = "2"

Entry = tuple[float, float, bool]  # when it came, how long it took, whether it succeeded


def from_log(path: Path) -> Given:
    """Times are whole requests', waiting in the server included. Raises Mistake."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise Mistake(f"--from-log {path}: {problem}") from problem
    entries = sorted(_csv(path, text) if path.suffix.lower() == ".csv" else _json_lines(path, text))
    took_s = [entry[1] for entry in entries if entry[2]]
    if not took_s:
        raise Mistake(f"--from-log {path}: no request that succeeded is in it")
    first_s, lasted_s = entries[0][0], max(entries[-1][0] - entries[0][0], 1e-9)
    per_s = len(entries) / lasted_s if len(entries) > 1 else 0.0
    return Given(
        origin=f"{len(took_s):,} requests of {path.name}",
        times=Times.of(took_s),
        count=len(took_s),
        rates_per_s=(0.0, per_s),
        inside=per_s * sum(took_s) / len(took_s),
        arrivals_s=[entry[0] - first_s for entry in entries],
    )


def _json_lines(path: Path, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line)
            found = _LINE.fullmatch(entry["message"])
        except (msgspec.DecodeError, KeyError, TypeError) as problem:
            raise Mistake(f"--from-log {path}, line {number}: this is no line of a JSON log of pfserve") from problem
        if found and found["method"] == "POST" and found["path"].partition("?")[0] == "/score":
            took_s = float(found["ms"]) / 1e3
            ended_s = _moment(entry.get("time"), path, number)
            yield ended_s - took_s, took_s, found["status"].startswith(_SUCCESS)


def _csv(path: Path, text: str) -> Iterator[Entry]:
    rows = csv.DictReader(text.splitlines())
    names = {name.strip().lower(): name for name in rows.fieldnames or ()}
    at = next((names[key] for key in _TIMES if key in names), None)
    took = next((key for key in _DURATIONS_S if key in names), None)
    if at is None or took is None:
        raise Mistake(
            f"--from-log {path}: its first line has to name a time ({', '.join(_TIMES)}) "
            f"and a duration ({', '.join(_DURATIONS_S)})"
        )
    status = next((names[key] for key in _STATUSES if key in names), None)
    for number, row in enumerate(rows, 2):
        try:
            took_s = float(row[names[took]]) * _DURATIONS_S[took]
        except (TypeError, ValueError):
            raise Mistake(f"--from-log {path}, line {number}: {row[names[took]]!r} is no duration") from None
        is_success = status is None or (row[status] or "").strip().startswith(_SUCCESS)
        yield _moment(row[at], path, number), took_s, is_success


def _moment(text: object, path: Path, number: int) -> float:
    """Seconds, or a date and time."""
    try:
        return float(str(text))
    except ValueError:
        pass
    try:
        moment = datetime.datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise Mistake(f"--from-log {path}, line {number}: {text!r} is neither seconds nor a date and time") from None
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
