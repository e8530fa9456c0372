"""dbless-gateway dump: print what a configuration amounts to.

Shorthands are written out, defaults and ids filled in, references resolved, files merged; secrets are masked,
always. So the result is for reading and comparing, and not for loading. Exit codes: 0 printed, 1 the
configuration has errors (they are printed), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dbless_gateway.cli.output import put
from dbless_gateway.cli.sources import add_loading_flags, load_options
from dbless_gateway.config.export import export
from dbless_gateway.config.load import load
from dbless_gateway.config.source import Source
from dbless_gateway.lint.hiding import environment_values, hidden

EXIT_PROBLEMS = 1

# Set by the clock, not by a person.
_STAMPS = frozenset({"created_at", "updated_at"})


def main(argv: list[str]) -> int:
    """Print the effective configuration."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway dump",
        description="Print what a configuration amounts to: defaults, ids and references filled in.",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="files and folders, merged; - is standard input"
    )
    parser.add_argument(
        "-c", "--config", action="append", default=[], metavar="FILE", help="the same as FILE"
    )
    parser.add_argument(
        "--format", choices=("yaml", "json"), default="yaml", help="how it is written (default: yaml)"
    )
    parser.add_argument("--flat", action="store_true", help="every entity at the top level, references by id")
    add_loading_flags(parser)
    arguments = parser.parse_args(argv)
    files = [*arguments.files, *arguments.config]
    if not files:
        parser.error("no file given; - is standard input")
    options = load_options(arguments, parser)
    loaded = load([Source(name) for name in files], options)
    if loaded.entities is None:
        for problem in loaded.problems:
            print(problem.one_line(), file=sys.stderr)
        return EXIT_PROBLEMS
    document = without_stamps(export(loaded.entities, nested=not arguments.flat, mask_secrets=True))
    # It cannot be loaded again, so it does not claim to be a file of the format.
    document.pop("_transform")
    _print(hidden(document, environment_values(loaded.texts, options.environ)), arguments.format)
    return 0


def without_stamps(value: Any) -> Any:
    """Return plain data without the times that every load sets anew."""
    if isinstance(value, dict):
        return {name: without_stamps(item) for name, item in value.items() if name not in _STAMPS}
    return [without_stamps(item) for item in value] if isinstance(value, list) else value


def _print(document: Any, form: str) -> None:
    if form == "json":
        put(json.dumps(document, indent=2) + "\n")
        return
    import yaml  # Late: the usual reader goes without PyYAML's own loader and dumper.

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    put(yaml.dump(document, Dumper=dumper, sort_keys=False, width=110))
