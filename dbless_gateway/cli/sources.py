"""What the commands that load configuration files have in common: variables, and what routes may say."""

from __future__ import annotations

import argparse
import os

from dbless_gateway.config.load import LoadOptions
from dbless_gateway.snapshot.foreign_plugins import PluginSettings, prepare

# The first one is Kong's default. ``routing`` knows them too, but costs more to import than --help may.
ROUTER_FLAVORS = ("traditional_compatible", "traditional", "expressions")


def add_loading_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that decide what a file means beside its text."""
    parser.add_argument(
        "--router-flavor",
        choices=ROUTER_FLAVORS,
        default=os.environ.get("KONG_ROUTER_FLAVOR") or ROUTER_FLAVORS[0],
        help="how routes are matched (default: KONG_ROUTER_FLAVOR)",
    )
    parser.add_argument(
        "--env-file", metavar="FILE", help="NAME=VALUE lines; they win over the environment of this process"
    )
    parser.add_argument(
        "--mock-env",
        action="store_true",
        help="give every variable a placeholder, to check files on a machine without the secrets",
    )
    parser.add_argument(
        "--expand-env",
        action="store_true",
        default=os.environ.get("KONG_EXPAND_ENV", "").lower() in {"on", "true"},
        help="replace ${X}, ${X:-default} and ${X:?message} by variables (default: KONG_EXPAND_ENV)",
    )
    parser.add_argument(
        "--plugin-dir",
        action="append",
        metavar="FOLDER",
        help="folder with plugins of your own; may be repeated (default: KONG_PLUGIN_DIR)",
    )


def plugin_settings(folders: list[str] | None) -> PluginSettings:
    """Return where plugins come from: the folders of a flag, else KONG_PLUGIN_DIR; and KONG_PLUGINS."""
    given = folders or _words(os.environ.get("KONG_PLUGIN_DIR", ""))
    names = _words(os.environ.get("KONG_PLUGINS", ""))
    if names in ([], ["all"]):
        return PluginSettings(tuple(given))
    return PluginSettings(tuple(given), frozenset(names) - {"off"})


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def load_options(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> LoadOptions:
    """Return how to load, as the flags say; wrong usage ends the program."""
    environ = dict(os.environ)
    if arguments.env_file is not None:
        try:
            with open(arguments.env_file, encoding="utf-8") as file:
                environ |= read_env_file(file.read())
        except (OSError, ValueError) as error:
            parser.error(f"--env-file {arguments.env_file}: {error}")
    return LoadOptions(
        environ=environ,
        expand_env=arguments.expand_env,
        mock_env=arguments.mock_env,
        router_flavor=arguments.router_flavor,
        plugins=prepare(plugin_settings(arguments.plugin_dir)),
    )


def read_env_file(text: str) -> dict[str, str]:
    """Read ``NAME=VALUE`` lines: comments, ``export`` and a pair of quotes around the value are dropped."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name.isidentifier():
            # The line may hold a secret, so it is not shown.
            raise ValueError(f"line {number} is not NAME=VALUE")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[name] = value
    return values
