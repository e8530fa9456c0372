"""Every field of every bundled plugin is used by some test of plugins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
SCHEMAS = REPOSITORY / "schemas" / "plugins"
BUNDLED = sorted(
    path.stem.replace("_", "-")
    for path in (REPOSITORY / "dbless_gateway" / "plugins").glob("*.py")
    if path.stem != "__init__"
)


def fields(schema: dict[str, Any]) -> Iterator[str]:
    """Yield names of fields, without deprecated ones: those have a test of their own that reads the schemas."""
    for name, field in schema.get("properties", {}).items():
        if name.startswith("_") or "x-kong-alias-of" in field:
            continue
        yield name
        inner = field.get("items")
        yield from fields(inner if isinstance(inner, dict) else field)


@cache
def text_of_tests() -> str:
    folders = (
        REPOSITORY / "tests" / name for name in ("unit/plugins", "unit/pdk", "compat", "e2e", "support")
    )
    return "\n".join(path.read_text() for folder in folders for path in sorted(folder.rglob("*.py")))


@pytest.mark.parametrize("plugin", BUNDLED)
def test_every_field_is_used_by_a_test(plugin: str) -> None:
    text = text_of_tests()
    schema = json.loads((SCHEMAS / f"{plugin}.json").read_text())
    missing = [name for name in fields(schema) if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert missing == []
