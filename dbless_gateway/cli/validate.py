"""dbless-gateway validate: judge configuration files as ``start`` would, and tell everything that is wrong.

``validate A B`` judges each file on its own; ``validate -c A -c DIR`` judges them merged, as ``start`` does.
Exit codes: 0 valid, 1 problems, 2 wrong usage or an unreadable file, 3 a bug of ours.

Nothing here may import the event loop or the HTTP parser: this runs in save hooks and before commits. Results
go to standard output; nothing is written to standard error but wrong usage.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dbless_gateway.cli.findings import FORMATS, Judged, render
from dbless_gateway.cli.output import put
from dbless_gateway.cli.sources import add_loading_flags, load_options
from dbless_gateway.config.source import STDIN, Source
from dbless_gateway.config.spelling import closest
from dbless_gateway.config.vaults import UNRESOLVED
from dbless_gateway.lint.verdict import LINTS, NOT_RUN, judge

EXIT_PROBLEMS = 1
EXIT_UNREADABLE = 2
# What ``main`` returns for an exception that nobody expected.
EXIT_BUG = 3

_HELP_WIDTH = 100

UNREADABLE = "file/unreadable"
# Warnings that can be switched off. Beside the lints they come from old formats, from compiling, and from the
# environment.
SWITCHABLE = LINTS | {"plugin/deprecated", NOT_RUN, UNRESOLVED, "yaml/several-documents"}


def main(argv: list[str]) -> int:
    """Judge the files and print the findings."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    configurations = _configurations(arguments, parser)
    wanted = _wanted(arguments, parser)
    options = load_options(arguments, parser)
    results = []
    for name, sources in configurations:
        verdict = judge(sources, options, wanted & LINTS)
        problems = [p for p in verdict.problems if p.severity == "error" or p.code in wanted]
        results.append(Judged(name, problems, verdict.texts, verdict.places, strict=arguments.strict))
    put(render(arguments.format, results))
    return _exit_code(results)


class _Help(argparse.HelpFormatter):
    """Help of one width: to ask for the terminal's, ``argparse`` imports two compressors, whatever is asked."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_HELP_WIDTH)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbless-gateway validate",
        description="Check configuration files as start would.",
        formatter_class=_Help,
        epilog="Exit codes: 0 valid, 1 problems, 2 wrong usage or an unreadable file, 3 internal error.",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="judged on its own; a folder, or - for standard input"
    )
    parser.add_argument(
        "-c",
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="file or folder; all of these are merged and judged together, as start would",
    )
    parser.add_argument(
        "--format", choices=sorted(FORMATS), default="human", help="who reads it (default: human)"
    )
    parser.add_argument("--strict", action="store_true", help="warnings fail, too")
    parser.add_argument(
        "--lint",
        action="append",
        default=[],
        metavar="CODE",
        help="only warnings of this code; may be repeated",
    )
    parser.add_argument(
        "--no-lint",
        action="append",
        default=[],
        metavar="CODE",
        help="no warnings of this code; may be repeated",
    )
    add_loading_flags(parser)
    return parser


def _configurations(
    arguments: argparse.Namespace, parser: argparse.ArgumentParser
) -> list[tuple[str, list[Source]]]:
    """Return what is judged together, each with a name for it."""
    given = [*arguments.files, *arguments.config]
    if arguments.files and arguments.config:
        parser.error("give files to judge each on its own, or -c to judge them merged, but not both")
    if not given:
        parser.error("no file given; - is standard input")
    if given.count(STDIN) > 1:
        parser.error("standard input can be read only once")
    if arguments.config:
        return [(", ".join(arguments.config), [Source(name) for name in arguments.config])]
    return [(name, [Source(name)]) for name in arguments.files]


def _wanted(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> frozenset[str]:
    """Return the codes of warnings that are to be shown."""
    for code in (*arguments.lint, *arguments.no_lint):
        if code not in SWITCHABLE:
            match = closest(code, SWITCHABLE, 0.5)
            hint = f"; did you mean {match}?" if match else ""
            parser.error(f"{code} is no code of a warning{hint} (dbless-gateway explain lists all codes)")
    return frozenset(arguments.lint or SWITCHABLE) - frozenset(arguments.no_lint)


def _exit_code(results: Sequence[Judged]) -> int:
    if any(problem.code == UNREADABLE for result in results for problem in result.problems):
        return EXIT_UNREADABLE
    return EXIT_PROBLEMS if any(result.failed() for result in results) else 0
