"""Results as dated files, with the machine and the versions beside them, and as tables inside a page."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dbless_gateway import __version__

RESULTS = Path(__file__).parent / "results"


def save(results: dict[str, Any], *, prefix: str, packages: Sequence[str], programs: Sequence[str]) -> Path:
    """Write the results of a run to a dated file, with the versions of what took part."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / time.strftime(f"{prefix}%Y-%m-%d-%H%M.json")
    document = {"machine": machine(), "versions": _versions(packages, programs), "results": results}
    file.write_text(json.dumps(document, indent=2) + "\n")
    return file


def write_between(page: Path, mark: str, text: str) -> None:
    """Put the text between the marks of that name in a page."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    head, _, rest = page.read_text().partition(begin)
    _, _, tail = rest.partition(end)
    page.write_text(head + begin + "\n" + text + end + tail)


def machine() -> dict[str, Any]:
    """Return what the figures depend on most."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release(),
    }


def _versions(packages: Sequence[str], programs: Sequence[str]) -> dict[str, str]:
    found = {"dbless-gateway": __version__, "python": platform.python_version()}
    found |= {package: version(package) for package in packages}
    for program in programs:
        if path := shutil.which(program) or shutil.which(program, path="/usr/sbin"):
            said = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
            found[program] = (said.stdout + said.stderr).splitlines()[0]
    return found
