"""How a case of the configuration tables is written and judged.

The text of a rejected case contains one ``§``, directly before the place that the problem must point at. The
first line ``_format_version: "3.0"`` is put before every text that does not name a version itself.
"""

from __future__ import annotations

from typing import NamedTuple

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import Loaded, LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source

MARK = "§"


class Rejected(NamedTuple):
    """A document with exactly one error: its code, a part of its message, and the text."""

    code: str
    message: str
    text: str


def load_text(text: str, **options: object) -> Loaded:
    """Load a text as one file."""
    if "_format_version" not in text:
        text = f'_format_version: "3.0"\n{text}'
    environ = {"DECK_HOST": "h.example", "DECK_PORT": "81", "DECK_BAD": "no number", "DECK_ON": "true"}
    made = LoadOptions(environ=environ, now=1_700_000_000.5, **options)  # type: ignore[arg-type]
    return load([Source("kong.yaml", text)], made)


def errors(loaded: Loaded) -> list[Problem]:
    """Return the problems that forbid loading."""
    return [problem for problem in loaded.problems if problem.severity == "error"]


def accept(text: str, **options: object) -> Entities:
    """Return the entities of a document that must be right."""
    loaded = load_text(text, **options)
    assert errors(loaded) == []
    assert loaded.entities is not None
    return loaded.entities


def reject(case: Rejected, **options: object) -> Problem:
    """Check a rejected case; return its problem."""
    text = case.text
    if "_format_version" not in text:
        text = f'_format_version: "3.0"\n{text.lstrip(chr(10))}'
    before = text[: text.index(MARK)]
    place = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    loaded = load_text(text.replace(MARK, ""), **options)
    found = [(p.code, p.message, (p.line, p.column)) for p in errors(loaded)]
    assert len(found) == 1, found
    code, message, where = found[0]
    assert code == case.code, found
    assert case.message in message
    assert where == place, (where, place, message)
    assert loaded.entities is None
    return errors(loaded)[0]
