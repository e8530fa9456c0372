"""A write to an entity, and what became of it: plain values that travel to the editor process and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbless_gateway.admin.catalog import is_uuid
from dbless_gateway.admin.messages import AdminAnswer
from dbless_gateway.config.masking import MASK
from dbless_gateway.config.schemas import load_schemas


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
        words = [self.method, self.collection]
        if self.key is not None:
            words.append(_shown_key(self.collection, self.key))
        above = self.parent or self.through
        if above is not None:
            words += ["of", above.collection, _shown_key(above.collection, above.key)]
        return " ".join([*words, ",".join(sorted(self.fields))]).strip()


def _shown_key(collection: str, key: str) -> str:
    """Return what a path calls an entity: of an API key, the key itself, which nobody else may read."""
    schema = load_schemas().entity(collection)
    name = schema.record.properties.get(schema.endpoint_key or "", {})
    return MASK if name.get("x-kong-secret") and not is_uuid(key) else key


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
