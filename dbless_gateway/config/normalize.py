"""Valid fields to complete ones: shorthands written out, deprecated names translated, defaults filled in.

Works on one entity at a time and needs no other entity. After it, every field of the schema is there, and
only the fields of the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from dbless_gateway.config.addresses import normalize_target
from dbless_gateway.config.checks import lookup
from dbless_gateway.config.drafts import Draft, Finding, Path
from dbless_gateway.config.messages import HIDDEN, is_secret, text
from dbless_gateway.config.schemas import EntitySchema, PluginSchema, Record

Fields = dict[str, Any]

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


def complete_config(draft: Draft, schema: PluginSchema) -> list[Finding]:
    """Complete a plugin's ``config`` and its protocols; return what to say about deprecated fields."""
    given: Fields = dict(draft.fields.get("config") or {})
    findings = translate_deprecated(schema.record, given, ("config",))
    draft.fields["config"] = schema.record.fill(given, keep_null=True)
    if draft.fields["protocols"] is None:
        draft.fields["protocols"] = list(schema.default_protocols)
    return findings


def translate_deprecated(record: Record, given: Fields, path: Path) -> list[Finding]:
    """Move the values of deprecated names to where they belong now, in place, at every depth."""
    findings: list[Finding] = []
    for name, inner in record.records.items():
        if isinstance(given.get(name), dict):
            given[name] = dict(given[name])
            findings += translate_deprecated(inner, given[name], (*path, name))
    for name, schema in record.deprecated.items():
        if name in given:
            findings += _translate(given, name, schema, path)
    for name, old_default in record.old_fields.items():
        if given.get(name) is not None and given[name] != old_default:
            message = f"`{name}` is deprecated"
            findings.append(Finding((*path, name), "plugin/deprecated", message, None, on_key=True))
    return findings


def _translate(given: Fields, name: str, schema: Mapping[str, Any], path: Path) -> list[Finding]:
    value = given.pop(name)
    targets: list[str] = schema["x-kong-alias-of"]
    if value is None:
        return []
    shown = targets[0] if targets else ""
    message = f"`{name}` is deprecated" + (f"; use `{shown}`" if targets else " and has no effect")
    suggestion = f"rename it to `{shown}`" if targets else "remove it"
    findings = [Finding((*path, name), "plugin/deprecated", message, suggestion, on_key=True)]
    value = _ALIAS_VALUES.get(name, _unchanged)(value)
    for target in targets:
        # A target is named from the top of ``config``; this record may lie deeper.
        prefix = ".".join(str(step) for step in path[1:])
        local = target.removeprefix(f"{prefix}.") if prefix else target
        findings += _move(given, name, local, value, schema, path)
    return findings


def _move(
    given: Fields, name: str, target: str, value: Any, schema: Mapping[str, Any], path: Path
) -> list[Finding]:
    current = lookup(given, target)
    if current is not None:
        if current == value:
            return []
        old, new = (HIDDEN, HIDDEN) if is_secret(schema) else (text(value), text(current))
        message = (
            "both deprecated and new field are used but their values mismatch: "
            f"{name} = {old} vs {target} = {new}"
        )
        return [Finding((*path, name), "plugin/mismatch", message)]
    *outer, leaf = target.split(".")
    record = given
    for step in outer:
        inner = record.get(step)
        record[step] = dict(inner) if isinstance(inner, dict) else {}
        record = record[step]
    record[leaf] = value
    return []


def _unchanged(value: Any) -> Any:
    return value


_ALIAS_VALUES: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    # The session library renamed this mode together with the field.
    {"cookie_samesite": lambda value: "Lax" if value == "off" else value}
)


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
