"""References to secrets: ``{vault://env/x}`` in the fields that allow them.

A reference is the whole text of a field. Entities keep it as it is written, so that nothing that shows a
configuration can show a secret; ``Entities.secrets`` has the values beside them, and the compiler alone puts
these in (``snapshot/secrets.py``). As in Kong, a reference without a value is no error: it is warned of, and
the field is empty. The only kind of vault is ``env``.

Messages name references and variables, and never values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, unquote

from dbless_gateway.config.drafts import Draft, Finding, Path, Report
from dbless_gateway.config.entities import Secret
from dbless_gateway.config.schemas import Schema, Schemas
from dbless_gateway.config.validate import is_vault_reference

UNRESOLVED = "vault/unresolved"
# Kong's setting ``vault_env_prefix``: the prefix of ``{vault://env/...}`` itself.
PREFIX_VARIABLE = "KONG_VAULT_ENV_PREFIX"

_REFERENCE = re.compile(r"\{vault://([^/?#]+)/([^?#]*)(?:\?([^#]*))?(?:#(.*))?\}")
_ALLOWED = "x-kong-referenceable"
# Beside the plugins.
_COLLECTIONS = ("certificates", "keys")
# Version 1 is the variable itself.
_SUFFIXES: Mapping[str, str] = MappingProxyType({"": "", "1": "", "2": "_PREVIOUS"})


class Unresolved(Exception):
    """There is no value; the text says why, for people."""


class EnvironmentVaults:
    """The vaults of one configuration, all of them of the kind ``env``."""

    def __init__(self, prefixes: Mapping[str, str], environ: Mapping[str, str]) -> None:
        """``prefixes``: what the names of variables begin with, by the name of the vault."""
        self._prefixes = {"env": environ.get(PREFIX_VARIABLE, ""), **prefixes}
        self._environ = environ

    def resolve(self, reference: str) -> str:
        """Return the value of a reference; raises ``Unresolved``."""
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise Unresolved("it is not of the form {vault://NAME/RESOURCE}")
        vault, path, query, version = match.groups(default="")
        prefix = self._prefixes.get(vault)
        if prefix is None:
            raise Unresolved(f"there is no vault '{vault}'")
        prefix = parse_qs(query).get("prefix", [prefix])[-1]
        resource, key = _split_path(unquote(path))
        value = self._variable(f"{prefix}{resource}", version)
        return _field_of(value, key) if key is not None else value

    def _variable(self, name: str, version: str) -> str:
        suffix = _SUFFIXES.get(version)
        if suffix is None:
            raise Unresolved(f"there is no version '{version}', only 1 and 2")
        variable = f"{name.replace('-', '_').upper()}{suffix}"
        value = self._environ.get(variable)
        if not value:
            state = "not set" if value is None else "empty"
            raise Unresolved(f"environment variable '{variable}' is {state}")
        return value


def _split_path(path: str) -> tuple[str, str | None]:
    """Return the resource, and the key inside its JSON when there is one; a last slash says there is none."""
    if path.endswith("/"):
        return path.rstrip("/"), None
    resource, slash, key = path.rpartition("/")
    return (resource, key) if slash else (key, None)


def _field_of(text: str, key: str) -> str:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise Unresolved("its value is not JSON, and the reference names a key in it") from None
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, str):
        raise Unresolved(f"its JSON has no text called '{key}'")
    return value


def resolve_references(
    drafts: Sequence[Draft], schemas: Schemas, environ: Mapping[str, str], report: Report, *, mock: bool
) -> tuple[Secret, ...]:
    """Return the value of every reference; one that has none is warned of, and its value is empty.

    With ``mock`` nothing is looked up: there are no secrets on this machine, and nobody misses them.
    """
    vaults = EnvironmentVaults(dict(_prefixes(drafts)), environ)
    secrets = []
    for draft, path, reference in _References(schemas).of(drafts):
        try:
            value = "" if mock else vaults.resolve(reference)
        except Unresolved as reason:
            value = ""
            message = f"unable to resolve reference {reference} ({reason}); the value is empty"
            report.add(draft, Finding(path, UNRESOLVED, message))
        secrets.append(Secret(draft.id, path, value))
    return tuple(secrets)


def _prefixes(drafts: Sequence[Draft]) -> Iterator[tuple[str, str]]:
    for draft in drafts:
        if draft.collection == "vaults" and not draft.broken:
            yield draft.fields["prefix"], draft.fields["config"].get("prefix") or ""


class _References:
    """Finds references, and knows the plugins that it need not look into."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._plugins: dict[str, Schema | None] = {}

    def of(self, drafts: Sequence[Draft]) -> Iterator[tuple[Draft, Path, str]]:
        """Yield every reference with its place; an entity with errors has none yet."""
        for draft in drafts:
            if draft.broken:
                continue
            if draft.collection == "plugins":
                schema = self._schema_of_plugin(draft.fields["name"])
                if schema is not None:
                    for path, text in _walk(schema, draft.fields["config"], ("config",)):
                        yield draft, path, text
            elif draft.collection in _COLLECTIONS:
                for path, text in _walk(self._schemas.entity(draft.collection).schema, draft.fields, ()):
                    yield draft, path, text

    def _schema_of_plugin(self, name: str) -> Schema | None:
        """Return the schema of a plugin; None when no field of it allows a reference."""
        if name not in self._plugins:
            plugin = self._schemas.plugin(name)
            takes_them = plugin is not None and _ALLOWED in json.dumps(plugin.schema)
            self._plugins[name] = plugin.schema if plugin is not None and takes_them else None
        return self._plugins[name]


def _walk(schema: Schema, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every reference at a place that allows one."""
    if isinstance(value, str):
        if schema.get(_ALLOWED) and is_vault_reference(value):
            yield path, value
    elif isinstance(value, Mapping):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            inner = properties.get(name, others)
            if item is not None and isinstance(inner, dict):
                yield from _walk(inner, item, (*path, name))
    elif isinstance(value, list | tuple) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from _walk(schema["items"], item, (*path, index))
