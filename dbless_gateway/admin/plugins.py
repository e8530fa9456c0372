"""Which plugins this gateway has, found by importing them: that is the only place where they say so."""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Mapping
from functools import lru_cache

from dbless_gateway import plugins as bundled
from dbless_gateway.snapshot.plugin_loader import find_module


async def available_plugins() -> Mapping[str, int]:
    """Return the plugins with their priorities."""
    # Importing all of them takes a good part of a second, which the loop must not wait for.
    return await asyncio.to_thread(_priorities)


@lru_cache(maxsize=1)
def _priorities() -> Mapping[str, int]:
    names = [module.name.replace("_", "-") for module in pkgutil.iter_modules(bundled.__path__)]
    modules = {name: find_module(name) for name in names}
    return {name: module.PRIORITY for name, module in modules.items() if module is not None}
