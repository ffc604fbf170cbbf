"""What differs between two answers: status, media type, and the body by path. Pure.

Bodies are compared as JSON where both are; streams of events by what they add up to, because how a stream is cut into
events is promised by nobody; everything else as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

_EVENTS = "text/event-stream"
_SHOWN = 100
_PART = re.compile(r"""\[(\d+|\*)\]|\[(?:"([^"]*)"|'([^']*)')\]|\.?([^.\[\]]+)""")
_ABSENT = object()

Path = tuple[str | int, ...]


class Answer(msgspec.Struct, frozen=True):
    """What a server answered; or why it did not, in ``failure``."""

    status: int = 0
    media_type: str = ""
    body: bytes = b""
    took_s: float = 0.0
    failure: str = ""


class Difference(msgspec.Struct, frozen=True):
    """One difference, as it is shown. ``place`` is ``answer``, ``status``, ``content type``, or a path of the body."""

    place: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.place}: {self.a} | {self.b}"


def read_mask(text: str) -> Path:
    """A path such as ``$.usage``, ``answers[*].id`` or ``a["b c"]``; ``*`` stands for any one part.

    Raises:
        ValueError: it is none.
    """
    rest = text.strip().removeprefix("$")
    parts: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None:
            raise ValueError(f"{text!r} is no path such as answer.id or items[*].time")
        index, double, single, name = match.groups()
        parts.append(
            int(index) if index and index != "*" else next(x for x in (index, double, single, name) if x is not None)
        )
        at = match.end()
    return tuple(parts)


def compare(a: Answer, b: Answer, masks: Sequence[Path] = ()) -> list[Difference]:
    """The differences, without those at or below a masked path."""
    if a.failure or b.failure:
        same = a.failure == b.failure
        return (
            [] if same else [Difference("answer", a.failure or f"status {a.status}", b.failure or f"status {b.status}")]
        )
    found = []
    if a.status != b.status:
        found.append(Difference("status", str(a.status), str(b.status)))
    if a.media_type != b.media_type:
        found.append(Difference("content type", a.media_type or "none", b.media_type or "none"))
    if () in masks:
        return found
    for path, one, other in _walk(_content(a), _content(b), ()):
        if not any(_covers(mask, path) for mask in masks):
            found.append(Difference(_spelled(path), _shown(one), _shown(other)))
    return found


def _content(answer: Answer) -> object:
    text = answer.body.decode("utf-8", "backslashreplace")
    if answer.media_type == _EVENTS:
        return _added_up(_events(text))
    if answer.media_type.endswith("json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _events(text: str) -> Iterator[tuple[str, object]]:
    """Each event's kind and data, as JSON where it is some."""
    for block in re.split(r"\r?\n\r?\n", text):
        lines = [line.partition(":")[::2] for line in block.splitlines()]
        data = "\n".join(value.removeprefix(" ") for field, value in lines if field == "data")
        kind = next((value.strip() for field, value in lines if field == "event"), "")
        if data:
            try:
                yield kind, json.loads(data)
            except (ValueError, RecursionError):
                yield kind, data


def _added_up(events: Iterable[tuple[str, object]]) -> object:
    """Texts under one name joined; all else in the order in which it came."""
    whole: dict[str, object] = {}
    others: list[object] = []
    for kind, data in events:
        if kind or not isinstance(data, dict):
            others.append([kind, data])
            continue
        for name, value in data.items():
            before = whole.get(name, "" if isinstance(value, str) else _ABSENT)
            if isinstance(value, str) and isinstance(before, str):
                whole[name] = before + value
            else:
                whole[name] = value if before is _ABSENT else [before, value]
    return {**whole, "(other events)": others} if others else whole


def _walk(a: object, b: object, path: Path) -> Iterator[tuple[Path, object, object]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            yield from _walk(a.get(key, _ABSENT), b.get(key, _ABSENT), (*path, key))
    elif isinstance(a, list) and isinstance(b, list):
        for index in range(max(len(a), len(b))):
            one = a[index] if index < len(a) else _ABSENT
            yield from _walk(one, b[index] if index < len(b) else _ABSENT, (*path, index))
    elif a is _ABSENT or b is _ABSENT or isinstance(a, bool) != isinstance(b, bool) or a != b:
        yield path, a, b


def _covers(mask: Path, path: Path) -> bool:
    return len(mask) <= len(path) and all(
        part in ("*", str(at)) or part == at for part, at in zip(mask, path, strict=False)
    )


def _spelled(path: Path) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else _name(part) for part in path)
    return "$" + "".join(parts)


def _name(key: str) -> str:
    return f".{key}" if re.fullmatch(r"[\w-]+", key) else f"[{json.dumps(key, ensure_ascii=False)}]"


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
