"""Which twin works: the C extensions where they were built, else the pure functions that answer the same.

``DBLESS_GATEWAY_NO_EXTENSIONS=1`` takes the pure ones in any case: to rule the extensions out when something is
odd, and to run the tests of the fallback.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

from dbless_gateway.http1 import splitting

SWITCH: Final = "DBLESS_GATEWAY_NO_EXTENSIONS"


def _extension(name: str) -> Any:
    """Return that module of this package, or None where it was not built or is not wanted."""
    if os.environ.get(SWITCH, "0") not in ("", "0"):
        return None
    try:
        return importlib.import_module(f"dbless_gateway.http1.{name}")
    except ImportError:
        return None


_splitting = _extension("_splitting") or splitting
_searching = _extension("_searching")
# None: ``showing.py`` goes through the lines one by one.
showing = _extension("_showing")

split_request = _splitting.split_request
split_response = _splitting.split_response
# None: ``headers`` searches in a folded copy.
all_values = getattr(_searching, "all_values", None)
find_line = getattr(_searching, "find_line", None)
first_value = getattr(_searching, "first_value", None)
has_line = getattr(_searching, "has_line", None)
with_lines = getattr(_searching, "with_lines", None)
