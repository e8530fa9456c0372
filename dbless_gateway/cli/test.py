"""dbless-gateway test: play test files against a configuration, in this process and without a network.

Exit codes: 0 all tests passed, 1 some did not, 2 wrong usage, or a file that cannot be used. What no test has
reached (``--coverage``) is told and does not fail.
"""

from __future__ import annotations

import argparse
import sys

from dbless_gateway.cli.output import put
from dbless_gateway.cli.rehearsing import add_configuration_flags, open_rehearsal
from dbless_gateway.cli.results import FORMATS, Results
from dbless_gateway.cli.sources import load_options
from dbless_gateway.config.source import Source
from dbless_gateway.lint.hiding import hidden
from dbless_gateway.rehearsal.cases import Case, read_cases
from dbless_gateway.rehearsal.coverage import coverage_of
from dbless_gateway.rehearsal.judging import play
from dbless_gateway.rehearsal.rehearsal import Rehearsal, Unanswered

EXIT_FAILED = 1
EXIT_UNUSABLE = 2


def main(argv: list[str]) -> int:
    """Play the files and print the results."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    cases, problems = read_cases([Source(name) for name in arguments.files], load_options(arguments, parser))
    for problem in problems:
        print(problem.one_line(), file=sys.stderr)
    if any(problem.severity == "error" for problem in problems):
        return EXIT_UNUSABLE
    opened = open_rehearsal(arguments, parser)
    if opened is None:
        return EXIT_UNUSABLE
    with opened.rehearsal as rehearsal:
        try:
            results = _play_all(cases, rehearsal, wants_coverage=arguments.coverage)
        except Unanswered as error:
            print(f"dbless-gateway test: {error}", file=sys.stderr)
            return EXIT_UNUSABLE
    put(hidden(FORMATS[arguments.format](results), opened.secrets))
    return 0 if results.passed else EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbless-gateway test",
        description="Play test files against a configuration; nothing leaves this process.",
        epilog="Exit codes: 0 passed, 1 failed, 2 wrong usage or a file that cannot be used.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a test file, or a folder of them")
    parser.add_argument(
        "--coverage", action="store_true", help="tell which routes and plugins no test reached"
    )
    parser.add_argument(
        "--format", choices=sorted(FORMATS), default="human", help="who reads it (default: human)"
    )
    add_configuration_flags(parser)
    return parser


def _play_all(cases: list[Case], rehearsal: Rehearsal, *, wants_coverage: bool) -> Results:
    verdicts = [play(rehearsal, case) for case in cases]
    return Results(verdicts, coverage_of(verdicts, rehearsal) if wants_coverage else None)
