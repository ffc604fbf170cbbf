from __future__ import annotations

import pytest

from bench import proc

STAT = (
    "8080 (python -m (x) y) S 6836 6836 2893 0 -1 4194304 98 0 0 0 150 50 7 3 20 0 1 0 203537 3133440 360 "
    "18446744073709551615 94059548860416 94059548880297 140733503914000 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 "
    "94059548896304 94059548897920 94060173955072 140733503920670 140733503920690 140733503920690 140733503922155 0\n"
)

ROLLUP = """\
557222eb9000-7ffe2f24a000 ---p 00000000 00:00 0                          [rollup]
Rss:                1764 kB
Pss:                 249 kB
Pss_Dirty:           112 kB
Pss_Anon:            112 kB
Shared_Clean:       1612 kB
SwapPss:               0 kB
"""

MACHINE = """\
cpu  49268 3302 14294 334353 329 0 2622 19 0 0
cpu0 16556 1682 6620 175664 37 0 1257 6 0 0
cpu1 32712 1619 7673 158689 291 0 1364 13 0 0
"""


def test_stat_of_a_command_with_spaces_and_parentheses():
    stat = proc.parse_stat(STAT)
    assert (stat.pid, stat.parent, stat.started) == (8080, 6836, 203537)
    assert not stat.is_dead
    assert proc.parse_stat(STAT.replace(") S", ") Z")).is_dead
    assert stat.cpu_s * proc.TICKS_PER_S == pytest.approx(150 + 50 + 7 + 3)


def test_own_memory_is_that_without_files():
    told = "Pss: 222 kB\nPss_Dirty: 116 kB\nPss_Anon: 100 kB\nPss_File: 106 kB\nPss_Shmem: 16 kB\n"
    assert proc.parse_own_bytes(told) == 116 * 1024
    assert proc.parse_own_bytes("") == 0


def test_pss_is_the_line_of_that_name_and_in_bytes():
    assert proc.parse_pss_bytes(ROLLUP) == 249 * 1024


def test_a_process_without_memory_has_none():
    assert proc.parse_pss_bytes("") == 0


def test_the_machine_is_busy_except_when_idle_or_waiting():
    assert proc.parse_busy_s(MACHINE) * proc.TICKS_PER_S == pytest.approx(49268 + 3302 + 14294 + 0 + 2622 + 19)


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (10, {10, 11, 12, 13}),
        (11, {11, 12, 13}),
        (13, {13}),
        (20, {20}),
    ],
)
def test_the_tree_below_a_process(root, expected):
    parents = {1: 0, 13: 12, 12: 11, 11: 10, 10: 1, 20: 1}
    assert proc.below(root, parents) == expected
