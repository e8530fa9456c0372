"""Deprecated names of plugin fields: their values move to where they belong now.

A deprecated name is a field of the schema like any other, with ``x-kong-alias-of``. Both names with different
values are a mistake; the same value, or one name alone, is a warning. What moved is remembered, so that a
mistake in a moved value is shown at the name that the file has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dbless_gateway.config.checks import lookup
from dbless_gateway.config.drafts import Finding, Path, render_path
from dbless_gateway.config.masking import MASK
from dbless_gateway.config.messages import is_secret, text
from dbless_gateway.config.schemas import Record

Fields = dict[str, Any]


class Translation:
    """One translation of one ``config``; ``renamed`` maps where a value is now to where the file has it."""

    def __init__(self, record: Record, config: Mapping[str, Any]) -> None:
        self.config: Fields = dict(config)
        self.findings: list[Finding] = []
        self.renamed: dict[str, str] = {}
        self._walk(record, self.config, ("config",))

    def _walk(self, record: Record, given: Fields, path: Path) -> None:
        for name, inner in record.records.items():
            if isinstance(given.get(name), dict):
                given[name] = dict(given[name])
                self._walk(inner, given[name], (*path, name))
        for name, schema in record.deprecated.items():
            if name in given:
                self._translate(given, name, schema, path)
        for name, old_default in record.old_fields.items():
            if given.get(name) is not None and given[name] != old_default:
                message = f"`{name}` is deprecated"
                self.findings.append(Finding((*path, name), "plugin/deprecated", message, None, on_key=True))

    def _translate(self, given: Fields, name: str, schema: Mapping[str, Any], path: Path) -> None:
        value = given.pop(name)
        targets: list[str] = schema["x-kong-alias-of"]
        if value is None:
            if name in _NULLS and lookup(given, targets[0]) is None:
                _put(given, targets[0], _NULLS[name])
            return
        shown = targets[0] if targets else ""
        message = f"`{name}` is deprecated" + (f"; use `{shown}`" if targets else " and has no effect")
        suggestion = f"rename it to `{shown}`" if targets else "remove it"
        self.findings.append(Finding((*path, name), "plugin/deprecated", message, suggestion, on_key=True))
        value = _VALUES.get(name, _unchanged)(value)
        for target in targets:
            # A target is named from the top of ``config``; this record may lie deeper.
            prefix = ".".join(str(step) for step in path[1:])
            local = target.removeprefix(f"{prefix}.") if prefix else target
            current = lookup(given, local)
            if current is None:
                _put(given, local, value)
                self.renamed[f"config.{target}"] = render_path((*path, name))
            elif current != value:
                self._mismatch((*path, name), (value, target, current), is_hidden=is_secret(schema))

    def _mismatch(self, path: Path, values: tuple[Any, str, Any], *, is_hidden: bool) -> None:
        value, target, current = values
        old, new = (MASK, MASK) if is_hidden else (text(value), text(current))
        message = (
            "both deprecated and new field are used but their values mismatch: "
            f"{path[-1]} = {old} vs {target} = {new}"
        )
        self.findings.append(Finding(path, "plugin/mismatch", message))


def _put(given: Fields, target: str, value: Any) -> None:
    *outer, leaf = target.split(".")
    record = given
    for step in outer:
        inner = record.get(step)
        record[step] = dict(inner) if isinstance(inner, dict) else {}
        record = record[step]
    record[leaf] = value


def _unchanged(value: Any) -> Any:
    return value


# Where null was a choice, and the new field has a default that is another one.
_NULLS: Mapping[str, Any] = MappingProxyType({"cookie_idletime": 0})

_VALUES: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        # The session library renamed this mode together with the field.
        "cookie_samesite": lambda value: "Lax" if value == "off" else value,
    }
)
