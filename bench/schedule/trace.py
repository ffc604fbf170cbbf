"""Times of requests that came once, from a file.

JSON lines: a number, or an object with one of the :data:`KEYS`. CSV: a column with such a name, or the first one.
Times are seconds, or dates and times as ISO 8601 writes them.
"""

from __future__ import annotations

import csv
import datetime
import math
from pathlib import Path

import msgspec

from ..mistake import Mistake
from .load import Trace

KEYS = ("timestamp", "time", "ts", "arrival", "offset", "start")


def read(path: Path, speed: float) -> Trace:
    """The trace in ``path``, from 0 on, ``speed`` times as fast. Raises Mistake."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise Mistake(f"--trace {path}: {problem}") from problem
    try:
        times = sorted(_csv(path, text) if path.suffix.lower() == ".csv" else _json_lines(path, text))
    except csv.Error as problem:
        raise Mistake(f"--trace {path}: {problem}") from problem
    if not times:
        raise Mistake(f"--trace {path}: no request is in it")
    return Trace(tuple((time_s - times[0]) / speed for time_s in times))


def _json_lines(path: Path, text: str) -> list[float]:
    lines = ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    return [_seconds(_stamp(path, number, line), path, number) for number, line in lines]


def _stamp(path: Path, number: int, line: str) -> object:
    try:
        entry = msgspec.json.decode(line)
    except msgspec.DecodeError as problem:
        raise Mistake(f"--trace {path}, line {number}: no JSON: {problem}") from problem
    if not isinstance(entry, dict):
        return entry
    for name, value in entry.items():
        if name.lower() in KEYS:
            return value
    raise Mistake(f"--trace {path}, line {number}: none of {', '.join(KEYS)} is in it")


def _csv(path: Path, text: str) -> list[float]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if not rows:
        return []
    names = [name.strip().lower() for name in rows[0]]
    column = next((names.index(key) for key in KEYS if key in names), 0)
    body = rows[1:] if _is_head(rows[0], column) else rows
    first = 1 + len(rows) - len(body)
    return [_seconds(_cell(row, column), path, number) for number, row in enumerate(body, first)]


def _is_head(row: list[str], column: int) -> bool:
    return _parse(row[column]) is None


def _cell(row: list[str], column: int) -> str:
    return row[column] if column < len(row) else ""


def _seconds(stamp: object, path: Path, number: int) -> float:
    found = _parse(str(stamp)) if isinstance(stamp, str | int | float) and not isinstance(stamp, bool) else None
    if found is None:
        raise Mistake(f"--trace {path}, line {number}: {stamp!r} is neither seconds nor a date and time")
    return found


def _parse(text: str) -> float | None:
    """None if it is no moment: not a number is none, and endless time neither."""
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number if math.isfinite(number) else None
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
