"""Cores from the affinity and from control groups, as files would tell."""

from __future__ import annotations

import pytest

from pfserve.config.cores import count_cores, usable_cores

V1 = "/sys/fs/cgroup/cpu"
V2 = "/sys/fs/cgroup"


def v1(folder: str, quota: int) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": "100000\n"}


CASES = [
    ("nothing to read", 4, {}, 4),
    ("v2 without a quota", 4, {"/proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "max 100000\n"}, 4),
    ("v2 with a quota at the mount", 4, {"/proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "200000 100000\n"}, 2),
    ("a fraction is rounded up", 4, {f"{V2}/cpu.max": "150000 100000\n"}, 2),
    ("half a core is one", 4, {f"{V2}/cpu.max": "50000 100000\n"}, 1),
    ("more quota than cores", 2, {f"{V2}/cpu.max": "800000 100000\n"}, 2),
    ("v2 in our own group", 8, {"/proc/self/cgroup": "0::/a/b\n", f"{V2}/a/b/cpu.max": "300000 100000\n"}, 3),
    ("v2 in the group above", 8, {"/proc/self/cgroup": "0::/a/b\n", f"{V2}/a/cpu.max": "300000 100000\n"}, 3),
    ("v1 without a quota", 4, {"/proc/self/cgroup": "1:cpu:/\n", **v1(V1, -1)}, 4),
    ("v1 at the mount, path of the host", 4, {"/proc/self/cgroup": "3:cpu,cpuacct:/docker/x\n", **v1(V1, 150000)}, 2),
    ("v1 in our own group", 4, {"/proc/self/cgroup": "3:cpu,cpuacct:/x\n", **v1(V1 + "/x", 100000)}, 1),
    ("another controller's group", 4, {"/proc/self/cgroup": "3:memory:/x\n", **v1(V1 + "/x", 100000)}, 4),
    ("nonsense", 4, {"/proc/self/cgroup": "nonsense\n\n", f"{V2}/cpu.max": "a b c\n"}, 4),
    ("a period of zero", 4, {f"{V2}/cpu.max": "1 0\n"}, 4),
]


@pytest.mark.parametrize(("affinity", "files", "cores"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_cores(affinity: int, files: dict[str, str], cores: int):
    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    assert count_cores(affinity, read) == cores


def test_this_machine_has_at_least_one():
    assert usable_cores() >= 1
