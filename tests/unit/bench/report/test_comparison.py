from __future__ import annotations

import msgspec

from bench.budgets import judge
from bench.compare import Comparison
from bench.part import Part
from bench.report.comparison import report
from bench.series import Series

MET = judge("P2.p50", Series("pfserve", "p50", "ms", (0.1, 0.12, 0.11)))
MISSED = judge("P1.async-flask", Series("pfserve / promptflow Flask", "requests/s", "x", (40.0, 1200.0, 44.0)))
RATES = Series("pfserve", "requests/s", "/s", (33000.0, 34000.4, 35000.0))


def comparison(*verdicts, voids=()):
    return Comparison({"Python": "3.11.9"}, 3, 4, {"P1": Part((RATES,), verdicts, voids)})


def test_the_whole_text():
    assert report(comparison(MET, MISSED)) == "\n".join(
        [
            "Python: 3.11.9",
            "",
            "3 rounds of 4 s, systems in turn",
            "",
            "            system   median  min     max",
            "requests/s  pfserve  34,000  33,000  35,000  /s",
            "",
            "                budget                              measured  min    max    limit",
            "P2.p50          one connection, async echo: p50     0.110     0.100  0.120  <= 0.15 ms  met",
            "P1.async-flask  async echo flow / promptflow Flask  44.0      40.0   1,200  >= 45 x     MISSED",
            "",
            "NOT every budget measured is met",
        ]
    )


def test_all_met():
    assert comparison(MET).met
    assert report(comparison(MET)).endswith("\n\nevery budget measured is met")


def test_a_void_is_told_and_is_not_met():
    doubted = comparison(MET, voids=("async echo, pfserve: 4 requests failed",))
    assert not doubted.met
    assert "\nvoid: async echo, pfserve: 4 requests failed\n" in report(doubted)


def test_every_sample_goes_into_the_json():
    written = msgspec.json.decode(msgspec.json.encode(comparison(MET)))
    part = written["parts"]["P1"]
    assert part["series"][0]["samples"] == [33000.0, 34000.4, 35000.0]
    assert part["verdicts"][0]["budget"]["limit"] == 0.15
