"""How many workers ``auto`` means: the processor time that this process may really use.

A container usually sees all processors of its host but may use only a quota of them; a worker for each
processor of the host would then be throttled as a whole, all at once, for most of every scheduling period. So
the quota of the cgroup (version 2 or 1, the tightest one on the way up), rounded up, bounds the processors of
the affinity mask.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

_QuotaOf = Callable[[Path], float | None]


def auto_workers(proc_cgroup: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of workers for ``auto``: at least one."""
    usable = len(os.sched_getaffinity(0))
    quota = cgroup_quota(proc_cgroup, root)
    return max(1, usable if quota is None else min(usable, math.ceil(quota)))


def cgroup_quota(proc_cgroup: Path, root: Path) -> float | None:
    """Return the processors that the cgroup may use, or None when there is no limit or no cgroup."""
    quotas: list[float] = []
    for line in _read(proc_cgroup).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            quotas += _quotas_up(root, group, _quota_v2)
        elif "cpu" in controllers.split(","):
            quotas += _quotas_up(root / controllers, group, _quota_v1) or _quotas_up(
                root / "cpu", group, _quota_v1
            )
    return min(quotas, default=None)


def _quotas_up(mount: Path, group: str, quota_of: _QuotaOf) -> list[float]:
    # Inside a container the path in /proc may be the host's and not exist below the mount: the mount's own
    # files, which stand for the container then, are read in any case.
    parts = PurePosixPath(group.lstrip("/")).parts
    folders = [mount.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return [quota for quota in map(quota_of, folders) if quota is not None]


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _quota_v1(folder: Path) -> float | None:
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _ratio(quota_us: str, period_us: str) -> float | None:
    # "max" (version 2) and "-1" (version 1) mean unlimited.
    quota, period = quota_us.strip(), period_us.strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
