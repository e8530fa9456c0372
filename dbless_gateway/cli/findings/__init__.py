"""Findings as people, editors and build servers want to read them: one module for each form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from dbless_gateway.cli.findings import for_machines, for_people
from dbless_gateway.cli.findings.judged import Judged

__all__ = ["FORMATS", "Judged"]

FORMATS: Mapping[str, Callable[[Sequence[Judged]], str]] = MappingProxyType(
    {
        "human": for_people.human,
        "json": for_machines.as_json,
        "github": for_machines.github,
        "gitlab": for_machines.gitlab,
        "junit": for_machines.junit,
        "sarif": for_machines.sarif,
    }
)
