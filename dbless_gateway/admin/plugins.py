"""Which plugins this gateway has, with their priorities.

Bundled ones are found by importing them: that is the only place where they say so. Others never run in this
process; their schemas say it, which the process that judged them has passed on.
"""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Mapping
from functools import lru_cache

from dbless_gateway import plugins as bundled
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.snapshot.plugin_loader import find_module


async def available_plugins() -> Mapping[str, int]:
    """Return the plugins that a configuration may use, with their priorities."""
    # Importing all of them takes a good part of a second, which the loop must not wait for.
    priorities = await asyncio.to_thread(_bundled_priorities)
    schemas = load_schemas()
    found: dict[str, int] = {}
    for name in schemas.plugin_names():
        schema = schemas.plugin(name)
        if name in priorities:
            found[name] = priorities[name]
        elif schema is not None and "x-kong-priority" in schema.schema:
            found[name] = schema.schema["x-kong-priority"]
    return found


@lru_cache(maxsize=1)
def _bundled_priorities() -> Mapping[str, int]:
    names = [module.name.replace("_", "-") for module in pkgutil.iter_modules(bundled.__path__)]
    modules = {name: find_module(name) for name in names}
    return {name: module.PRIORITY for name, module in modules.items() if module is not None}
