"""A configuration as a comparison sees it: every entity under a name that people use, with all its fields.

Ids and times are left out and references are names, so that two files that mean the same give equal models.
Secrets are compared and never shown: each is replaced by a mark made from its value and a key of this
process, which is shown as a mask. The order of elements counts only where Kong's own model keeps it.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import lru_cache
from hashlib import blake2b, sha256
from types import MappingProxyType
from typing import Any

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.masking import MASK
from dbless_gateway.config.schemas import Record, load_schemas
from dbless_gateway.config.validate import is_vault_reference
from dbless_gateway.lint.places import Places

Fields = dict[str, Any]

# Kinds as decK names them, in the order in which changes are told.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "certificates": "certificate",
        "snis": "sni",
        "ca_certificates": "ca-certificate",
        "vaults": "vault",
        "key_sets": "key-set",
        "keys": "key",
        "upstreams": "upstream",
        "targets": "target",
        "services": "service",
        "routes": "route",
        "consumer_groups": "consumer-group",
        "consumers": "consumer",
        "plugins": "plugin",
    }
)
_CREDENTIAL_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "keyauth_credentials": "key-auth",
        "basicauth_credentials": "basic-auth",
        "hmacauth_credentials": "hmac-auth",
        "jwt_secrets": "jwt-auth",
        "acls": "acl-group",
        "oauth2_credentials": "oauth2-cred",
        "mtls_auth_credentials": "mtls-auth",
    }
)
_UNCOMPARED = frozenset({"id", "created_at", "updated_at", "where"})
# What an entity is called by, in this order.
_NAMES = ("name", "username", "instance_name", "prefix", "kid", "custom_id")
_SCOPES = ("service", "route", "consumer", "consumer_group")


@dataclass(frozen=True, slots=True)
class Secret:
    """Stands for a value that must not be shown; equal ones stand for equal values."""

    mark: bytes

    def __str__(self) -> str:
        return MASK


class Model:
    """All entities of a configuration by (kind, name)."""

    def __init__(self, items: Mapping[tuple[str, str], Fields]) -> None:
        self.items = items


def model_of(entities: Entities, places: Places) -> Model:
    """Return the model of a loaded configuration."""
    return Model(_Builder(entities, places).items())


class _Builder:
    def __init__(self, entities: Entities, places: Places) -> None:
        self._entities = entities
        self._places = places
        self._schemas = load_schemas()
        self._names: dict[str, str] = {}

    def items(self) -> dict[tuple[str, str], Fields]:
        """Return every entity."""
        found: dict[tuple[str, str], Fields] = {}
        for item, kind, name, fields in self._plain_entities():
            self._names[item.id] = name = _free_name(found, kind, name)
            found[kind, name] = fields
        for kind, name, fields in (*self._credentials(), *self._members()):
            found[kind, _free_name(found, kind, name)] = fields
        return found

    def _plain_entities(self) -> Iterator[tuple[Any, str, str, Fields]]:
        """Yield parents before their children: a child's name contains that of its parent."""
        for collection, kind in KINDS.items():
            record = self._schemas.entity(collection).record
            for item in getattr(self._entities, collection):
                fields = self._fields(item, record)
                if collection == "plugins":
                    plugin = self._schemas.plugin(item.name)
                    if plugin is not None:
                        fields["config"] = _marked(plugin.record, fields["config"])
                yield item, kind, _NAMINGS.get(collection, _named)(item, self._names), fields

    def _fields(self, item: Any, record: Record) -> Fields:
        fields = {name: _data(getattr(item, name)) for name in item.__match_args__ if name not in _UNCOMPARED}
        for name in record.references:
            if fields.get(name) in self._names:
                fields[name] = self._names[fields[name]]
        for name, schema in record.properties.items():
            if schema.get("x-kong-set") and isinstance(fields.get(name), list):
                fields[name].sort(key=repr)
        return _marked(record, fields)

    def _credentials(self) -> Iterator[tuple[str, str, Fields]]:
        for credential in self._entities.credentials:
            record = self._schemas.entity(credential.kind).record
            given = self._places.of(credential).fields
            values = {
                # What the file leaves to the gateway is drawn anew with every load.
                name: None if given.get(name) is None and _is_generated(record, name) else _data(value)
                for name, value in credential.fields.items()
            }
            fields = _marked(record, values) | {"tags": _data(credential.tags)}
            consumer = self._names.get(credential.consumer, credential.consumer)
            own = next((values[name] for name in ("username", "group", "name") if values.get(name)), "#1")
            yield _CREDENTIAL_KINDS[credential.kind], f"{own} for consumer {consumer}", fields

    def _members(self) -> Iterator[tuple[str, str, Fields]]:
        for consumer, group in self._entities.group_members:
            name = f"{self._names.get(consumer, consumer)} in {self._names.get(group, group)}"
            yield "consumer-group-consumer", name, {}


