"""Modules of plugins, imported beside a loop that serves.

A plugin that a reload brings in for the first time costs 10 to 16 ms for its import. A thread does that, and
hands the interpreter back after half a millisecond, where it would keep it from the loop for five.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress

from dbless_gateway.snapshot.plugin_loader import bundled_module

_SWITCH_INTERVAL_S = 0.0005


def not_yet_imported(plugins: Iterable[str]) -> list[str]:
    """Return the modules of those bundled plugins that this process has not run; each is named once."""
    modules = (bundled_module(plugin) for plugin in dict.fromkeys(plugins))
    return [module for module in modules if module is not None and module not in sys.modules]


def import_gently(modules: Iterable[str]) -> None:
    """Import in small pieces; run it in a thread."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        for module in modules:
            # Whoever needs the module meets the same error, and can tell where.
            with suppress(Exception):
                importlib.import_module(module)
    finally:
        sys.setswitchinterval(usual_s)
