"""Entities in the shape in which Kong's Admin API shows them.

Every field of the schema is there, null when it is unset; references are ``{"id": ...}``; fields that Kong
does not know are shown only when they are in use. The values are the entities' own, so a page of a thousand
costs little more than its JSON. Secrets are masked for clients that nothing vouches for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dbless_gateway.admin.catalog import Catalog, Item
from dbless_gateway.config.export import masked
from dbless_gateway.config.masking import MASK
from dbless_gateway.config.schemas import load_schemas

# Not Kong's, or only those of some of its editions and flavours: shown when they are set.
_ONLY_WHEN_SET: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "routes": frozenset({"expression", "priority"}),
        "plugins": frozenset({"consumer_group"}),
        "upstreams": frozenset({"x_resilience", "sticky_sessions_cookie"}),
    }
)


class Shaper:
    """Shapes entities of one collection."""

    def __init__(self, collection: str, catalog: Catalog, *, with_secrets: bool) -> None:
        schema = load_schemas().entity(collection)
        self._collection = collection
        self._references = frozenset(schema.record.references)
        self._only_when_set = _ONLY_WHEN_SET.get(collection, frozenset())
        self._is_credential = schema.credential_of is not None
        self._catalog = catalog
        self._record = schema.record
        self._with_secrets = with_secrets

    def shape(self, item: Item) -> dict[str, Any]:
        """Return one entity as an object."""
        shown = self._credential(item) if self._is_credential else self._plain(item)
        if self._collection == "certificates":
            shown["snis"] = [sni.name for sni in self._catalog.children("snis", "certificate", item.id)]
        return shown if self._with_secrets else self._masked(shown)

    def _plain(self, item: Item) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name in item.__match_args__:
            value = getattr(item, name)
            if name == "where" or (value is None and name in self._only_when_set):
                continue
            shown[name] = {"id": value} if value is not None and name in self._references else value
        return shown

    def _credential(self, item: Item) -> dict[str, Any]:
        references = self._references
        fields = {
            name: {"id": value} if name in references and value is not None else value
            for name, value in item.fields.items()
            if not name.startswith("_")
        }
        return {
            "id": item.id,
            **fields,
            "consumer": {"id": item.consumer},
            "tags": item.tags,
            "created_at": item.created_at,
        }

    def _masked(self, shown: dict[str, Any]) -> dict[str, Any]:
        hidden = masked(self._record, shown)
        if self._collection == "plugins":
            plugin = load_schemas().plugin(shown["name"])
            # What cannot be judged cannot be shown either.
            hidden["config"] = masked(plugin.record, shown["config"]) if plugin is not None else MASK
        return hidden
