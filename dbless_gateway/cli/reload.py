"""dbless-gateway reload: let a running gateway load its configuration again.

Exit codes: 0 every worker serves what the files say, 1 it was rejected (the problems are printed, the old
configuration goes on serving), 4 no gateway answers.
"""

from __future__ import annotations

import argparse
import sys
from http import HTTPStatus
from typing import Any

from dbless_gateway.cli.node_address import EXIT_NO_GATEWAY, NoGateway, add_address_flags, ask

EXIT_REJECTED = 1


def main(argv: list[str]) -> int:
    """Reload and print the receipt."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway reload", description="Let a running gateway load its configuration again."
    )
    add_address_flags(parser)
    parser.add_argument(
        "--wait", action="store_true", help="return when all workers serve it, as it does anyway"
    )
    arguments = parser.parse_args(argv)
    try:
        status, receipt = ask(arguments, "POST", "/reload")
    except NoGateway as error:
        print(f"dbless-gateway reload: {error}", file=sys.stderr)
        return EXIT_NO_GATEWAY
    if status != HTTPStatus.OK:
        return _rejected(receipt)
    counts = ", ".join(f"{count} {name}" for name, count in receipt["counts"].items() if count)
    print(f"{receipt['outcome']}: {receipt['new_hash']} ({counts}; {receipt['duration_ms']:.0f} ms)")
    return 0


def _rejected(receipt: dict[str, Any]) -> int:
    problems = receipt.get("problems") or [receipt.get("message", "the gateway gives no reason")]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"rejected: {receipt.get('old_hash', '?')} goes on serving", file=sys.stderr)
    return EXIT_REJECTED
