"""dbless-gateway start: run the gateway in the foreground until a signal ends it.

Exit codes: 0 stopped as asked, 1 it could not start, 2 wrong usage or settings, 78 the configuration is
invalid; then each problem is printed as ``file:line:column: severity[code] path: message``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from dbless_gateway.cli.setting_flags import add_setting_flags, settings_of
from dbless_gateway.server.options import ServerSettings, SettingsResult

EXIT_USAGE = 2

STANDARD_INPUT = "-"


def main(argv: list[str]) -> int:
    """Start a gateway; return its exit code."""
    arguments = _parser().parse_args(argv)
    result = settings_of(arguments)
    if result.settings is None:
        for error in result.errors:
            print(f"dbless-gateway start: {error}", file=sys.stderr)
        return EXIT_USAGE
    return _run(_with_standard_input(result.settings), result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbless-gateway start",
        description="Run the gateway in the foreground.",
        epilog="Every setting can be given in the environment too, as KONG_<NAME>; flags win.",
    )
    add_setting_flags(parser)
    return parser


def _with_standard_input(settings: ServerSettings) -> ServerSettings:
    # It can be read only once, and a reload needs it again.
    if settings.files != (STANDARD_INPUT,):
        return settings
    return replace(settings, files=(), inline=sys.stdin.read(), watch=False)


def _run(settings: ServerSettings, result: SettingsResult) -> int:
    # Late, so that a wrong flag is answered without loading the event loop.
    from dbless_gateway.server import logs
    from dbless_gateway.server.supervisor import run

    logs.configure(settings.log_level)
    for text in result.warnings:
        logs.say("warn", text)
    return run(settings)
