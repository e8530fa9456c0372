"""Fields against their schema: every mistake of one entity, in Kong's words.

The schema is the judge. ``jsonschema-rs`` (when installed) gives the verdict for the many entities that are
right; ``jsonschema`` names the mistakes of those that are wrong and is not even imported before. A test holds
that both agree. Three things JSON Schema cannot say are applied to its findings: a vault reference stands for
a value that is not known yet, ``{}`` and ``[]`` are the same to Kong, and one field gets one message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dbless_gateway.config.drafts import Finding, Path
from dbless_gateway.config.formats import FORMATS
from dbless_gateway.config.messages import explain
from dbless_gateway.config.schemas import Schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

VAULT_PREFIX = "{vault://"

_AT_END = re.compile(r"(?<!\\)\$(?=$|\))")


class Validator:
    """Judges values against one schema; compiled when first used."""

    def __init__(self, schema: Schema, *, fast: bool = True) -> None:
        self.schema = schema
        self._verdict: Callable[[Any], bool] | None = _fast_verdict(schema) if fast else None
        self._slow: Draft202012Validator | None = None

    def findings(self, value: Any) -> list[Finding]:
        """Return everything that is wrong with ``value``."""
        if self._verdict is not None:
            try:
                if self._verdict(value):
                    return []
            except (ValueError, OverflowError):
                # A number beyond what the fast validator can hold; the slow one knows no such limit.
                pass
        if self._slow is None:
            self._slow = _slow_validator(self.schema)
        return _collect(self._slow, value)


def is_vault_reference(value: object) -> bool:
    """Tell whether this text stands for a secret that is looked up at run time."""
    return isinstance(value, str) and value.startswith(VAULT_PREFIX) and value.endswith("}")


def _collect(validator: Draft202012Validator, value: Any) -> list[Finding]:
    """Name what is wrong with a value, at most one thing for each place."""
    found: dict[Path, Finding] = {}
    for error in validator.iter_errors(value):
        for finding in _findings_of(error, validator):
            found.setdefault(finding.path, finding)
    return list(found.values())


def _findings_of(error: ValidationError, validator: Draft202012Validator) -> list[Finding]:
    schema: Any = error.schema
    if is_vault_reference(error.instance) and schema.get("x-kong-referenceable"):
        return []
    if not _is_empty_of_other_kind(error):
        return explain(error)
    other: Any = [] if error.instance == {} else {}
    prefix = tuple(error.absolute_path)
    inner: Any = validator.evolve(schema=schema)
    findings = _collect(inner, other)
    return [finding._replace(path=prefix + finding.path) for finding in findings]


def _is_empty_of_other_kind(error: ValidationError) -> bool:
    """Tell whether ``{}`` stands where a list is meant, or ``[]`` where a mapping is."""
    value: Any = error.instance
    schema: Any = error.schema
    if error.validator != "type" or not isinstance(value, (dict, list)) or value:
        return False
    # A reference is no record, although it may be written as one.
    kinds = schema["type"] if "x-kong-reference" not in schema else ()
    return ("array" if isinstance(value, dict) else "object") in kinds


def _fast_verdict(schema: Schema) -> Callable[[Any], bool] | None:
    try:
        from jsonschema_rs import Draft202012Validator
    except ImportError:
        return None
    checks = {name: _verdict_of(check) for name, check in FORMATS.items()}
    return Draft202012Validator(schema, formats=checks, validate_formats=True).is_valid


def _verdict_of(check: Callable[[str], str | None]) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, str) or check(value) is None


def _slow_validator(schema: Schema) -> Draft202012Validator:
    from jsonschema import Draft202012Validator, FormatChecker, validators

    checker = FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name)(_verdict_of(check))
    strict = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"pattern": _match_pattern}
    )
    validator: Draft202012Validator = strict(schema, format_checker=checker)
    return validator


def _match_pattern(
    validator: object, pattern: str, value: object, schema: object
) -> Iterator[ValidationError]:
    """Apply ``pattern`` as JSON Schema means it: ``$`` is the very end, not before a last line break."""
    from jsonschema import ValidationError

    if isinstance(value, str) and not re.search(_AT_END.sub(r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")
