"""Plugins from elsewhere are known to the whole process; a test that brings some in must take them out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dbless_gateway.config.schemas import load_schemas

_PREFIX = "dbless_gateway_plugins."


@contextmanager
def forgetting_plugins() -> Iterator[None]:
    """Forget, in the end, what was brought in."""
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.startswith(_PREFIX)]:
            del sys.modules[name]
        load_schemas.cache_clear()
