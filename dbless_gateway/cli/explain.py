"""dbless-gateway explain: tell more about one thing.

What is told depends on what is asked: a method and a URL are a request, a single argument is the code of a
problem. Each subject has a module of its own; this one only chooses.
"""

from __future__ import annotations

import importlib

_USAGE = """\
usage: dbless-gateway explain METHOD URL -c FILE [options]
       dbless-gateway explain METHOD URL --live [options]
       dbless-gateway explain [CODE]

METHOD URL: why a route takes a request, and what becomes of it (explain METHOD URL --help tells the options).
CODE:       what the code of a problem means; without it, all codes."""


def main(argv: list[str]) -> int:
    """Explain what the arguments name."""
    if argv in (["-h"], ["--help"]):
        print(_USAGE)
        return 0
    subject = "explain_code" if len(argv) <= 1 else "explain_request"
    # The one for requests takes ten times as long to import.
    module = importlib.import_module(f"dbless_gateway.cli.{subject}")
    code: int = module.main(argv)
    return code
