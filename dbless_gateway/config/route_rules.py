"""What the fields of a route must be together: protocols, and which attributes they allow and demand.

The rules differ by router flavour only where a flavour has attributes that the others lack.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from dbless_gateway.config.checks import is_given
from dbless_gateway.config.drafts import Finding

EXPRESSIONS = "expressions"
TRADITIONAL = "traditional"

_FAMILIES = (("http", "https"), ("tcp", "tls", "udp"), ("tls_passthrough",), ("grpc", "grpcs"))
_STREAM = frozenset({"tcp", "tls", "udp", "tls_passthrough"})
_ON_TLS = frozenset({"grpcs", "https", "tls", "tls_passthrough"})
_CLASSIC = ("methods", "hosts", "paths", "headers", "snis", "sources", "destinations")
_CLASSIC_TEXT = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations'"

# For each protocol, the strictest demand first: attributes of which one must be given, and how the text names
# it.
_DEMANDS: tuple[tuple[frozenset[str], tuple[str, ...], str], ...] = (
    (frozenset({"https"}), ("methods", "hosts", "headers", "paths", "snis"), "'https'"),
    (frozenset({"http"}), ("methods", "hosts", "headers", "paths"), "'http'"),
    (frozenset({"grpcs"}), ("hosts", "headers", "paths", "snis"), "'grpcs'"),
    (frozenset({"grpc"}), ("hosts", "headers", "paths"), "'grpc'"),
    (frozenset({"tcp", "tls", "udp"}), ("sources", "destinations", "snis"), "'tcp', 'tls' or 'udp'"),
)


def check_route(
    route: Mapping[str, Any], given: Mapping[str, Any], flavor: str, wrong: Set[str]
) -> list[Finding]:
    """Return what is wrong between the fields of a route.

    ``route`` has its defaults filled in, ``given`` is what the file says, and the fields in ``wrong`` are
    reported already: they are missing in ``route`` but not in the file.
    """
    findings = _check_protocols(route)
    if findings:
        return findings
    protocols = set(route["protocols"])
    findings += _check_forbidden(route, given, protocols, flavor)
    findings += _check_demanded(route, protocols, flavor, wrong)
    return findings + _check_expression(route, given, flavor)


def _check_protocols(route: Mapping[str, Any]) -> list[Finding]:
    present = []
    for protocol in route["protocols"]:
        family = next(family for family in _FAMILIES if protocol in family)
        if family not in present:
            present.append(family)
    if len(present) < 2:
        return []
    shown = ", ".join("(" + ", ".join(f"'{name}'" for name in family) + ")" for family in present)
    return [Finding(("protocols",), "route/protocols", f"these sets are mutually exclusive: {shown}")]


def _check_forbidden(
    route: Mapping[str, Any], given: Mapping[str, Any], protocols: set[str], flavor: str
) -> list[Finding]:
    if protocols & _STREAM:
        names: tuple[str, ...] = ("methods", "hosts", "paths", "headers")
        shown = "'tcp', 'tls', 'tls_passthrough' or 'udp'"
    elif protocols & {"grpc", "grpcs"}:
        names, shown = ("methods", "sources", "destinations"), "'grpc' or 'grpcs'"
    else:
        names, shown = (() if flavor == EXPRESSIONS else ("sources", "destinations")), "'http' or 'https'"
    findings = [
        Finding((name,), "route/forbidden", f"cannot set '{name}' when 'protocols' is {shown}", None, True)
        for name in names
        if is_given(route[name])
    ]
    if protocols & {"grpc", "grpcs"} and given.get("strip_path") is True:
        message = "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'"
        findings.append(Finding(("strip_path",), "route/forbidden", message))
    if is_given(route["snis"]) and not protocols & _ON_TLS:
        message = "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"
        findings.append(Finding(("snis",), "route/forbidden", message, None, True))
    if flavor == TRADITIONAL:
        findings += _check_exact_snis(given)
    return findings


def _check_exact_snis(given: Mapping[str, Any]) -> list[Finding]:
    return [
        Finding(("snis", index), "route/forbidden", f"invalid value: {name}")
        for index, name in enumerate(given.get("snis") or ())
        if "*" in str(name)
    ]


def _check_demanded(
    route: Mapping[str, Any], protocols: set[str], flavor: str, wrong: Set[str]
) -> list[Finding]:
    present = {name for name in (*_CLASSIC, "expression") if is_given(route[name])} | wrong
    if flavor == EXPRESSIONS and "expression" in present:
        return []
    if "tls_passthrough" in protocols:
        if "snis" in present:
            return []
        return [Finding((), "route/matching", "must set snis when 'protocols' is 'tls_passthrough'")]
    for members, names, shown in _DEMANDS:
        if protocols & members:
            if not present.isdisjoint(names):
                return []
            listed = ", ".join(f"'{name}'" for name in names)
            return [Finding((), "route/matching", f"must set one of {listed} when 'protocols' is {shown}")]
    return []


def _check_expression(route: Mapping[str, Any], given: Mapping[str, Any], flavor: str) -> list[Finding]:
    prefix = "Router Expression failed validation: "
    if flavor != EXPRESSIONS:
        return [
            Finding(
                (name,), "schema/unknown-field", "unknown field", "set router_flavor to expressions", True
            )
            for name in ("expression", "priority")
            if given.get(name) is not None
        ]
    classic = [name for name in _CLASSIC if is_given(route[name])]
    if is_given(route["expression"]):
        if classic:
            message = f"{prefix}cannot set 'expression' with {_CLASSIC_TEXT} simultaneously"
            return [Finding(("expression",), "route/expression", message, None, True)]
        if given.get("regex_priority"):
            message = f"{prefix}cannot set 'regex_priority' with 'expression' simultaneously"
            return [Finding(("regex_priority",), "route/expression", message, None, True)]
    elif given.get("priority") and classic:
        message = f"{prefix}cannot set 'priority' with {_CLASSIC_TEXT} simultaneously"
        return [Finding(("priority",), "route/expression", message, None, True)]
    return []
