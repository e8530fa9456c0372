"""How our own child processes are called: the same interpreter, the same package, whatever the directory."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

_PACKAGE_FOLDER = Path(__file__).resolve().parents[2]


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of ours."""
    # -P: the current directory is not searched for modules. A gateway started in a folder that anybody may
    # write to must not import what lies there. -O: the hot path asserts each of its state changes, which the
    # tests want and a worker need not pay for.
    return [sys.executable, "-P", "-O", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """Return our environment, in which a checkout that is not installed is found as well."""
    environment = dict(os.environ)
    if Path(sysconfig.get_path("purelib")).resolve() != _PACKAGE_FOLDER:
        known = [path for path in [environment.get("PYTHONPATH")] if path]
        environment["PYTHONPATH"] = os.pathsep.join([str(_PACKAGE_FOLDER), *known])
    return environment


def worker_environment() -> dict[str, str]:
    """Return the environment of a process that must not stall: ours, with another habit of the C library's.

    It keeps small pieces that are freed aside, and joins all of them when a large one is freed or asked for.
    After the 10,000 regexes of an old configuration that is a turn of 17 ms; joined at once they cost no more.
    """
    environment = child_environment()
    # In front: who has set the same means it. Other libraries than glibc do not look here.
    known = [tunables for tunables in [environment.get("GLIBC_TUNABLES")] if tunables]
    environment["GLIBC_TUNABLES"] = ":".join(["glibc.malloc.mxfast=0", *known])
    return environment
