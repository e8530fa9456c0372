"""A whole node as a process: the real supervisor with stand-ins for the loader and the workers.

Arguments are the configuration's file, then ``name=value`` for settings.
"""

from __future__ import annotations

import sys

from dbless_gateway.server import logs
from dbless_gateway.server.options import make_settings
from dbless_gateway.server.supervisor import run

LOADER = [sys.executable, "-m", "tests.unit.server.standin_loader"]
WORKER = [sys.executable, "-m", "tests.unit.server.standin_worker"]


def main(argv: list[str]) -> int:
    file, *pairs = argv
    result = make_settings(dict(pair.split("=", 1) for pair in pairs), [file], {})
    assert result.settings is not None, result.errors
    logs.configure(result.settings.log_level)
    return run(result.settings, worker_command=WORKER, loader_command=LOADER)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