def _free_name(found: Mapping[tuple[str, str], Fields], kind: str, name: str) -> str:
    """Return the name, or one with a number: entities without a name of their own are told apart by order."""
    if (kind, name) not in found:
        return name
    base, _, rest = name.partition("#1")
    number = 2
    while (kind, _numbered(base, rest, number, has_number="#1" in name)) in found:
        number += 1
    return _numbered(base, rest, number, has_number="#1" in name)


def _numbered(base: str, rest: str, number: int, *, has_number: bool) -> str:
    return f"{base}#{number}{rest}" if has_number else f"{base} #{number}"


def _named(item: Any, names: Mapping[str, str]) -> str:
    own = next((getattr(item, name, None) for name in _NAMES if getattr(item, name, None)), None)
    return own if own is not None else "#1"


def _route_name(route: Any, names: Mapping[str, str]) -> str:
    if route.name:
        return str(route.name)
    return f"#1 of service {names[route.service]}" if route.service else "#1 without a service"


def _certificate_name(certificate: Any, names: Mapping[str, str]) -> str:
    """Return the beginning of the fingerprint: certificates have no names."""
    return sha256(certificate.cert.strip().encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _target_name(target: Any, names: Mapping[str, str]) -> str:
    return f"{target.target} for upstream {names[target.upstream]}"


def _plugin_name(plugin: Any, names: Mapping[str, str]) -> str:
    scopes = [
        f"{scope.replace('_', '-')} {names[parent]}"
        for scope in _SCOPES
        if (parent := getattr(plugin, scope)) is not None
    ]
    return f"{plugin.name} for {' and '.join(scopes)}" if scopes else f"{plugin.name} (global)"


_NAMINGS: Mapping[str, Callable[[Any, Mapping[str, str]], str]] = MappingProxyType(
    {
        "certificates": _certificate_name,
        "ca_certificates": _certificate_name,
        "routes": _route_name,
        "targets": _target_name,
        "plugins": _plugin_name,
    }
)


def _is_generated(record: Record, name: str) -> bool:
    return "x-kong-generated" in record.properties[name]


def _data(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _data(asdict(value))
    if isinstance(value, (tuple, list)):
        return [_data(item) for item in value]
    return {key: _data(item) for key, item in value.items()} if isinstance(value, dict) else value


def _marked(record: Record, values: Mapping[str, Any]) -> Fields:
    """Return a record whose secrets are marks, at every depth."""
    out = dict(values)
    for name, schema in record.properties.items():
        value = out.get(name)
        hides = schema.get("x-kong-secret") or schema.get("x-kong-referenceable")
        if hides and value is not None and not is_vault_reference(value):
            out[name] = Secret(blake2b(repr(value).encode(), key=_key(), digest_size=16).digest())
    for path, inner, inner_values in record.inner(values):
        target: Any = out
        for step in path[:-1]:
            target[step] = target[step].copy()
            target = target[step]
        target[path[-1]] = _marked(inner, inner_values)
    return out


@lru_cache(maxsize=1)
def _key() -> bytes:
    return random.token_bytes(32)
