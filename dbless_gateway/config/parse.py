"""One text to one document, by its syntax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbless_gateway.config.document import Document
from dbless_gateway.config.drafts import Report
from dbless_gateway.config.environment import substitution
from dbless_gateway.config.faults import Fatal
from dbless_gateway.config.json_positions import read_json
from dbless_gateway.config.positions import read_yaml
from dbless_gateway.config.source import Text

if TYPE_CHECKING:
    from dbless_gateway.config.load import LoadOptions


def parse(text: Text, options: LoadOptions, report: Report) -> Document | None:
    """Return the document, or None when the text cannot be understood; either way mistakes are reported."""
    substitute = substitution(options.environ, expand=options.expand_env, mock=options.mock_env)
    if text.syntax == "any" and text.text.lstrip()[:1] in {"{", "["}:
        # As Kong does for a text without a file name: JSON first, then YAML.
        try:
            document, faults = read_json(text.text, text.name, substitute)
        except Fatal:
            pass
        else:
            for fault in faults:
                report.add_fault(text.name, fault)
            return document
    read = read_json if text.syntax == "json" else read_yaml
    try:
        document, faults = read(text.text, text.name, substitute)
    except Fatal as failure:
        report.add_fault(text.name, failure.fault)
        return None
    for fault in faults:
        report.add_fault(text.name, fault)
    return document
