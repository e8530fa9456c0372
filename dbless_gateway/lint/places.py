"""Where the entities of a loaded configuration stand in its files.

Entities know the line on which they begin and nothing more: the rest would only cost memory in a gateway that
runs. Whoever wants to point at one of their fields asks here. It goes back to the files' texts, and
reads them once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from dbless_gateway.config.document import Document
from dbless_gateway.config.drafts import Draft, Path, Report, render_path
from dbless_gateway.config.entities import Where
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import replace
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.config.tree import collect_drafts
from dbless_gateway.lint.within import place_within

if TYPE_CHECKING:
    # Making a protocol costs as much as reading a small file, and nothing asks for it at run time.
    class Placed(Protocol):
        """Any entity."""

        @property
        def where(self) -> Where:
            """Its first line."""


class Places:
    """The drafts of all documents, and which of them an entity was made from."""

    def __init__(self, read: Callable[[], Sequence[Document]]) -> None:
        """``read`` is called when somebody asks for the first time."""
        self._read = read

    @cached_property
    def documents(self) -> list[Document]:
        """The documents that have entities."""
        return [document for document in self._read() if document.is_mapping()]

    def drafts(self) -> Iterator[Draft]:
        """Yield the draft of every entity; made anew each time, because there may be many."""
        # What is wrong with the shape was said when the file was loaded.
        unheard = Report()
        for document in self.documents:
            yield from collect_drafts(document, load_schemas(), unheard)

    def of(self, entity: Placed) -> Draft:
        """Return the draft that an entity was made from."""
        return self.at(entity.where)

    def at(self, where: Where) -> Draft:
        """Return the draft of the entity that begins there."""
        return self._by_place[where]

    @cached_property
    def _by_place(self) -> dict[Where, Draft]:
        by_place: dict[Where, Draft] = {}
        for draft in self.drafts():
            # An alias puts one mapping into several places; the first one speaks for all.
            by_place.setdefault(draft.where, draft)
        return by_place

    def refine(self, problem: Problem, texts: Mapping[str, str]) -> Problem:
        """Return a problem of the compiler, which knows entities only, with the place of the field.

        ``texts`` are the files, to find the very character that is wrong in it.
        """
        draft = self._by_place.get(Where(problem.file, problem.line, problem.column))
        if draft is None or problem.path:
            return problem
        path, message = _split_message(problem.message, draft)
        span = draft.document.locate(draft.node, path)
        if problem.offset is not None and not draft.document.is_substituted(draft.node, path):
            span = place_within(texts[problem.file], span, problem.offset) or span
        label = draft.label()
        return replace(
            problem,
            line=span.line,
            column=span.column,
            end_line=span.end_line,
            end_column=span.end_column,
            path=render_path(draft.path() + path),
            entity=f"{label} > {render_path(path)}" if path else label,
            message=message,
            offset=None,
        )


def _split_message(message: str, draft: Draft) -> tuple[Path, str]:
    """Cut the field off a message such as ``config.minute: expected a number``."""
    name, colon, rest = message.partition(": ")
    path = _read_path(name)
    if not colon or path is None or not draft.document.has(draft.node, path[:1]):
        return (), message
    return path, rest


def _read_path(text: str) -> Path | None:
    """Read what ``render_path`` writes; None when it is no path."""
    path: list[str | int] = []
    for part in text.split("."):
        name, *indexes = part.replace("]", "").split("[")
        if not name.replace("_", "").replace("-", "").isalnum() or not all(map(str.isdigit, indexes)):
            return None
        path += [name, *map(int, indexes)]
    return tuple(path)
