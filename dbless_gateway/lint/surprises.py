"""A lint of the text itself: plain scalars that YAML 1.1 reads differently from what they look like."""

from __future__ import annotations

from dbless_gateway.config.document import Document, Map, Seq, Span
from dbless_gateway.config.drafts import Draft, Finding, Path, Report
from dbless_gateway.config.faults import Fault
from dbless_gateway.config.messages import text
from dbless_gateway.lint.places import Places

SURPRISE = "lint/yaml-surprise"


def report_surprises(places: Places, report: Report) -> None:
    """Report the surprising scalars of all documents, those inside entities with their paths."""
    for document in places.documents:
        if document.surprising:
            _report_of(document, [draft for draft in places.drafts() if draft.document is document], report)


def _report_of(document: Document, drafts: list[Draft], report: Report) -> None:
    values = [value for _, _, value in document.surprising]
    found = {span: (draft, path) for draft in drafts for path, span in _scalars(draft, values)}
    for node, written, value in document.surprising:
        message = f"YAML reads this as {text(value)}, which is not what `{written}` looks like"
        suggestion = f'write `{text(value)}` if that is meant, and "{written}" in quotes if not'
        place = found.get(document.span(node))
        if place is not None:
            report.add(place[0], Finding(place[1], SURPRISE, message, suggestion))
        else:
            start, end = document.place(document.starts[node]), document.place(document.ends[node])
            fault = Fault(SURPRISE, start, end, message, suggestion)
            report.add_fault(document.file, fault)


def _scalars(draft: Draft, values: list[object]) -> list[tuple[Path, Span]]:
    """Return the place of each scalar of an entity that has one of these values."""
    found: list[tuple[Path, Span]] = []
    waiting: list[tuple[Path, object]] = [((name,), value) for name, value in draft.given().items()]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Map):
            waiting += [((*path, name), item) for name, item in value.items()]
        elif isinstance(value, Seq):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
        elif value in values:
            found.append((path, draft.document.locate(draft.node, path)))
    return found
