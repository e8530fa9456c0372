"""The flags that stand for settings, for commands that start a gateway or look at what start would use."""

from __future__ import annotations

import argparse
import os

from dbless_gateway.server.options import SettingsResult, make_settings
from dbless_gateway.server.setting_types import boolean
from dbless_gateway.server.settings import FLAGGED


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and a flag for each setting that has one."""
    parser.add_argument(
        "-c",
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="configuration file or folder; may be repeated; - is standard input "
        "(default: KONG_DECLARATIVE_CONFIG)",
    )
    for setting in FLAGGED:
        # A sentence in the reference, half of one here, as the help of all other flags is.
        text = setting.help[0].lower() + setting.help[1:].removesuffix(".")
        default = f" (default: {setting.default})" if setting.default else ""
        parser.add_argument(
            str(setting.flag),
            dest=setting.name,
            metavar="VALUE",
            # A switch may be given without its value.
            nargs="?" if setting.read is boolean else None,
            const="on" if setting.read is boolean else None,
            help=text.replace("%", "%%") + default,
        )


def settings_of(arguments: argparse.Namespace) -> SettingsResult:
    """Return the settings that flags and environment give; flags win."""
    flags = {
        setting.name: value for setting in FLAGGED if (value := getattr(arguments, setting.name)) is not None
    }
    return make_settings(flags, arguments.config, os.environ)
