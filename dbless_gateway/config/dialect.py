"""What only decK or an older format means, translated into today's plain fields before anything is checked.

Per file: ``_info.defaults``, ``_info.select_tags``, ``_plugin_configs`` with ``_config``, and the paths and
plugin names of formats 1.1 and 2.1. After this stage every draft reads as if it came from a 3.0 file without
these.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from dbless_gateway.config.document import ROOT, Document
from dbless_gateway.config.drafts import Below, Draft, Finding, Report
from dbless_gateway.config.messages import unknown_field
from dbless_gateway.config.paths import migrate_path
from dbless_gateway.config.schemas import PluginSchema, Schemas

OLD_VERSIONS = frozenset({"1.1", "2.1"})
# ``_info.defaults`` is written in the singular and only for these.
_DEFAULTED = {"services": "service", "routes": "route", "upstreams": "upstream", "targets": "target"}


class Dialect:
    """What one file says about all of its entities."""

    def __init__(
        self,
        document: Document,
        version: str,
        shared: Mapping[str, Document],
        schemas: Schemas,
        report: Report,
    ) -> None:
        """``shared`` says in which file each plugin configuration is."""
        info = document.value(ROOT, ("_info",))
        info = info if isinstance(info, dict) else {}
        defaults, select_tags = info.get("defaults"), info.get("select_tags")
        self._defaults: Mapping[str, Any] = defaults if isinstance(defaults, dict) else {}
        self._select_tags: list[Any] = select_tags if isinstance(select_tags, list) else []
        self._is_old = version in OLD_VERSIONS
        self._shared = shared
        self._schemas = schemas
        self._report = report

    def translate(self, draft: Draft) -> None:
        """Translate a draft of the file in place."""
        if isinstance(draft.fields.get("_comment"), str):
            del draft.fields["_comment"]
        if self._defaults and draft.collection in _DEFAULTED:
            _apply_defaults(draft, _DEFAULTED[draft.collection], self._defaults)
        if self._select_tags:
            _add_tags(draft, self._select_tags)
        if draft.collection == "plugins":
            _apply_shared_config(draft, self._shared, self._report)
            if self._is_old:
                _rename_old_fields(draft, self._schemas, self._report)
        elif draft.collection == "routes" and self._is_old:
            _migrate_paths(draft)


def _apply_defaults(draft: Draft, kind: str, defaults: Mapping[str, Any]) -> None:
    if isinstance(defaults.get(kind), dict):
        draft.fields = merge(defaults[kind], draft.fields)
        draft.below += (Below(draft.document, ("_info", "defaults", kind), ()),)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another: mappings merge at every depth, anything else replaces."""
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def _add_tags(draft: Draft, tags: list[Any]) -> None:
    own = draft.fields.get("tags")
    if own is None or isinstance(own, list):
        draft.fields["tags"] = [*(own or []), *(tag for tag in tags if tag not in (own or []))]


def _apply_shared_config(draft: Draft, shared: Mapping[str, Document], report: Report) -> None:
    name = draft.fields.get("_config")
    if not isinstance(name, str):
        return
    if name not in shared:
        report.add(draft, Finding(("_config",), "format/plugin-config", f'_plugin_config "{name}" not found'))
        return
    own = draft.fields.get("config")
    config = shared[name].value(ROOT, ("_plugin_configs", name))
    if isinstance(config, dict) and (own is None or isinstance(own, dict)):
        draft.fields["config"] = merge(config, own or {})
        draft.below += (Below(shared[name], ("_plugin_configs", name), ("config",)),)


def _migrate_paths(draft: Draft) -> None:
    paths = draft.fields.get("paths")
    if isinstance(paths, list):
        draft.fields["paths"] = [migrate_path(path) if isinstance(path, str) else path for path in paths]


def _rename_old_fields(draft: Draft, schemas: Schemas, report: Report) -> None:
    """Translate plugin fields that 3.x dropped without an alias."""
    name, config = draft.fields.get("name"), draft.fields.get("config")
    schema = schemas.plugin(name) if isinstance(name, str) else None
    if schema is None or not isinstance(config, dict):
        return
    config = copy(config)
    for old, new in schema.old_names.items():
        _rename(draft, config, old, new, report)
    if name == "http-log":
        _flatten_headers(draft, config, report)
    draft.fields["config"] = dict(config)


def _rename(draft: Draft, config: dict[str, Any], old: str, new: str | None, report: Report) -> None:
    outer, _, leaf = old.rpartition(".")
    record = config
    if outer:
        if not isinstance(config.get(outer), dict):
            return
        record = config[outer] = dict(config[outer])
    if leaf not in record:
        return
    value = record.pop(leaf)
    message = f"`{old}` is not a field since 3.0; " + (
        f"read as `{new}`" if new else "it had no effect and is ignored"
    )
    finding = Finding(
        ("config", *old.split(".")),
        "plugin/deprecated",
        message,
        f"rename it to `{new}`" if new else "remove it",
        True,
    )
    report.add(draft, finding)
    if new is not None and config.get(new) is None:
        config[new] = value
        draft.renamed = {**draft.renamed, f"config.{new}": f"config.{old}"}


def _flatten_headers(draft: Draft, config: dict[str, Any], report: Report) -> None:
    """Turn the lists of header values that http-log had in 2.x into the single texts of 3.x."""
    headers = config.get("headers")
    if not isinstance(headers, dict) or not any(isinstance(value, list) for value in headers.values()):
        return
    message = "the values of `headers` are texts since 3.0; the values of a list are joined"
    report.add(draft, Finding(("config", "headers"), "plugin/deprecated", message, on_key=True))
    config["headers"] = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in headers.items()
    }


def hint_old_names(findings: list[Finding], schema: PluginSchema) -> list[Finding]:
    """Let an unknown field that has a new name say so."""
    out = []
    for finding in findings:
        old = ".".join(str(step) for step in finding.path[1:])
        if finding.code == "schema/unknown-field" and old in schema.old_names:
            new = schema.old_names[old]
            suggestion = f"use `{new}`; this name is from 2.x" if new else "remove it; it is from 2.x"
            finding = unknown_field(finding.path, [])._replace(suggestion=suggestion)
        out.append(finding)
    return out
