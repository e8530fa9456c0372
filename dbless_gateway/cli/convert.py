"""dbless-gateway convert: bring a file of format 1.1 or 2.1 to 3.0.

The new text goes to standard output, or in place of the file with ``--write``; what was changed and what a
person must decide goes to standard error. Exit codes: 0 converted, 1 converted with something left to decide,
2 wrong usage, or a file that cannot be rewritten without loss.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dbless_gateway.cli.files import replace_text
from dbless_gateway.cli.fmt import is_json
from dbless_gateway.cli.output import put
from dbless_gateway.config.edit import NotEditable
from dbless_gateway.config.edit_version import CURRENT, Converted, convert
from dbless_gateway.config.source import STDIN

EXIT_OPEN = 1
EXIT_NOT_EDITABLE = 2


def main(argv: list[str]) -> int:
    """Convert one file."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway convert", description="Bring a configuration file to a newer format."
    )
    parser.add_argument("file", metavar="FILE", help="what to convert; - is standard input")
    parser.add_argument("--to", choices=[CURRENT], default=CURRENT, help=f"the format (default: {CURRENT})")
    parser.add_argument("--write", action="store_true", help="change the file itself")
    arguments = parser.parse_args(argv)
    name = arguments.file
    if arguments.write and name == STDIN:
        parser.error("standard input cannot be written back")
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text("utf-8-sig")
        converted = convert(text, is_json=is_json(name, text))
    except (OSError, UnicodeDecodeError, NotEditable) as error:
        print(f"dbless-gateway convert: {name}: {error}", file=sys.stderr)
        return EXIT_NOT_EDITABLE
    if arguments.write:
        replace_text(Path(name), converted.text)
    else:
        put(converted.text)
    return _tell(name, converted)


def _tell(name: str, converted: Converted) -> int:
    for note in converted.notes:
        kind = "left to you" if note.is_open else "changed"
        print(f"{name}:{note.line}: {kind}: {note.text}", file=sys.stderr)
    return EXIT_OPEN if any(note.is_open for note in converted.notes) else 0
