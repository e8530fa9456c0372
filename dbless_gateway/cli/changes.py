"""What differs between two models, entity by entity and field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbless_gateway.cli.model import Fields, Model, Secret
from dbless_gateway.config.masking import MASK

_CHANGED = f"{MASK} (changed)"


@dataclass(frozen=True, slots=True)
class Change:
    """One entity that differs; a side on which there is none is None. Bodies are ready to be shown."""

    kind: str
    name: str
    old: Fields | None
    new: Fields | None

    def fields(self) -> list[str]:
        """Return the fields that differ."""
        old, new = self.old or {}, self.new or {}
        return [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences."""

    created: list[Change]
    updated: list[Change]
    deleted: list[Change]

    def total(self) -> int:
        """Return how many entities differ."""
        return len(self.created) + len(self.updated) + len(self.deleted)


def compare(old: Model, new: Model) -> Changes:
    """Return what has to happen to the old configuration to get the new one."""
    before, after = old.items, new.items
    return Changes(
        created=[
            Change(kind, name, None, shown(fields))
            for (kind, name), fields in after.items()
            if (kind, name) not in before
        ],
        updated=[
            Change(*key, shown(before[key]), shown(fields, flattened(before[key])))
            for key, fields in after.items()
            if key in before and before[key] != fields
        ],
        deleted=[
            Change(kind, name, shown(fields), None)
            for (kind, name), fields in before.items()
            if (kind, name) not in after
        ],
    )


def flattened(fields: Mapping[str, Any], prefix: str = "") -> Fields:
    """Return an entity as one level of fields: records inside it are written with dots."""
    return dict(_pairs(fields, prefix))


def _pairs(fields: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from _pairs(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def shown(fields: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Fields:
    """Return an entity without its secrets; with ``before``, a changed one differs from what it was."""
    out = {}
    for name, value in flattened(fields).items():
        was = before.get(name) if before is not None else value
        out[name] = _shown(value, was)
    return out


def _shown(value: Any, was: Any) -> Any:
    if isinstance(value, Secret):
        return MASK if value == was else _CHANGED
    if isinstance(value, list):
        # Elements have no names to compare them by: a secret in one of them differs with the whole list.
        return [shown(item) if isinstance(item, dict) else item for item in value]
    return value
