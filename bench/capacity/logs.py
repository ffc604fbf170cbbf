"""Logs as what a forecast starts from: pfserve's own, or a CSV with a time and a duration in each line."""

from __future__ import annotations

import csv
import datetime
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..mistake import Mistake
from .demand import Times
from .given import Given
from .traffic import Traffic

_LINE = re.compile(r"(?P<method>[A-Z]+) (?P<path>\S+) (?P<status>\d{3}|gone|cut) (?P<ms>\d+(?:\.\d+)?) ms \S+")
_TEXT = re.compile(r"\[(?P<time>[^\]]+)\]\[(?P<logger>[\w.]+)\]\[[A-Z]+\] - (?P<message>.*)")
_LOGGER = "pfserve.requests"
_TIMES = ("timestamp", "time", "timegenerated", "ts", "arrival", "start")
_DURATIONS_S = {
    "duration": 1.0, "duration_s": 1.0, "latency": 1.0, "latency_s": 1.0, "seconds": 1.0,
    "duration_ms": 1e-3, "durationms": 1e-3, "latency_ms": 1e-3, "totaldurationms": 1e-3, "elapsed_ms": 1e-3,
}  # fmt: skip
_STATUSES = ("status", "statuscode", "responsecode", "code")
_SUCCESS = "2"
_FORMATS = ("%Y-%m-%d %H:%M:%S %z", "%m/%d/%Y, %I:%M:%S.%f %p", "%m/%d/%Y %I:%M:%S %p")  # beside ISO 8601
_GZIP = b"\x1f\x8b"
_WAITING = (
    "times are from the head of a request to the end of its answer, waiting in the server included; the log is taken "
    "for that of one instance"
)

Entry = tuple[float, float, bool]  # when it came, how long it took, whether it succeeded


def from_log(path: Path) -> Given:
    """A log that was rotated and packed by gzip will do too. Raises Mistake."""
    text = _text(path)
    is_csv = path.name.lower().removesuffix(".gz").endswith(".csv")
    entries, doubts = _csv(path, text) if is_csv else _log(path, text)
    entries.sort()
    took_s = [entry[1] for entry in entries if entry[2]]
    if not took_s:
        raise Mistake(f"--from-log {path}: no request that succeeded is in it")
    traffic = Traffic.of([entry[0] - entries[0][0] for entry in entries])
    if all(entry[0] % 1 < 1e-6 for entry in entries):  # whole seconds: nobody knows who came when within one
        traffic = msgspec.structs.replace(traffic, second_per_s=None, peak=None)
    per_s = len(entries) / max(traffic.lasts_s, 1.0)
    return Given(
        origin=f"{len(took_s):,} requests of {path.name}",
        times=Times.of(took_s),
        count=len(took_s),
        rates_per_s=(0.0, traffic.most_per_s),
        inside=per_s * sum(took_s) / len(took_s),
        traffic=traffic,
        doubts=(_WAITING, *doubts),
    )


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if content.startswith(_GZIP) else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as problem:
        raise Mistake(f"--from-log {path}: {problem}") from problem


def _log(path: Path, text: str) -> tuple[list[Entry], list[str]]:
    """The requests of a log, and what is wrong with it.

    What a log of a container holds beside lines of pfserve, such as tracebacks or a line that was cut by rotation,
    is passed over and told.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    is_json = any(line.startswith("{") for _, line in lines)
    entries, strange, known = [], 0, 0
    for number, line in lines:
        found = _json_line(line) if is_json else _text_line(line)
        if found is None:
            strange += 1
            continue
        known += 1
        time, message = found
        request = _LINE.fullmatch(message)
        if request and request["method"] == "POST" and request["path"].partition("?")[0] == "/score":
            took_s = float(request["ms"]) / 1e3
            ended_s = _moment(time, path, number)
            began_s = ended_s - took_s if is_json else ended_s  # text: to the second
            entries.append((began_s, took_s, request["status"].startswith(_SUCCESS)))
    if not known:
        raise Mistake(
            f"--from-log {path}: no line of it is one of a log of pfserve. Other logs: a .csv whose first line names "
            f"a time ({', '.join(_TIMES)}) and a duration ({', '.join(_DURATIONS_S)})"
        )
    if not entries:
        raise Mistake(f"--from-log {path}: no request is in it: pfserve writes them with --access-log")
    return entries, [f"{strange:,} lines of the log are none of pfserve's"] if strange else []


def _json_line(line: str) -> tuple[object, str] | None:
    """Time and message; None: it is none of pfserve's."""
    try:
        entry = msgspec.json.decode(line)
        return entry["time"], str(entry["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None


def _text_line(line: str) -> tuple[object, str] | None:
    found = _TEXT.fullmatch(line)
    if not found:
        return None
    return found["time"], found["message"] if found["logger"] == _LOGGER else ""


def _csv(path: Path, text: str) -> tuple[list[Entry], list[str]]:
    rows = csv.DictReader(text.splitlines())
    names = {name.partition("[")[0].strip().lower(): name for name in rows.fieldnames or ()}  # "TimeGenerated [UTC]"
    at = next((names[key] for key in _TIMES if key in names), None)
    took = next((key for key in _DURATIONS_S if key in names), None)
    if at is None or took is None:
        raise Mistake(
            f"--from-log {path}: its first line has to name a time ({', '.join(_TIMES)}) "
            f"and a duration ({', '.join(_DURATIONS_S)})"
        )
    status = next((names[key] for key in _STATUSES if key in names), None)
    return list(_rows(path, rows, at, (names[took], _DURATIONS_S[took]), status)), []


def _rows(
    path: Path, rows: csv.DictReader[str], at: str, took: tuple[str, float], status: str | None
) -> Iterator[Entry]:
    name, unit_s = took
    for number, row in enumerate(rows, 2):
        try:
            took_s = float(row[name]) * unit_s
        except (TypeError, ValueError):
            took_s = math.nan
        if not 0 <= took_s < math.inf:
            raise Mistake(f"--from-log {path}, line {number}: {row[name]!r} is no duration")
        is_success = status is None or (row[status] or "").strip().startswith(_SUCCESS)
        yield _moment(row[at], path, number), took_s, is_success


def _moment(told: object, path: Path, number: int) -> float:
    """Seconds, or a date and time."""
    text = str(told).strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _date(text)
    if not math.isfinite(seconds):
        raise Mistake(f"--from-log {path}, line {number}: {told!r} is neither seconds nor a date and time")
    return seconds


def _date(text: str) -> float:
    """Seconds since 1970; not a number if it is no date."""
    moment = None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        for layout in _FORMATS:
            try:
                moment = datetime.datetime.strptime(text, layout)
                break
            except ValueError:
                continue
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp() if moment else math.nan
