"""dbless-gateway diff: compare what two configurations amount to, entity by entity.

Compared is the model behind the files, complete with defaults and keyed by name: order, layout, shorthands
and times do not count. A side is a file or folder, ``-`` for standard input, or ``git:REF:path`` for a file
as it was in a commit. Exit codes: 0 compared; 1 with ``--exit-code``, there are differences; 2 wrong usage,
or a side that cannot be loaded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from dbless_gateway.cli.changes import Change, Changes, compare
from dbless_gateway.cli.model import Model, model_of
from dbless_gateway.cli.output import printable, put
from dbless_gateway.cli.sources import add_loading_flags, load_options
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.lint.hiding import environment_values, hidden
from dbless_gateway.lint.places import Places

EXIT_DIFFERENT = 1
EXIT_TROUBLE = 2

_GIT = "git:"
# A repository on a slow disk may take a while; longer means that git waits for somebody.
_GIT_TIMEOUT_S = 60


class _Trouble(Exception):
    """A side cannot be had; the message says why."""


def main(argv: list[str]) -> int:
    """Print the differences."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway diff", description="Compare what two configurations amount to."
    )
    side = "a file or folder, - for standard input, or git:REF:path"
    parser.add_argument("old", metavar="OLD", help=side)
    parser.add_argument("new", metavar="NEW", help="the same")
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="for people or for programs (default: text)",
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if there are differences")
    add_loading_flags(parser)
    arguments = parser.parse_args(argv)
    options = load_options(arguments, parser)
    try:
        secrets: list[str] = []
        old, new = (_load(name, options, secrets) for name in (arguments.old, arguments.new))
    except _Trouble as trouble:
        print(f"dbless-gateway diff: {trouble}", file=sys.stderr)
        return EXIT_TROUBLE
    changes = compare(old, new)
    put((_as_json if arguments.format == "json" else _as_text)(changes, secrets) + "\n")
    return EXIT_DIFFERENT if arguments.exit_code and changes.total() else 0


def _load(name: str, options: LoadOptions, secrets: list[str]) -> Model:
    """Return one side; the values that must not be shown are added to ``secrets``."""
    loaded = load([_source(name)], options)
    if loaded.entities is None:
        lines = [problem.one_line() for problem in loaded.problems if problem.severity == "error"]
        raise _Trouble("\n".join([f"{name} has errors:", *lines]))
    secrets += environment_values(loaded.texts, options.environ)
    return model_of(loaded.entities, Places(loaded.documents))


def _source(name: str) -> Source:
    if not name.startswith(_GIT):
        return Source(name)
    reference, colon, path = name.removeprefix(_GIT).partition(":")
    if not colon or not path or reference.startswith("-"):
        raise _Trouble(f"{name} is not git:REF:path")
    # A path without ./ would be one from the top of the repository, and not from here.
    place = path if path.startswith(("/", "./", "../")) else f"./{path}"
    command = ["git", "show", f"{reference}:{place}"]
    try:
        result = subprocess.run(command, capture_output=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Trouble(f"{name}: {error}") from None
    if result.returncode != 0:
        raise _Trouble(f"{name}: {result.stderr.decode(errors='replace').strip()}")
    return Source(name, result.stdout)


def _as_json(changes: Changes, secrets: list[str]) -> str:
    verbs = {"creating": changes.created, "updating": changes.updated, "deleting": changes.deleted}
    return json.dumps(
        {
            "changes": {
                verb: [
                    {
                        "kind": change.kind,
                        "name": hidden(change.name, secrets),
                        "body": {"old": hidden(change.old, secrets), "new": hidden(change.new, secrets)},
                    }
                    for change in found
                ]
                for verb, found in verbs.items()
            },
            "summary": {verb: len(found) for verb, found in verbs.items()} | {"total": changes.total()},
        },
        indent=2,
    )


def _as_text(changes: Changes, secrets: list[str]) -> str:
    lines = [_headline("creating", change, secrets) for change in changes.created]
    for change in changes.updated:
        lines += [_headline("updating", change, secrets), *_field_lines(change, secrets)]
    lines += [_headline("deleting", change, secrets) for change in changes.deleted]
    lines += [
        "Summary:",
        f"  Created: {len(changes.created)}",
        f"  Updated: {len(changes.updated)}",
        f"  Deleted: {len(changes.deleted)}",
    ]
    return "\n".join(lines)


def _headline(verb: str, change: Change, secrets: list[str]) -> str:
    return printable(f"{verb} {change.kind} {hidden(change.name, secrets)}")


def _field_lines(change: Change, secrets: list[str]) -> list[str]:
    """Return a line for each side of each field that differs."""
    lines = []
    for field in change.fields():
        for sign, body in (("-", change.old), ("+", change.new)):
            value = (body or {}).get(field)
            if value is not None:
                lines.append(f"  {sign} {printable(field)}: {json.dumps(hidden(value, secrets))}")
    return lines
