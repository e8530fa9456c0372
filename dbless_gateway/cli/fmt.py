"""dbless-gateway fmt: bring files into one layout; comments, order and meaning stay.

Exit codes: 0 done, or nothing to do; 1 with ``--check``, files that are not in that layout; 2 wrong usage, or
a file that cannot be rewritten without loss.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dbless_gateway.cli.files import replace_text
from dbless_gateway.cli.output import put
from dbless_gateway.config.edit import NotEditable, reformat
from dbless_gateway.config.source import STDIN

EXIT_UNFORMATTED = 1
EXIT_NOT_EDITABLE = 2


def main(argv: list[str]) -> int:
    """Format the files."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway fmt", description="Bring configuration files into one layout."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="changed in place; - is standard input")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if there is something to do"
    )
    arguments = parser.parse_args(argv)
    codes = [_format(name, check=arguments.check) for name in arguments.files]
    return max(codes)


def _format(name: str, *, check: bool) -> int:
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text("utf-8-sig")
        after = reformat(text, is_json=is_json(name, text))
    except (OSError, UnicodeDecodeError, NotEditable) as error:
        print(f"dbless-gateway fmt: {name}: {error}", file=sys.stderr)
        return EXIT_NOT_EDITABLE
    if check:
        if after != text:
            print(f"{name}: not formatted")
        return EXIT_UNFORMATTED if after != text else 0
    if name == STDIN:
        put(after)
    elif after != text:
        replace_text(Path(name), after)
        print(f"{name}: formatted")
    return 0


def is_json(name: str, text: str) -> bool:
    """Tell which of the two languages a file is written in."""
    if name == STDIN:
        return text.lstrip()[:1] == "{"
    return name.lower().endswith(".json")
