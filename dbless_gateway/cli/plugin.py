"""dbless-gateway plugin: begin a plugin of your own, and list the plugins that there are.

Exit codes: 0 done, 1 a plugin is broken or a file is in the way, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import pkgutil
import re
from pathlib import Path

from dbless_gateway import plugins as bundled
from dbless_gateway.cli.columns import columns
from dbless_gateway.cli.output import printable, put
from dbless_gateway.cli.plugin_template import plugin_files
from dbless_gateway.cli.sources import plugin_settings
from dbless_gateway.snapshot.foreign_plugins import (
    ForeignPlugins,
    PluginFault,
    bring_in,
    is_bundled,
    plugin_name,
)
from dbless_gateway.snapshot.plugin_loader import find_module

EXIT_BROKEN = 1

# Words with one hyphen between them: so that file and plugin can always be found from each other.
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def main(argv: list[str]) -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway plugin", description="Begin a plugin of your own, or list plugins."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="write a plugin and its test into the current folder")
    new.add_argument("name", metavar="NAME", help="as it will be in kong.yaml, such as say-hello")
    listing = actions.add_parser("list", help="list the plugins that a configuration can use")
    listing.add_argument(
        "--plugin-dir",
        action="append",
        metavar="FOLDER",
        help="folder with plugins of your own; may be repeated (default: KONG_PLUGIN_DIR)",
    )
    arguments = parser.parse_args(argv)
    if arguments.action == "list":
        return _list(arguments.plugin_dir)
    _check_name(arguments.name, new)
    return _new(arguments.name)


def _check_name(name: str, parser: argparse.ArgumentParser) -> None:
    if not _NAME.fullmatch(name):
        parser.error(f"{name} is no name of a plugin: lower-case words and digits with hyphens between them")
    if is_bundled(name):
        parser.error(f"{name} is a bundled plugin")


def _new(name: str) -> int:
    files = plugin_files(name)
    in_the_way = next((file for file in files if Path(file).exists()), None)
    if in_the_way is not None:
        print(f"{in_the_way} is there already; nothing was written")
        return EXIT_BROKEN
    for file, text in files.items():
        Path(file).write_text(text, "utf-8")
        print(f"wrote {file}")
    print("run it: dbless-gateway start -c kong.yaml --plugin-dir .")
    return 0


def _list(folders: list[str] | None) -> int:
    brought = bring_in(plugin_settings(folders).folders)
    sources = {plugin_name(module.name): "bundled" for module in pkgutil.iter_modules(bundled.__path__)}
    sources |= dict.fromkeys(ForeignPlugins().names(), "package")
    sources |= {code.name: code.file for code in brought.code}
    broken = [f"{p.file}:{p.line}:{p.column}: {p.message}" for p in brought.problems]
    rows: list[tuple[int, str, str]] = []
    for name, source in sources.items():
        try:
            module = find_module(name)
        except PluginFault as fault:
            broken.append(f"{name}: {fault}")
        else:
            rows += [(module.PRIORITY, name, source)] if module is not None else []
    rows.sort(reverse=True)
    lines = columns([(str(priority), name, source) for priority, name, source in rows])
    put("".join(f"{line}\n" for line in lines))
    put("".join(f"broken: {printable(line)}\n" for line in broken))
    return EXIT_BROKEN if broken else 0
