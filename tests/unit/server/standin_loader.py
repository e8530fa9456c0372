"""A loader process that knows no YAML: the file is JSON, and its fields say what happens.

It speaks the real loader's protocol, so that everything around loading is tested with real processes.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from dbless_gateway.config.entities import Entities, Vault, Where
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.slices import to_slices
from dbless_gateway.server.frames import frame
from dbless_gateway.server.load_messages import OUTCOME, SLICE, Loaded, LoadRequest


def a_problem(message: str, severity: str = "error") -> Problem:
    return Problem("conf.json", 3, 5, 3, 9, severity, "test/problem", "services[0]", "service 0", message)


def carrying(value: dict[str, Any]) -> Entities:
    """Return a configuration of nothing but this value."""
    where = Where("conf.json", 1, 1)
    vault = Vault("id", "p", "env", None, value, None, 0, 0, where)
    collections: dict[str, Any] = {field.name: () for field in fields(Entities)}
    return Entities(
        **collections | {"hash": value.get("hash", ""), "format_version": "3.0", "vaults": (vault,)}
    )


def main() -> int:
    request: LoadRequest = pickle.loads(sys.stdin.buffer.read())
    text = Path(request.files[0]).read_text() if request.files else request.texts[0][1]
    value = json.loads(text)
    if "exit" in value:
        return int(value["exit"])
    if "sleep" in value:
        time.sleep(value["sleep"])
    problems = (a_problem(value["problem"]),) if "problem" in value else ()
    if "warning" in value:
        problems = (a_problem(value["warning"], "warning"),)
    entities = carrying(value)
    texts = (("conf.json", text),) if request.wants_texts else ()
    loaded = Loaded(value.get("hash", ""), {"routes": 1}, problems, texts)
    out = sys.stdout.buffer
    out.write(frame(OUTCOME, pickle.dumps(loaded)))
    for data in to_slices(entities):
        out.write(frame(SLICE, data))
    out.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
