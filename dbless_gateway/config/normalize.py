"""Valid fields to complete ones: shorthands written out, defaults filled in.

Works on one entity at a time and needs no other entity. After it, every field of the schema is there, and
only the fields of the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from dbless_gateway.config.addresses import normalize_target
from dbless_gateway.config.drafts import Draft, Fields
from dbless_gateway.config.schemas import EntitySchema, PluginSchema

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEMES_BY_PORT = {443: "https", 80: "http"}
_HASHES_NOTHING = frozenset({"least-connections", "latency", "sticky-sessions"})
_GRPC = frozenset({"grpc", "grpcs"})


def complete(draft: Draft, schema: EntitySchema) -> None:
    """Complete the fields of a draft whose fields are valid."""
    shorthand = _SHORTHANDS.get(draft.collection)
    if shorthand is not None:
        shorthand(draft.fields)
    draft.fields = schema.record.fill(draft.fields, keep_null=False)


def complete_config(draft: Draft, schema: PluginSchema) -> None:
    """Complete a plugin's ``config`` and its protocols."""
    draft.fields["config"] = schema.record.fill(draft.fields.get("config") or {}, keep_null=True)
    if draft.fields["protocols"] is None:
        draft.fields["protocols"] = list(schema.default_protocols)


def _write_out_url(fields: Fields) -> None:
    """Replace ``url`` by protocol, host, port and path."""
    url = fields.pop("url", None)
    if url is None:
        return
    parts = urlsplit(url if "://" in url else f"//{url}")
    scheme = parts.scheme or _SCHEMES_BY_PORT.get(parts.port or 0, "http")
    fields["protocol"] = scheme
    # ``urlsplit`` folds the case of the host, which is right: host names have none.
    fields["host"] = parts.hostname
    fields["port"] = parts.port if parts.port is not None else _DEFAULT_PORTS.get(scheme, 80)
    fields["path"] = parts.path or None


def _couple_algorithm(fields: Fields) -> None:
    """Apply Kong's coupling of ``algorithm`` and ``hash_on``."""
    algorithm, hash_on = fields.get("algorithm"), fields.get("hash_on")
    if algorithm in _HASHES_NOTHING:
        fields["hash_on"] = "none"
    elif hash_on == "none":
        fields["algorithm"] = "round-robin"
    elif hash_on is not None:
        fields["algorithm"] = "consistent-hashing"


def _write_out_target(fields: Fields) -> None:
    if "target" in fields:
        fields["target"] = normalize_target(fields["target"])


def _default_strip_path(fields: Fields) -> None:
    """Leave the path of gRPC routes alone unless asked otherwise."""
    if fields.get("strip_path") is None and _GRPC & set(fields.get("protocols") or ()):
        fields["strip_path"] = False


_SHORTHANDS: Mapping[str, Callable[[Fields], None]] = MappingProxyType(
    {
        "services": _write_out_url,
        "upstreams": _couple_algorithm,
        "targets": _write_out_target,
        "routes": _default_strip_path,
    }
)
