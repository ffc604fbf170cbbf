"""What a record becomes: one line, in promptflow's format or as JSON, without secrets."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re

import pytest

from pfserve.telemetry import configure, logs


@pytest.fixture
def log(capfd):
    """Log through ``pfserve`` and give back what reached stdout."""
    logger = logging.getLogger("pfserve")
    before = (logger.handlers, logger.propagate, logger.level)

    def lines(*arguments, level=logging.INFO, name="pfserve", **options):
        logging.getLogger(name).log(level, *arguments, **options)
        return capfd.readouterr().out

    yield lines
    logger.handlers, logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def test_text_has_the_format_of_promptflows_serving_logger(log):
    configure("text", "INFO")
    line = log("served %d", 3)
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\]\[pfserve\]\[INFO\] - served 3\n", line), line


def test_patterns_of_the_operator_replace_it(log):
    configure("text", "INFO", pattern="%(asctime)s|%(message)s", date_pattern="%Y")
    assert re.fullmatch(r"\d{4}\|hello\n", log("hello"))


def test_json_is_one_object_a_line(log):
    configure("json", "INFO")
    line = log("two\nlines %s", "ü", level=logging.WARNING, name="pfserve.web")
    assert line.count("\n") == 1
    facts = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", facts.pop("time"))
    assert facts == {"level": "WARNING", "logger": "pfserve.web", "message": "two\nlines ü", "pid": os.getpid()}


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_comes_along_and_is_scrubbed(log, form: str):
    configure(form, "INFO")
    try:
        raise ValueError("GET https://x/?sig=abc&a=1")
    except ValueError:
        out = log("failed", exc_info=True)
    assert "Traceback" in out
    assert "sig=**data_scrubbed**&a=1" in out
    assert "abc" not in out


@pytest.mark.parametrize("form", ["text", "json"])
def test_below_the_level_there_is_nothing(log, form: str):
    configure(form, "ERROR")
    assert log("quiet", level=logging.WARNING) == ""
    assert log("loud", level=logging.ERROR) != ""


def test_configured_twice_it_tells_once(log):
    configure("json", "INFO")
    configure("text", "INFO")
    assert log("once").count("once") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_characters_that_utf8_has_not_are_escaped(log, form: str):
    configure(form, "INFO")
    assert "\\udcff" in log("\udcff").replace("\\\\", "\\")


def test_a_closed_stdout_breaks_nobody(log):
    reader, writer = os.pipe()
    os.close(reader)
    configure("text", "INFO")
    logging.getLogger("pfserve").handlers[0]._descriptor = writer
    log("nobody listens")
    os.close(writer)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_pipe_that_nobody_empties_holds_nobody_up(log, form: str):
    """What finds it full is lost, and counted once there is room."""
    reader, writer = os.pipe()
    fill(writer)
    configure(form, "INFO")
    ours = logs._Descriptor(writer, patience_s=0.01)
    ours.setFormatter(logging.getLogger("pfserve").handlers[0].formatter)
    logging.getLogger("pfserve").handlers = [ours]
    log("one")
    log("two")
    logs.tell("pfserve", [(0.0, "three"), (0.0, "four")])
    os.read(reader, 1 << 20)
    log("five")
    told = os.read(reader, 1 << 20).decode().splitlines()
    assert len(told) == 2
    assert f"process {os.getpid()}: 4 lines of the log are lost, nobody took them" in told[0] and "WARNING" in told[0]
    assert "five" in told[1]
    os.close(reader)
    os.close(writer)


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 4096)
    os.set_blocking(pipe, True)


SCRUBBED = [
    ("nothing", "nothing"),
    ("sig=a", "sig=**data_scrubbed**"),
    ("?sig=a%2F&key=b;c", "?sig=**data_scrubbed**&key=**data_scrubbed**;c"),
    ("api_key=abc def", "api_key=**data_scrubbed** def"),
    ("key=", "key="),
    ("key: abc", "key: abc"),
]


@pytest.mark.parametrize(("text", "scrubbed"), SCRUBBED)
def test_scrub(text: str, scrubbed: str):
    assert logs.scrub(text) == scrubbed


def test_many_lines_are_told_by_one_write(log, capfd, monkeypatch):
    configure("text", "INFO", date_pattern="%H:%M:%S")
    writes = []
    monkeypatch.setattr(os, "write", lambda _, text: writes.append(bytes(text)) or len(text))
    monkeypatch.setenv("TZ", "UTC")
    logs.tell("pfserve.some", [(0.0, "one ?key=abc"), (3601.5, "two"), (3601.9, "100 %s")])
    assert writes == [
        b"[00:00:00][pfserve.some][INFO] - one ?key=**data_scrubbed**\n"
        b"[01:00:01][pfserve.some][INFO] - two\n"
        b"[01:00:01][pfserve.some][INFO] - 100 %s\n"
    ]


def test_lines_told_together_have_their_own_times_in_json(log, capfd):
    configure("json", "INFO")
    logs.tell("pfserve.some", [(0.25, "one"), (1.5, "two")])
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(line["time"], line["message"]) for line in told] == [
        ("1970-01-01T00:00:00.250+00:00", "one"),
        ("1970-01-01T00:00:01.500+00:00", "two"),
    ]
    assert {line["logger"] for line in told} == {"pfserve.some"}


def test_nothing_is_told_above_its_level(log, capfd):
    configure("text", "WARNING")
    logs.tell("pfserve.some", [(0.0, "one")])
    assert capfd.readouterr().out == ""
