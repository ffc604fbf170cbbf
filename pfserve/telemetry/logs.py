"""The log: standard logging to stdout, as text in promptflow's serving format or as JSON, without secrets of URLs.

Everything of pfserve logs to the logger ``pfserve`` or below it, what user code prints to ``execution``. Loggers of
user code are left as they are.
"""

from __future__ import annotations

import logging
import os
import re
import select
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

LOGGER = "pfserve"
EXECUTION_LOGGER = "execution"  # promptflow's name for what user code prints
PATTERN = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"
DATE_PATTERN = "%Y-%m-%d %H:%M:%S %z"

_SECRET = re.compile(r"((?:sig|key)=)[^\s;&]+")
_STDOUT = 1
_OURS = logging.Manager(logging.root)


def configure(format: str, level: str, *, pattern: str = "", date_pattern: str = "") -> None:
    """Send our records and what user code prints to stdout, from ``level`` on, in ``format`` ``"text"`` or ``"json"``.

    ``pattern`` and ``date_pattern`` replace those of the text format. May be called again at any time, in a forked
    child too: the handler is replaced, and with it the lock that another thread may have held across the fork.
    """
    handler = _Descriptor(_STDOUT)
    handler.setFormatter(_Json() if format == "json" else _Text(pattern or PATTERN, date_pattern or DATE_PATTERN))
    for name in (LOGGER, EXECUTION_LOGGER):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)


def revive() -> None:
    """Undo what ``logging.config`` and ``logging.disable`` do to our loggers: user code that calls them means its own.

    What ``logging.disable`` has said counts for loggers of the root's manager; ours have another one from here on.
    """
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and f"{name}.".startswith(f"{LOGGER}."):
            logger.disabled = False
            logger.manager = _OURS


def scrub(text: str) -> str:
    """``text`` with the values of ``sig=`` and ``key=`` made unreadable."""
    return _SECRET.sub(r"\1**data_scrubbed**", text) if "sig=" in text or "key=" in text else text


def tell(name: str, lines: Iterable[tuple[float, str]]) -> None:
    """Log messages of level INFO, each with the wall clock time at which it came about, to the logger ``name``.

    As ``logging`` would, but with one record and one ``write`` for all of them.
    """
    logger, handlers = logging.getLogger(name), logging.getLogger(LOGGER).handlers
    if not logger.isEnabledFor(logging.INFO):
        return
    record = logging.LogRecord(name, logging.INFO, "", 0, "", None, None)
    if len(handlers) == 1 and isinstance(ours := handlers[0], _Descriptor):
        ours.write("".join(f"{ours.format(_of(record, *line))}\n" for line in lines))
    else:
        for line in lines:
            logger.handle(_of(record, *line))


def _of(record: logging.LogRecord, created_s: float, message: str) -> logging.LogRecord:
    record.created, record.msg = created_s, message
    record.msecs = int(created_s % 1 * 1000) + 0.0
    return record


class _Descriptor(logging.Handler):
    """Writes each record with one ``write``: nothing is buffered, so a fork copies nothing and lines do not mix.

    A pipe that nobody empties would hold the whole instance up, even its stop. So lines that find it full are lost
    after ``patience_s``, at once as long as it stays full, and counted before the next one that finds room.
    """

    def __init__(self, descriptor: int, patience_s: float = 1.0) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._patience_s = patience_s
        self._lost = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + "\n"
        except Exception:  # logging's own rule: a bad record is told on stderr and never breaks its caller
            self.handleError(record)
            return
        self.write(text)

    def write(self, text: str) -> None:
        if not self._poll.poll(0 if self._lost else self._patience_s * 1000):
            self._lost += text.count("\n")
            return
        rest = (self._losses() + text).encode("utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:  # nobody reads stdout any more: there is no better place to say so
            pass

    def _losses(self) -> str:
        lost, self._lost = self._lost, 0
        if not lost:
            return ""
        text = f"process {os.getpid()}: {lost} lines of the log are lost, nobody took them"
        return self.format(logging.LogRecord(LOGGER, logging.WARNING, "", 0, text, None, None)) + "\n"


class _Text(logging.Formatter):
    _second = -1
    _time = ""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802: logging's name
        """The time to the second, worked out once a second."""
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, super().formatTime(record, datefmt)
        return self._time


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _clean(record.getMessage()),
            "pid": record.process,
        }
        if record.exc_info:
            facts["exception"] = _clean(self.formatException(record.exc_info))
        return orjson.dumps(facts).decode()


def _clean(text: str) -> str:
    """``text`` without secrets, and fit for UTF-8."""
    return scrub(text).encode("utf-8", "backslashreplace").decode()
