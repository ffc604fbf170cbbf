"""Throttling as both versions of cgroups tell it, read from trees made by hand."""

from __future__ import annotations

import pytest

from bench.cgroup import Throttling, place, throttling

V2 = "usage_usec 9\nuser_usec 5\nnr_periods 40\nnr_throttled {}\nthrottled_usec {}\n"
V1 = "nr_periods 40\nnr_throttled {}\nthrottled_time {}\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0::/a.slice/b\n", ("", "/a.slice/b")),
        ("4:memory:/m\n1:cpu,cpuacct:/c\n0::/u\n", ("cpu,cpuacct", "/c")),
        ("3:cpuset:/s\n2:cpuacct:/x\n1:cpu:/a:b\n0::/\n", ("cpu", "/a:b")),
        ("4:memory:/m\n", None),
        ("", None),
    ],
)
def test_where_the_cpu_is_limited(text, found):
    assert place(text) == found


@pytest.fixture
def seen(tmp_path):
    """What is told of the process 7 in ``cgroup``, where these files are."""

    def look(cgroup: str, **files: str) -> Throttling | None:
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "cgroup").write_text(cgroup)
        for folder, text in files.items():
            file = tmp_path / "mount" / folder.replace("__", "/") / "cpu.stat"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return throttling(7, tmp_path / "mount", tmp_path)

    return look


def test_limits_above_count_too(seen):
    found = seen("0::/a/b\n", a__b=V2.format(3, 250_000), a=V2.format(1, 500_000), other=V2.format(9, 9))
    assert found == Throttling(4, 0.75)


def test_version_1_tells_nanoseconds(seen):
    assert seen("1:cpu:/a\n0::/\n", cpu__a=V1.format(2, 1_500_000_000)) == Throttling(2, 1.5)


def test_a_path_of_the_host_that_a_container_does_not_see(seen):
    assert seen("1:cpu:/docker/0123\n", cpu=V1.format(2, 0)) == Throttling(2, 0)


def test_a_cgroup_without_a_controller_tells_nothing(seen):
    assert seen("0::/a\n", a="usage_usec 9\nuser_usec 5\n") is None


def test_no_file_is_no_error(seen, tmp_path):
    assert seen("0::/a\n") is None
    assert throttling(8, tmp_path / "mount", tmp_path) is None
