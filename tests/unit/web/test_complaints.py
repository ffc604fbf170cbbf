"""Log lines at most once a second per cause."""

import pytest

from pfserve.web.complaints import Complaints


def test_one_line_a_second_per_cause(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 10.0
    complaints = Complaints(lambda: now_s)
    for now_s in (10.0, 10.5, 10.9, 11.0, 11.5):
        complaints.say(429, "full at %g", now_s)
        complaints.say(503, "busy")
    assert [record.getMessage() for record in caplog.records] == ["full at 10", "busy", "full at 11", "busy"]
