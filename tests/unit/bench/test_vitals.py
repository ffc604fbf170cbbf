from __future__ import annotations

import pytest

from bench.vitals import Vitals, ended, parse_switches

STATUS = "Name:\tpython\nThreads:\t1\nvoluntary_ctxt_switches:\t123\nnonvoluntary_ctxt_switches:\t45\n"


@pytest.mark.parametrize(("status", "switches"), [(STATUS, (123, 45)), ("", (0, 0))])
def test_context_switches(status, switches):
    assert parse_switches(status) == switches


def look(*members: tuple[int, int]) -> Vitals:
    return Vitals(0, 0, 0, 0, 0, members)


def test_a_replaced_process_has_ended_even_if_its_pid_lives_on():
    assert ended([look((1, 5), (2, 5)), look((1, 5), (2, 9)), look((1, 5))]) == 2
    assert ended([look((1, 5)), look((1, 5), (2, 9))]) == 0
    assert ended([]) == 0
