from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbless_gateway.server.cpus import auto_workers, cgroup_quota


def write(root: Path, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root / "proc", root / "fs"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc": "0::/\n"}, None),
        ({"proc": "0::/\n", "fs/cpu.max": "max 100000\n"}, None),
        ({"proc": "0::/\n", "fs/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc": "0::/a/b\n", "fs/a/cpu.max": "200000 100000", "fs/a/b/cpu.max": "max 100000"}, 2.0),
        ({"proc": "0::/a/b\n", "fs/a/cpu.max": "400000 100000", "fs/a/b/cpu.max": "50000 100000"}, 0.5),
        # The path of the host is not there inside a container: the mount itself stands for it.
        ({"proc": "0::/docker/abc\n", "fs/cpu.max": "300000 100000"}, 3.0),
        ({"proc": "0::/\n", "fs/cpu.max": "what\n"}, None),
        ({"proc": "0::/\n", "fs/cpu.max": "100 0\n"}, None),
        (
            {
                "proc": "4:cpu,cpuacct:/x\n2:memory:/y\n",
                "fs/cpu,cpuacct/x/cpu.cfs_quota_us": "250000\n",
                "fs/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            {"proc": "1:cpu:/\n", "fs/cpu/cpu.cfs_quota_us": "-1\n", "fs/cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
    ],
)
def test_quota(tmp_path: Path, files: dict[str, str], expected: float | None) -> None:
    assert cgroup_quota(*write(tmp_path, files)) == expected


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("100 100000", 1), ("100001 100000", min(2, len(os.sched_getaffinity(0))))],
)
def test_auto_rounds_up_and_is_at_least_one(tmp_path: Path, quota: str, expected: int) -> None:
    assert auto_workers(*write(tmp_path, {"proc": "0::/\n", "fs/cpu.max": quota})) == expected


def test_auto_without_a_quota_is_the_affinity(tmp_path: Path) -> None:
    assert auto_workers(*write(tmp_path, {})) == len(os.sched_getaffinity(0))
