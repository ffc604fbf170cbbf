"""What the admin port shows of an instance whose region was filled by hand."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from pfserve.config import load_config
from pfserve.region import Departure, Fact, Life, PlanFacts, Refusal, Region, SeatState
from pfserve.telemetry.admin import Admin
from pfserve.telemetry.exposition import Family, _written, exposition
from pfserve.telemetry.look import look, resident_bytes
from pfserve.telemetry.status import status_table
from pfserve.telemetry.vitals import Vitals

NS = 1_000_000_000
NOW_NS = 100_000 * NS


@pytest.fixture
def region() -> Region:
    made = Region(capacity=4, seats=4, blocks=2)
    made.master_beat_ns = NOW_NS
    made.ledger.facts[Fact.STARTED_NS] = NOW_NS - 90_061 * NS
    made.ledger.facts[Fact.GENERATION] = 2
    made.ledger.facts[Fact.RELOADS_OK] = 1
    made.ledger.generations[1], made.ledger.lives[1], made.ledger.leaders[1] = 2, Life.LIVE, 4242
    made.ledger.tell_plan(1, PlanFacts('a "quoted"\nname', "dag", "f00d", 3))
    for seat, state in ((2, SeatState.LIVE), (3, SeatState.BOOTING)):
        made.occupy(seat, 2)
        made.states[seat], made.pids[seat] = state, 0
    made.beats[2] = NOW_NS - NS // 2
    made.tickets[2], made.connections[2], made.busy[2] = 3, 5, 3
    for _ in range(2):
        made.line(2).push(2)
    page = made.ledger.pages[2]
    for _ in range(6):
        page.count_scored(200, 0.02)
    page.count_scored(429, 0.0001)
    page.count_refusal(Refusal.FULL)
    page.flush()
    made.ledger.pages[0].count_scored(200, 3.0)  # by a process that is gone
    made.ledger.pages[0].count_departure(Departure.CRASHED)
    return made


@pytest.fixture
def vitals(region: Region) -> Vitals:
    return Vitals(region, 30.0, clock_ns=lambda: NOW_NS)


def metrics(region: Region, vitals: Vitals) -> str:
    return exposition(look(region, vitals, lambda: NOW_NS), "1.2.3").decode()


def test_the_page_has_the_whole_instance(region: Region, vitals: Vitals) -> None:
    lines = metrics(region, vitals).splitlines()
    for expected in (
        'pfserve_build_info{version="1.2.3"} 1',
        "pfserve_ready 1",
        "pfserve_requests_inside 3",
        "pfserve_requests_capacity 4",
        "pfserve_line_length 2",
        'pfserve_lane_jobs{seat="2"} 3',
        'pfserve_requests_total{route="score",class="2xx"} 7',
        'pfserve_refusals_total{status="429",cause="full"} 1',
        'pfserve_request_duration_seconds_bucket{class="2xx",le="0.01"} 0',
        'pfserve_request_duration_seconds_bucket{class="2xx",le="0.025"} 6',
        'pfserve_request_duration_seconds_bucket{class="2xx",le="2.5"} 6',
        'pfserve_request_duration_seconds_bucket{class="2xx",le="5"} 7',
        'pfserve_request_duration_seconds_bucket{class="2xx",le="+Inf"} 7',
        'pfserve_request_duration_seconds_sum{class="2xx"} 0.12',
        'pfserve_request_duration_seconds_count{class="2xx"} 7',
        'pfserve_workers{state="live"} 1',
        'pfserve_connections{seat="2"} 5',
        'pfserve_worker_beat_age_seconds{seat="2"} 0.5',
        'pfserve_worker_exits_total{cause="crashed"} 1',
        'pfserve_reloads_total{result="ok"} 1',
        "pfserve_generation 2",
    ):
        assert expected in lines, expected


def test_every_series_has_one_help_and_one_type_and_comes_once(region: Region, vitals: Vitals) -> None:
    lines = metrics(region, vitals).splitlines()
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert names == [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert len(names) == len(set(names))
    series = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))


def test_text_is_escaped() -> None:
    family = Family("x", "gauge", "back\\slash\nand line", (("", {"label": 'a"b\\c\nd'}, 1.5),))
    assert list(_written(family)) == [
        "# HELP x back\\\\slash\\nand line\n# TYPE x gauge\n",
        'x{label="a\\"b\\\\c\\nd"} 1.5\n',
    ]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_prometheus_own_checker_has_nothing_to_say(region: Region, vitals: Vitals) -> None:
    text = metrics(region, vitals).encode()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=20, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_the_status_document(region: Region, vitals: Vitals) -> None:
    config = load_config({"flow": "/", "env": ("API_KEY=do-not-show",)}, {}, cores=2)
    body = Admin(config, region, vitals, "1.2.3").status()
    document = json.loads(body)
    assert (document["state"], document["inside"], document["capacity"], document["served"]) == ("ready", 3, 4, 7)
    assert document["failed"] == 0 and document["refused"]["full"] == 1
    assert document["generations"][0]["plan"]["fingerprint"] == "f00d"
    assert [(w["seat"], w["state"], w["inside"]) for w in document["workers"]] == [(2, "live", 3), (3, "booting", 0)]
    assert {"name": "workers", "value": "2", "unit": "", "origin": "default, 2 CPU cores"} in document["settings"]
    assert b"do-not-show" not in body


def test_the_table_for_people(region: Region, vitals: Vitals) -> None:
    config = load_config({"flow": "/"}, {}, cores=2)
    document = json.loads(Admin(config, region, vitals, "1.2.3").status())
    document["uptime_s"] = 90_061
    document["workers"][0]["beat_age_s"] = 0.5
    assert status_table(document) == (
        "pfserve 1.2.3: ready, up 1 d 1 h, generation 2\n"
        'flow a "quoted"\\nname (dag), fingerprint f00d\n'
        "requests: 3 of 4 inside (2 in the line), 7 served, 0 failed, 1 refused\n"
        "workers started: 0; ended: 1 crashed\n"
        "reloads: 1 ok, 0 failed\n"
        "\n"
        "seat  pid  generation  state    inside  connections  lane jobs  last beat  memory\n"
        "2     0    2           live     3       5            3          0.5 s ago  0 MB\n"
        "3     0    2           booting  0       0            0          -          0 MB"
    )


def test_the_size_of_a_process_that_is_gone_is_0() -> None:
    assert resident_bytes(0) == 0 and resident_bytes(2**22 + 1) == 0
