"""dbless-gateway explain: tell more about one thing.

What is told depends on what is asked: a method and a URL are a request, a single argument is the code of a
problem. Each subject has a module of its own; this one only chooses.
"""

from __future__ import annotations

import argparse
import importlib

_USAGE = """dbless-gateway explain METHOD URL -c FILE [options]
       dbless-gateway explain METHOD URL --live [options]
       dbless-gateway explain [CODE]"""
_DESCRIPTION = """\
METHOD URL  tells why a route takes a request, and what becomes of it;
            explain METHOD URL --help tells the options
CODE        tells what the code of a problem means; without it, all codes"""


def main(argv: list[str]) -> int:
    """Explain what the arguments name."""
    if argv in (["-h"], ["--help"]):
        _parser().parse_args(argv)
    subject = "explain_code" if len(argv) <= 1 else "explain_request"
    # The one for requests takes ten times as long to import.
    module = importlib.import_module(f"dbless_gateway.cli.{subject}")
    code: int = module.main(argv)
    return code


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="dbless-gateway explain",
        usage=_USAGE,
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
