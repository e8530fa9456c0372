"""A write to an entity, and what became of it: plain values that travel to the editor process and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbless_gateway.admin.messages import AdminAnswer


@dataclass(frozen=True, slots=True)
class Parent:
    """The entity in whose path a write stands; ``field`` is the child's reference to it."""

    collection: str
    key: str
    field: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write. ``key`` is what the path says, None for POST."""

    method: str  # "POST", "PUT", "PATCH" or "DELETE"
    collection: str
    key: str | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    parent: Parent | None = None
    # From an entity to what it refers to (``/routes/{key}/service``); the change is to the latter.
    through: Parent | None = None
    if_match: str | None = None

    def title(self) -> str:
        """Return the write in a line for the log; never a value, which may be a secret."""
        names = ",".join(sorted(self.fields))
        return f"{self.method} {self.collection} {self.key or ''} {names}".strip()


@dataclass(frozen=True, slots=True)
class Edit:
    """What the editor process found: a refusal, or the new text of one file."""

    refusal: AdminAnswer | None = None
    file: str = ""
    old: str = ""
    new: str = ""
    entity_id: str = ""
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write that all workers serve."""

    entity_id: str
    is_new: bool
