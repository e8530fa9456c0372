"""A configuration in small pieces, for another process to take over without a pause.

Unpickling 10,000 routes at once would hold an event loop for about 100 ms. A slice holds the bare field
values of a few hundred entities of one collection; adding it takes about a millisecond, and the loop runs in
between.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import fields
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from dbless_gateway.config import entities as e

_CLASSES: Mapping[str, Any] = MappingProxyType(
    {
        "services": e.Service,
        "routes": e.Route,
        "consumers": e.Consumer,
        "consumer_groups": e.ConsumerGroup,
        "credentials": e.Credential,
        "plugins": e.Plugin,
        "upstreams": e.Upstream,
        "targets": e.Target,
        "certificates": e.Certificate,
        "snis": e.Sni,
        "ca_certificates": e.CaCertificate,
        "vaults": e.Vault,
        "key_sets": e.KeySet,
        "keys": e.Key,
        "plugin_code": e.PluginCode,
        "secrets": e.Secret,
        "group_members": None,
    }
)
_PER_SLICE = 200


def to_slices(entities: e.Entities, per_slice: int = _PER_SLICE) -> list[bytes]:
    """Return the configuration as pickled slices, to be added in this order."""
    return [pickle.dumps(piece, pickle.HIGHEST_PROTOCOL) for piece in _pieces(entities, per_slice)]


def _pieces(entities: e.Entities, per_slice: int) -> Iterator[tuple[str, Any]]:
    yield "", (entities.format_version, entities.hash)
    for name, kind in _CLASSES.items():
        values = getattr(entities, name)
        row = attrgetter(*(field.name for field in fields(kind))) if kind is not None else tuple
        for start in range(0, len(values), per_slice):
            yield name, [row(value) for value in values[start : start + per_slice]]


class Assembler:
    """Puts slices together again."""

    def __init__(self) -> None:
        self._version = ""
        self._hash = ""
        self._collections: dict[str, list[Any]] = {name: [] for name in _CLASSES}

    def add(self, piece: bytes) -> None:
        """Add the next slice; it must come from a process that is trusted as much as this one."""
        name, rows = pickle.loads(piece)
        if not name:
            self._version, self._hash = rows
            return
        kind = _CLASSES[name]
        self._collections[name] += [kind(*row) for row in rows] if kind is not None else rows

    def entities(self) -> e.Entities:
        """Return the whole configuration, once every slice has been added."""
        return e.Entities(
            format_version=self._version,
            hash=self._hash,
            **{name: tuple(values) for name, values in self._collections.items()},
        )
