"""Fields against their schema: every mistake of one entity, in Kong's words.

The schema is the judge, by ``json_schema``. Three things JSON Schema cannot say are applied to its findings:
a vault reference stands for a value that is not known yet, ``{}`` and ``[]`` are the same to Kong, and one
field gets one message.
"""

from __future__ import annotations

from typing import Any

from dbless_gateway.config.drafts import Finding, Path
from dbless_gateway.config.json_schema import CompiledSchema, Mistake
from dbless_gateway.config.messages import explain
from dbless_gateway.config.schemas import Schema

VAULT_PREFIX = "{vault://"


class Validator:
    """Judges values against one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._compiled = CompiledSchema(schema)

    def findings(self, value: Any) -> list[Finding]:
        """Return everything that is wrong with ``value``."""
        return [] if self._compiled.fits(value) else _collect(self._compiled, value)


def is_vault_reference(value: object) -> bool:
    """Tell whether this text stands for a secret that is looked up at run time."""
    return isinstance(value, str) and value.startswith(VAULT_PREFIX) and value.endswith("}")


def _collect(schema: CompiledSchema, value: Any) -> list[Finding]:
    """Name what is wrong with a value, at most one thing for each place."""
    found: dict[Path, Finding] = {}
    for mistake in schema.mistakes(value):
        for finding in _findings_of(mistake):
            found.setdefault(finding.path, finding)
    return list(found.values())


def _findings_of(mistake: Mistake) -> list[Finding]:
    if is_vault_reference(mistake.value) and mistake.schema.get("x-kong-referenceable"):
        return []
    if not _is_empty_of_other_kind(mistake):
        return explain(mistake)
    other: Any = [] if mistake.value == {} else {}
    findings = _collect(CompiledSchema(mistake.schema), other)
    return [finding._replace(path=mistake.path + finding.path) for finding in findings]


def _is_empty_of_other_kind(mistake: Mistake) -> bool:
    """Tell whether ``{}`` stands where a list is meant, or ``[]`` where a mapping is."""
    value, schema = mistake.value, mistake.schema
    if mistake.keyword != "type" or not isinstance(value, (dict, list)) or value:
        return False
    # A reference is no record, although it may be written as one.
    kinds = schema["type"] if "x-kong-reference" not in schema else ()
    return ("array" if isinstance(value, dict) else "object") in kinds
