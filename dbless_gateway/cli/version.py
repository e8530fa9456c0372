"""dbless-gateway version: print the version, with the interpreter and the machine for bug reports."""

from __future__ import annotations

import argparse
import platform

from dbless_gateway import __version__


def main(argv: list[str]) -> int:
    """Print the version."""
    parser = argparse.ArgumentParser(prog="dbless-gateway version", description="Print the version.")
    parser.add_argument("-a", "--all", action="store_true", help="also what it runs on")
    arguments = parser.parse_args(argv)
    print(f"dbless-gateway {__version__}")
    if arguments.all:
        print(f"{platform.python_implementation()} {platform.python_version()}")
        print(f"{platform.system()} {platform.release()} {platform.machine()}")
    return 0
