"""dbless-gateway explain CODE: what a problem means and what to do about it; without CODE, all codes."""

from __future__ import annotations

import argparse
import sys
import textwrap

from dbless_gateway.config.codes import CODES
from dbless_gateway.config.spelling import closest

EXIT_UNKNOWN = 2

_WIDTH = 100


def main(argv: list[str]) -> int:
    """Print the explanation of a code, or the list of codes."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway explain", description="Tell what the code of a problem means."
    )
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as schema/type; without it, all codes")
    code = parser.parse_args(argv).code
    if code is None:
        print(_all_codes())
        return 0
    if code not in CODES:
        match = closest(code, CODES, 0.5)
        hint = f"; did you mean {match}?" if match else ""
        print(f"dbless-gateway explain: there is no code {code}{hint}", file=sys.stderr)
        return EXIT_UNKNOWN
    print(explanation(code))
    return 0


def explanation(code: str) -> str:
    """Return what a person who meets this code wants to know."""
    row = CODES[code]
    meaning = textwrap.fill(row.explanation, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return f"{row.severity}[{code}]: {row.title}\n\n{meaning}"


def _all_codes() -> str:
    width = max(map(len, CODES))
    return "\n".join(f"{code:{width}}  {row.severity:7}  {row.title}" for code, row in CODES.items())
