"""What the commands that rehearse have in common: which configuration, read with which settings.

The settings are those that ``start`` would read from the same environment: trusted proxies and the router's
flavour decide about requests, too.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass

from dbless_gateway.cli.sources import add_loading_flags, load_options
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import Loaded, LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from dbless_gateway.lint.hiding import environment_values
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.rehearsal import Rehearsal, rehearse
from dbless_gateway.server.options import make_settings


@dataclass(frozen=True, slots=True)
class Opened:
    """A rehearsal, and the texts that came from the environment and must not be printed."""

    rehearsal: Rehearsal
    secrets: list[str]


def add_configuration_flags(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the flags that name the configuration and say how it is read."""
    parser.add_argument(
        "-c",
        "--config",
        action="append",
        default=[],
        required=required,
        metavar="FILE",
        help="file or folder of the configuration; several are merged, as start would",
    )
    add_loading_flags(parser)


def load_entities(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> Entities | None:
    """Return what the configuration says; None when it has errors, which are printed."""
    loaded = _load(arguments, load_options(arguments, parser))
    return loaded.entities


def open_rehearsal(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> Opened | None:
    """Return a rehearsal of the configuration; None when it has errors, which are printed."""
    options = load_options(arguments, parser)
    proxy = _proxy_options(arguments, parser)
    loaded = _load(arguments, options)
    if loaded.entities is None:
        return None
    made = rehearse(loaded.entities, proxy)
    if isinstance(made, list):
        _print(made)
        return None
    secrets = [secret.value for secret in loaded.entities.secrets if secret.value]
    return Opened(made, environment_values(loaded.texts, options.environ) + secrets)


def _load(arguments: argparse.Namespace, options: LoadOptions) -> Loaded:
    loaded = load([Source(name) for name in arguments.config], options)
    if loaded.entities is None:
        _print(loaded.problems)
    return loaded


def _proxy_options(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> ProxyOptions:
    result = make_settings({"router_flavor": arguments.router_flavor}, arguments.config, os.environ)
    if result.settings is None:
        parser.error("; ".join(result.errors))
    return result.settings.proxy


def _print(problems: list[Problem]) -> None:
    for problem in problems:
        print(problem.one_line(), file=sys.stderr)
