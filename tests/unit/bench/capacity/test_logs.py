"""Logs as pfserve's own code writes them, packed, broken, and of others."""

from __future__ import annotations

import gzip
import logging
from types import SimpleNamespace

import pytest

from bench.capacity.logs import from_log
from bench.mistake import Mistake
from pfserve.telemetry import logs
from pfserve.web.exchange import CUT, GONE
from pfserve.web.request_log import RequestLog

ASKED = [
    (100.25, "POST", "/score", 200, 0.5),
    (101.5, "POST", "/score?x=1", 200, 1.5),
    (102.0, "GET", "/health", 200, 0.001),
    (103.0, "POST", "/score", 429, 0.001),
    (104.0, "POST", "/score", CUT, 2.0),
    (105.0, "POST", "/score", GONE, 3.0),
]


@pytest.fixture
def written(capfd):
    """What pfserve writes to stdout of these requests, in one of its formats."""
    before = {name: (logging.getLogger(name).handlers, logging.getLogger(name).level, logging.getLogger(name).propagate)
              for name in (logs.LOGGER, logs.EXECUTION_LOGGER)}  # fmt: skip

    def write(form: str) -> str:
        logs.configure(form, "INFO")
        logging.getLogger("pfserve").info("serving on http://127.0.0.1:8080")
        for ended_s, method, path, status, took_s in ASKED:
            log = RequestLog(lambda *_: None, clock=lambda ended_s=ended_s: 1_700_000_000 + ended_s)
            log.add(
                SimpleNamespace(method=method, message=SimpleNamespace(path=path), status=status, request_id="a-b"),
                took_s,
            )
            log.flush()
        return capfd.readouterr().out

    yield write
    for name, (handlers, level, propagate) in before.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_what_pfserve_writes_in_json(written, tmp_path):
    (tmp_path / "access.log").write_text(written("json"))
    known = from_log(tmp_path / "access.log")
    assert known.origin == "2 requests of access.log" and known.times.values == (0.5, 1.5)
    assert known.traffic.requests == 5  # who was refused, cut or went away came too
    assert known.traffic.peak.arrivals_s == pytest.approx([0, 0.25, 2.25, 2.25, 3.249], abs=2e-3)
    assert known.traffic.second_per_s == 2
    assert any("waiting in the server included" in doubt for doubt in known.doubts)


def test_its_text_knows_the_time_to_the_second(written, tmp_path):
    (tmp_path / "access.log").write_text(written("text"))
    known = from_log(tmp_path / "access.log")
    assert known.times.values == (0.5, 1.5) and known.traffic.requests == 5
    assert known.traffic.peak is None and known.traffic.second_per_s is None


def test_a_rotated_log_may_be_packed(written, tmp_path):
    path = tmp_path / "access.log.1.gz"
    path.write_bytes(gzip.compress(written("json").encode()))
    assert from_log(path).times.values == (0.5, 1.5)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Mistake, match=r"access\.log\.1\.gz"):
        from_log(path)


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_stands_between_the_lines_is_passed_over_and_told(written, tmp_path, form):
    text = written(form)
    cut_off = text.splitlines()[-1][:40]
    (tmp_path / "access.log").write_text(f'Traceback (most recent call last):\n  File "x"\n{text}\n{cut_off}\n')
    known = from_log(tmp_path / "access.log")
    assert known.traffic.requests == 5 and "3 lines of the log are none of pfserve's" in known.doubts


def test_a_log_without_requests_says_how_to_get_them(written, tmp_path):
    (tmp_path / "quiet.log").write_text(written("json").splitlines()[0])
    with pytest.raises(Mistake, match="--access-log"):
        from_log(tmp_path / "quiet.log")


def test_only_failures_are_no_start(written, tmp_path):
    lines = [line for line in written("json").splitlines() if " 200 " not in line]
    (tmp_path / "access.log").write_text("\n".join(lines))
    with pytest.raises(Mistake, match="no request that succeeded"):
        from_log(tmp_path / "access.log")


@pytest.mark.parametrize(
    "content",
    [
        '127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "POST /score HTTP/1.1" 200 2326 0.2\n',  # nginx
        '{"level": "info", "msg": "request"}\n',
        "\x00\x01",
        "",
    ],
)
def test_logs_of_others_are_refused_with_what_would_do(tmp_path, content):
    (tmp_path / "other.log").write_text(content)
    with pytest.raises(Mistake, match=r"no line of it is one of a log of pfserve.*\.csv"):
        from_log(tmp_path / "other.log")


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(Mistake, match="No such file"):
        from_log(tmp_path / "none.log")
    (tmp_path / "latin.log").write_bytes(b"\xe9\xff")
    with pytest.raises(Mistake, match=r"latin\.log"):
        from_log(tmp_path / "latin.log")


def test_a_csv_of_azures_traffic_log(tmp_path):
    (tmp_path / "traffic.csv").write_text(
        '"TimeGenerated [UTC]",ResponseCode,TotalDurationMs\n'
        '"1/27/2026, 10:11:12.250 AM",200,1250\n'
        "2026-01-27T10:11:13.5000000Z,200,750\n"
        '"1/27/2026, 10:11:14.000 AM",429,2\n'
    )
    known = from_log(tmp_path / "traffic.csv")
    assert known.times.values == (0.75, 1.25)
    assert known.traffic.peak.arrivals_s == pytest.approx([0, 1.25, 1.75])


def test_a_csv_without_statuses_is_all_successes(tmp_path):
    (tmp_path / "a.csv").write_text("ts,latency\n0.5,0.1\n1.5,0.3\n")
    assert from_log(tmp_path / "a.csv").count == 2


@pytest.mark.parametrize(
    "content, words",
    [
        ("when,long\n1,2\n", "has to name a time"),
        ("time,duration\n1,fast\n", "line 2: 'fast' is no duration"),
        ("time,duration\n1,nan\n", "line 2: 'nan' is no duration"),
        ("time,duration\n1,-1\n", "line 2: '-1' is no duration"),
        ("time,duration\n1\n", "line 2: None is no duration"),
        ("time,duration\nnan,1\n", "line 2: 'nan' is neither"),
        ("time,duration\nsoon,1\n", "line 2: 'soon' is neither"),
        ("time,duration\n", "no request that succeeded"),
    ],
)
def test_a_csv_that_is_wrong_says_where(tmp_path, content, words):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(Mistake, match=words):
        from_log(tmp_path / "a.csv")
