"""A patch of fields, laid over an entity and over what its file says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dbless_gateway.admin.catalog import Item
from dbless_gateway.config.drafts import Draft
from dbless_gateway.config.edit_steps import Drop, Put, Step

_URL_PARTS = ("protocol", "host", "port", "path")


def tidy(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are worth writing down: null is what a field is anyway."""
    return {
        name: value
        for name, value in given.items()
        if value is not None and name not in ("created_at", "updated_at", "cert_digest")
    }


def merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a patch over a record: records inside are merged, everything else is replaced."""
    out = dict(old)
    for name, value in patch.items():
        known = out.get(name)
        is_reference = isinstance(value, dict) and set(value) <= {"id", "name"}
        if isinstance(value, dict) and isinstance(known, dict) and not is_reference:
            out[name] = merged(known, value)
        else:
            out[name] = value
    return out


def split_url(patch: dict[str, Any], source: Mapping[str, Any], item: Item) -> None:
    """Replace a service's ``url`` in the file by its parts when one of these is changed by itself."""
    if patch.get("url") is not None:
        for name in _URL_PARTS:
            patch.setdefault(name, None)
    elif source.get("url") is not None and any(name in patch for name in _URL_PARTS):
        patch["url"] = None
        for name in _URL_PARTS:
            patch.setdefault(name, getattr(item, name))


def patch_steps(
    draft: Draft,
    source: Mapping[str, Any],
    path: tuple[str, ...],
    patch: Mapping[str, Any],
    *,
    keeps_null: bool,
    replaces: bool = False,
) -> Iterator[Step]:
    """Yield the steps that lay a patch over what the file says; ``path`` leads into the entity."""
    place = (*draft.path(), *path)
    if replaces and path:
        yield from (Drop((*place, name)) for name in source if name not in patch)
    for name, value in patch.items():
        known = source.get(name)
        if isinstance(value, dict) and isinstance(known, dict) and known:
            yield from patch_steps(draft, known, (*path, name), value, keeps_null=True, replaces=replaces)
        elif value is None and not keeps_null:
            if name in source:
                yield Drop((*place, name))
        elif name not in source or known != value or type(known) is not type(value):
            yield Put(place, name, value)
