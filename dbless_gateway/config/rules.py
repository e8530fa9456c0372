"""One entity at a time, judged in full: schema, completion, checks, and the rules that only code can state.

Every mistake is reported, also beside others: a field that is wrong is set aside, and the rest of its entity
is judged without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dbless_gateway.config.checks import check_all, check_record, mentioned
from dbless_gateway.config.deprecated import Translation
from dbless_gateway.config.dialect import hint_old_names
from dbless_gateway.config.drafts import Draft, Finding, Path, Report
from dbless_gateway.config.normalize import complete, complete_config
from dbless_gateway.config.pair_rules import check_pairs
from dbless_gateway.config.plugin_rules import check_plugin
from dbless_gateway.config.route_rules import check_route
from dbless_gateway.config.schemas import PluginSchema, Schemas
from dbless_gateway.config.spelling import closest
from dbless_gateway.config.validate import Validator


class Judge:
    """Judges and completes drafts; keeps the compiled validators."""

    def __init__(self, schemas: Schemas, report: Report, flavor: str, *, fast: bool = True) -> None:
        self._schemas = schemas
        self._report = report
        self._flavor = flavor
        self._fast = fast
        self._validators: dict[str, Validator] = {}

    def judge(self, draft: Draft) -> None:
        """Report every mistake of one entity and complete its fields."""
        schema = self._schemas.entity(draft.collection)
        given = draft.fields
        wrong = self._set_aside(draft, self._validator(draft.collection, schema.schema).findings(given))
        if wrong:
            draft.fields = {name: value for name, value in given.items() if name not in wrong}
        complete(draft, schema)
        if draft.collection == "plugins":
            if "name" not in wrong:
                self._judge_plugin(draft, wrong)
        else:
            self._add(draft, check_record(schema.record, draft.fields, wrong=frozenset(wrong)))
        if draft.collection == "routes" and not wrong & {"protocols"}:
            self._add(draft, check_route(draft.fields, given, self._flavor, wrong))
        self._add(draft, check_pairs(draft.collection, draft.fields, wrong))

    def _judge_plugin(self, draft: Draft, wrong: set[str]) -> None:
        fields = draft.fields
        name: str = fields["name"]
        schema = self._schemas.plugin(name)
        if schema is None:
            self._report.add(draft, self._no_schema(name))
            return
        self._add(draft, _check_use(draft, schema))
        if "config" in wrong:
            return
        bad = self._judge_config(draft, schema)
        wrong_names = frozenset(f"config.{name}" for name in bad)
        checks = [c for c in schema.record.checks if wrong_names.isdisjoint(mentioned(c))]
        self._add(draft, check_all(checks, fields))
        for path, record, values in schema.record.inner(fields["config"]):
            self._add(draft, check_record(record, values, ("config", *path)))
        if not bad:
            self._add(draft, check_plugin(name, fields))

    def _no_schema(self, name: str) -> Finding:
        fault = self._schemas.plugin_fault(name)
        if fault is not None:
            return Finding(("name",), "plugin/code", f"plugin '{name}' cannot be loaded: {fault}")
        message = f"plugin '{name}' not enabled; add it to the 'plugins' configuration property"
        return Finding(("name",), "plugin/unknown", message, self._similar(name))

    def _judge_config(self, draft: Draft, schema: PluginSchema) -> set[str]:
        """Validate, translate and complete ``config``; return the names of its fields that are wrong."""
        bad = self._validate_config(draft, schema)
        translation = Translation(schema.record, draft.fields["config"])
        draft.fields["config"] = translation.config
        self._add(draft, translation.findings)
        if translation.renamed:
            # What has moved must also be right where it is now.
            draft.renamed = {**draft.renamed, **translation.renamed}
            bad |= self._validate_config(draft, schema)
        complete_config(draft, schema)
        return bad

    def _validate_config(self, draft: Draft, schema: PluginSchema) -> set[str]:
        config = draft.fields.get("config") or {}
        findings = self._validator(f"plugin {draft.fields['name']}", schema.schema).findings(config)
        findings = [finding._replace(path=("config", *finding.path)) for finding in findings]
        bad = self._set_aside(draft, hint_old_names(findings, schema), depth=1)
        draft.fields["config"] = {key: value for key, value in config.items() if key not in bad}
        return bad

    def _similar(self, name: str) -> str | None:
        match = closest(name, self._schemas.plugin_names(), 0.7)
        return f"did you mean `{match}`?" if match else None

    def _validator(self, name: str, schema: dict[str, Any]) -> Validator:
        found = self._validators.get(name)
        if found is None:
            found = self._validators[name] = Validator(schema, fast=self._fast)
        return found

    def _set_aside(self, draft: Draft, findings: list[Finding], depth: int = 0) -> set[str]:
        """Report findings; return the names of the fields they are in."""
        self._add(draft, findings)
        return {str(finding.path[depth]) for finding in findings if len(finding.path) > depth}

    def _add(self, draft: Draft, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._report.add(draft, finding)


def _check_use(draft: Draft, schema: PluginSchema) -> list[Finding]:
    """Judge where a plugin is used, for which protocols, and in which order."""
    fields = draft.fields
    findings = []
    for scope in ("service", "route", "consumer", "consumer_group"):
        implied = draft.parent_field == scope
        if scope not in schema.scopes and (implied or fields.get(scope) is not None):
            path: Path = (scope,) if not implied else ("name",)
            message = "value must be null"
            hint = f"the plugin {fields['name']} cannot be used for one {scope.replace('_', ' ')}"
            findings.append(Finding(path, "plugin/scope", message, hint))
    # As written: the set in ``fields`` has lost its duplicates, and with them the places.
    protocols = fields.get("protocols") and (draft.source.get("protocols") or fields["protocols"])
    for index, protocol in enumerate(protocols or ()):
        if protocol not in schema.protocols:
            message = f"expected one of: {', '.join(schema.protocols)}"
            findings.append(Finding(("protocols", index), "schema/enum", message))
    if fields.get("ordering"):
        message = "the order of plugins is fixed; `ordering` needs Kong Enterprise"
        findings.append(Finding(("ordering",), "plugin/ordering", message, "remove it", True))
    return findings
