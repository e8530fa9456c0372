"""Rules over several fields of one record: the ``x-kong-checks`` of the schemas.

Each check is data, ``{"at_least_one_of": ["username", "custom_id"]}``; this file is their interpreter and
knows no field by name. Checks see the record with its defaults filled in, as Kong's do. One that concerns a
vault reference is skipped, because the value is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from dbless_gateway.config.drafts import Finding, Path
from dbless_gateway.config.messages import REQUIRED, text
from dbless_gateway.config.schemas import Record
from dbless_gateway.config.validate import is_vault_reference

Values = Mapping[str, Any]


def check_record(
    record: Record, values: Values, path: Path = (), wrong: frozenset[str] = frozenset()
) -> list[Finding]:
    """Return what is wrong between the fields of a record and of every record inside it.

    Checks that mention a field in ``wrong`` are left out: its value is already a problem of its own.
    """
    checks = [check for check in record.checks if not wrong or wrong.isdisjoint(mentioned(check))]
    findings = check_all(checks, values, path)
    for inner_path, inner, inner_values in record.inner(values):
        findings += check_record(inner, inner_values, path + inner_path)
    return findings


def check_all(checks: Iterable[Mapping[str, Any]], values: Values, path: Path = ()) -> list[Finding]:
    """Apply checks to one record; ``path`` is put before the names of its fields."""
    findings: list[Finding] = []
    for check in checks:
        kind = next(iter(check))
        rule = check[kind]
        if check.get("level") == "config" and isinstance(rule, list):
            # Kong makes these inside the record, so their texts name its fields without it.
            names = [name.removeprefix("config.") for name in rule]
            findings += _CHECKS[kind](names, values["config"], (*path, "config"))
        else:
            findings += _CHECKS[kind](rule, values, path)
    return findings


def mentioned(check: Mapping[str, Any]) -> set[str]:
    """Return every field a check mentions, and every record on the way to it."""
    rule = next(iter(check.values()))
    if isinstance(rule, Mapping):
        names = [rule["if_field"], *rule.get("then_at_least_one_of", ())]
        names += [rule["then_field"]] if "then_field" in rule else []
    else:
        names = rule
    return {name[:end] for name in names for end in range(len(name) + 1) if name[end : end + 1] in {".", ""}}


def lookup(values: object, name: str) -> Any:
    """Return the value at a dotted name, or None."""
    for step in name.split("."):
        if not isinstance(values, Mapping):
            return None
        values = values.get(step)
    return values


def is_given(value: object) -> bool:
    """Tell whether a value counts as non-empty."""
    return value is not None and value != "" and value != [] and value != {}


def _steps(path: Path, name: str) -> Path:
    return (*path, *name.split("."))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _first_given(names: list[str], values: Values, path: Path) -> Path:
    given = [name for name in names if is_given(lookup(values, name))]
    return _steps(path, given[-1] if given else names[0])


def _at_least_one_of(names: list[str], values: Values, path: Path) -> list[Finding]:
    if any(is_given(lookup(values, name)) for name in names):
        return []
    message = f"at least one of these fields must be non-empty: {_quoted(names)}"
    return [Finding(_steps(path, names[0])[:-1], "rule/one-of", message)]


def _only_one_of(names: list[str], values: Values, path: Path) -> list[Finding]:
    given = [name for name in names if is_given(lookup(values, name))]
    if len(given) == 1:
        return []
    message = f"exactly one of these fields must be non-empty: {_quoted(names)}"
    place = _steps(path, given[-1]) if given else _steps(path, names[0])[:-1]
    return [Finding(place, "rule/exclusive" if given else "rule/one-of", message, on_key=bool(given))]


def _mutually_exclusive(names: list[str], values: Values, path: Path) -> list[Finding]:
    if sum(is_given(lookup(values, name)) for name in names) < 2:
        return []
    message = f"only one or none of these fields must be set: {_quoted(names)}"
    return [Finding(_first_given(names, values, path), "rule/exclusive", message, on_key=True)]


def _mutually_required(names: list[str], values: Values, path: Path) -> list[Finding]:
    given = sum(is_given(lookup(values, name)) for name in names)
    if given in {0, len(names)}:
        return []
    message = f"all or none of these fields must be set: {_quoted(names)}"
    return [Finding(_first_given(names, values, path), "rule/together", message, on_key=True)]


def _distinct(names: list[str], values: Values, path: Path) -> list[Finding]:
    given = [lookup(values, name) for name in names]
    if None in given or len(set(given)) == len(given):
        return []
    message = f"values of these fields must be distinct: {_quoted(names)}"
    return [Finding(_steps(path, names[-1]), "rule/distinct", message)]


def _conditional(rule: Mapping[str, Any], values: Values, path: Path) -> list[Finding]:
    trigger = lookup(values, rule["if_field"])
    value = lookup(values, rule["then_field"])
    if not _matches(rule["if_match"], trigger) or is_vault_reference(value) or is_vault_reference(trigger):
        return []
    fault = _fault(rule["then_match"], value)
    if fault is None:
        return []
    place = _steps(path, rule["then_field"])
    code = "schema/required" if fault == REQUIRED else "rule/conditional"
    reason = f"`{rule['if_field']}` is {text(trigger)}"
    return [Finding(place, code, rule.get("then_err") or fault, reason)]


def _conditional_at_least_one_of(rule: Mapping[str, Any], values: Values, path: Path) -> list[Finding]:
    names: list[str] = rule["then_at_least_one_of"]
    if not _matches(rule["if_match"], lookup(values, rule["if_field"])):
        return []
    if any(is_given(lookup(values, name)) for name in names):
        return []
    shown = _quoted(name.removeprefix("config.") for name in names)
    return [Finding(_steps(path, names[0]), "rule/conditional", rule["then_err"].replace("%s", shown))]


def _matches(match: Mapping[str, Any], value: object) -> bool:
    """Tell whether the condition of a conditional check holds."""
    return _fault(match, value) is None


def _fault(match: Mapping[str, Any], value: Any) -> str | None:
    """Return how Kong says that ``value`` does not fulfil ``match``, or None."""
    kind, wanted = next(iter(match.items()))
    return _MATCHES[kind](wanted, value)


def _eq(wanted: object, value: object) -> str | None:
    return None if value == wanted and type(value) is type(wanted) else f"value must be {text(wanted)}"


def _one_of(wanted: list[Any], value: object) -> str | None:
    return None if value in wanted else f"expected one of: {', '.join(map(text, wanted))}"


def _not_one_of(wanted: list[Any], value: object) -> str | None:
    return None if value not in wanted else f"must not be one of: {', '.join(map(text, wanted))}"


def _gt(wanted: float, value: Any) -> str | None:
    greater = isinstance(value, (int, float)) and value > wanted
    return None if greater else f"value must be greater than {wanted}"


def _contains(wanted: object, value: Any) -> str | None:
    # As in Kong: whether a list has to be there at all is for another check.
    if value is None or (isinstance(value, (list, tuple)) and wanted in value):
        return None
    return f"expected to contain: {text(wanted)}"


def _required(wanted: bool, value: object) -> str | None:
    return REQUIRED if wanted and value is None else None


_MATCHES: Mapping[str, Callable[[Any, Any], str | None]] = MappingProxyType(
    {
        "eq": _eq,
        "one_of": _one_of,
        "not_one_of": _not_one_of,
        "gt": _gt,
        "contains": _contains,
        "required": _required,
    }
)

_CHECKS: Mapping[str, Callable[[Any, Values, Path], list[Finding]]] = MappingProxyType(
    {
        "at_least_one_of": _at_least_one_of,
        "only_one_of": _only_one_of,
        "mutually_exclusive": _mutually_exclusive,
        "mutually_required": _mutually_required,
        "distinct": _distinct,
        "conditional": _conditional,
        "conditional_at_least_one_of": _conditional_at_least_one_of,
    }
)
