"""Findings as people, editors and build servers want to read them: one function for each form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

from dbless_gateway.cli.findings.judged import Judged

__all__ = ["FORMATS", "Judged", "render"]

# form -> (module, function), imported when wanted: a save hook need not wait for the writer of JUnit reports.
FORMATS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "human": ("for_people", "human"),
        "json": ("for_machines", "as_json"),
        "github": ("for_machines", "github"),
        "gitlab": ("for_machines", "gitlab"),
        "junit": ("for_machines", "junit"),
        "sarif": ("for_machines", "sarif"),
    }
)


def render(form: str, results: Sequence[Judged]) -> str:
    """Return the results in one of the forms."""
    module, function = FORMATS[form]
    text: str = getattr(import_module(f"{__name__}.{module}"), function)(results)
    return text
