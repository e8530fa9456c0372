"""One text to one document, by its syntax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dbless_gateway.config.document import Document
from dbless_gateway.config.drafts import Report
from dbless_gateway.config.environment import substitution
from dbless_gateway.config.faults import Fatal, Fault
from dbless_gateway.config.json_positions import read_json
from dbless_gateway.config.positions import read_yaml
from dbless_gateway.config.source import Text

if TYPE_CHECKING:
    from dbless_gateway.config.load import LoadOptions


class Parsed(NamedTuple):
    """What a text was read as, with the mistakes that leave it readable."""

    text: str
    document: Document
    faults: list[Fault]


# Texts that were read before their load, by name.
KnownTexts = Mapping[str, Parsed]


def parse(
    text: Text, options: LoadOptions, report: Report, known: KnownTexts | None = None
) -> Document | None:
    """Return the document, or None when the text cannot be understood; either way mistakes are reported."""
    parsed = known.get(text.name) if known is not None else None
    if parsed is None or parsed.text != text.text:
        try:
            parsed = read(text, options)
        except Fatal as failure:
            report.add_fault(text.name, failure.fault)
            return None
    for fault in parsed.faults:
        report.add_fault(text.name, fault)
    return parsed.document


def read(text: Text, options: LoadOptions) -> Parsed:
    """Read a text; raises ``Fatal`` when it cannot be understood."""
    substitute = substitution(options.environ, expand=options.expand_env, mock=options.mock_env)
    if text.syntax == "any" and text.text.lstrip()[:1] in {"{", "["}:
        # As Kong does for a text without a file name: JSON first, then YAML.
        try:
            return Parsed(text.text, *read_json(text.text, text.name, substitute))
        except Fatal:
            pass
    by_syntax = read_json if text.syntax == "json" else read_yaml
    return Parsed(text.text, *by_syntax(text.text, text.name, substitute))
