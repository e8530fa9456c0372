"""A loader process that knows no YAML: the file is JSON, and its fields say what happens.

It speaks the real loader's protocol, so that everything around loading is tested with real processes.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path

from dbless_gateway.config.problems import Problem
from dbless_gateway.server.frames import frame
from dbless_gateway.server.load_messages import OUTCOME, SLICE, Loaded, LoadRequest


def a_problem(message: str, severity: str = "error") -> Problem:
    return Problem("conf.json", 3, 5, 3, 9, severity, "test/problem", "services[0]", "service 0", message)


def main() -> int:
    request: LoadRequest = pickle.loads(sys.stdin.buffer.read())
    text = Path(request.files[0]).read_text() if request.files else request.inline or "{}"
    value = json.loads(text)
    if "exit" in value:
        return int(value["exit"])
    if "sleep" in value:
        time.sleep(value["sleep"])
    problems = (a_problem(value["problem"]),) if "problem" in value else ()
    if "warning" in value:
        problems = (a_problem(value["warning"], "warning"),)
    loaded = Loaded(value.get("hash", ""), {"routes": 1}, problems)
    out = sys.stdout.buffer
    out.write(frame(OUTCOME, pickle.dumps(loaded)))
    out.write(frame(SLICE, pickle.dumps(value)))
    out.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
