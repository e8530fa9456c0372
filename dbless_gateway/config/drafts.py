"""An entity on its way: as written in the file, before it is known to be right.

``Draft`` ties together the fields (which the stages translate and fill), the place they came from, and the
entity they were nested in. ``Report`` turns findings about a draft into problems with positions. Both live
only while a configuration is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from dbless_gateway.config.codes import CODES
from dbless_gateway.config.document import COLUMN_BITS, COLUMN_MASK, ROOT, Document, Map, Span
from dbless_gateway.config.entities import Where
from dbless_gateway.config.faults import Fault
from dbless_gateway.config.masking import masked_text
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import EntitySchema

Path = tuple[str | int, ...]
Fields = MutableMapping[str, Any]

# What people call an entity by, in this order.
_NAMES = ("name", "username", "instance_name", "target", "prefix", "group", "custom_id", "kid", "id")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_NAMED_BY_KEY = frozenset({"keyauth_credential", "jwt_secret", "oauth2_credential"})


class Finding(NamedTuple):
    """Something wrong inside one entity; ``path`` starts at the entity."""

    path: Path
    code: str
    message: str
    suggestion: str | None = None
    on_key: bool = False


class Below(NamedTuple):
    """Where fields of an entity come from that it does not give itself.

    ``path`` leads to a mapping of ``document``, and ``prefix`` says which part of the entity is laid over it.
    """

    document: Document
    path: Path
    prefix: Path


class Draft:
    """One entity of a file.

    ``node`` is its mapping in the document. ``fields`` are what the stages have made of it so far, and has no
    child collections; before the first stage it is what the file says. ``index`` counts from 0 in the list
    called ``key`` of the parent or of the document. ``renamed`` maps a translated field to the one that
    stands in the file.
    """

    # There is one for each entity of a file at a time, so what most of them do not need is shared.
    __slots__ = (
        "_fields",
        "below",
        "broken",
        "document",
        "id",
        "index",
        "key",
        "node",
        "parent",
        "parent_field",
        "renamed",
        "schema",
    )

    def __init__(
        self,
        schema: EntitySchema,
        document: Document,
        node: int,
        key: str,
        index: int,
        parent: Draft | None = None,
        parent_field: str | None = None,
    ) -> None:
        self.schema = schema
        self.document = document
        self.node = node
        self.key = key
        self.index = index
        self.parent = parent
        self.parent_field = parent_field
        self.id = ""
        self.broken = False
        self.renamed: Mapping[str, str] = _NOTHING
        self.below: tuple[Below, ...] = ()
        self._fields: Fields | None = None

    @property
    def collection(self) -> str:
        """The name of the collection it is in."""
        return self.schema.collection

    @property
    def kind(self) -> str:
        """What one entity of its collection is called."""
        return self.schema.kind

    @property
    def source(self) -> Map:
        """The whole mapping as the file has it, made anew."""
        source: Map = self.document.build(self.node)
        return source

    @property
    def fields(self) -> Fields:
        """The fields as far as the stages have come."""
        if self._fields is None:
            self._fields = self.given()
        return self._fields

    @fields.setter
    def fields(self, fields: Fields) -> None:
        self._fields = fields

    def given(self) -> Map:
        """Return the fields as the file has them, made anew."""
        given: Map = self.document.build(self.node, self.schema.record.children)
        return given

    @property
    def where(self) -> Where:
        """The place of the entity in its file."""
        return self.document.where(self.node)

    def path(self) -> Path:
        """Return the place of the entity in the document."""
        outer = self.parent.path() if self.parent is not None else ()
        return (*outer, self.key, self.index)

    def label(self) -> str:
        """Return how a person would name this entity: ``service "users" > route "get"``."""
        outer = f"{self.parent.label()} > " if self.parent is not None else ""
        kind = self.kind.replace("_", " ")
        if self.kind not in _NAMED_BY_KEY:
            for name in _NAMES:
                value = self._told(name)
                if isinstance(value, str) and value:
                    return f'{outer}{kind} "{value}"'
        return f"{outer}{kind} #{self.index + 1}"

    def _told(self, name: str) -> Any:
        """Return one field; to name an entity is no reason to build all of it."""
        return self.document.value(self.node, (name,)) if self._fields is None else self._fields.get(name)


class Report:
    """All problems found so far.

    With ``spares_substituted`` a value that came in place of a variable is no mistake: it is a placeholder, and
    what stands there in earnest may be right.
    """

    def __init__(self, *, spares_substituted: bool = False) -> None:
        self._spares_substituted = spares_substituted
        self.has_spared = False
        self._problems: dict[tuple[Any, ...], Problem] = {}
        self._files: dict[str, int] = {}

    def see(self, file: str) -> None:
        """Note that a file is read; problems come in the order in which their files were."""
        self._files.setdefault(file, len(self._files))

    @property
    def problems(self) -> list[Problem]:
        """Every problem once, in the order of files and places."""
        last = len(self._files)
        return sorted(
            self._problems.values(),
            key=lambda p: (self._files.get(p.file, last), p.line, p.column, p.code, p.message),
        )

    def add(self, draft: Draft, finding: Finding) -> None:
        """Add a finding about an entity."""
        if CODES[finding.code].severity == "error":
            draft.broken = True
        path = _as_written(draft, finding.path)
        for below in draft.below if not draft.document.has(draft.node, path) else ():
            written = (*below.path, *path[len(below.prefix) :])
            if path[: len(below.prefix)] == below.prefix and below.document.has(ROOT, written):
                self.add_place(below.document, written, finding)
                return
        if draft.document.is_unresolved(draft.node, path) or self._spares(draft.document, draft.node, path):
            return
        span = draft.document.locate(draft.node, path, key=finding.on_key)
        label = draft.label()
        message = _without_value(draft.document, draft.node, path, finding.message)
        self._put(
            Problem(
                file=draft.document.file,
                line=span.line,
                column=span.column,
                end_line=span.end_line,
                end_column=span.end_column,
                severity=CODES[finding.code].severity,
                code=finding.code,
                path=render_path(draft.path() + path),
                entity=f"{label} > {render_path(path)}" if path else label,
                message=message,
                suggestion=finding.suggestion,
                field=kong_field(path),
            )
        )

    def add_place(self, document: Document, path: Path, finding: Finding) -> None:
        """Add a finding about a part of a document that is no entity."""
        if document.is_unresolved(ROOT, path) or self._spares(document, ROOT, path):
            return
        span = document.locate(ROOT, path, key=finding.on_key)
        message = _without_value(document, ROOT, path, finding.message)
        self._put(_plain(document.file, span, finding.code, render_path(path), message, finding.suggestion))

    def _spares(self, document: Document, node: int, path: Path) -> bool:
        spared = self._spares_substituted and document.is_substituted(node, path)
        self.has_spared |= spared
        return spared

    def add_fault(self, file: str, fault: Fault) -> None:
        """Add a mistake that a reader found."""
        span = Span(
            (fault.start >> COLUMN_BITS) + 1,
            (fault.start & COLUMN_MASK) + 1,
            (fault.end >> COLUMN_BITS) + 1,
            (fault.end & COLUMN_MASK) + 1,
        )
        self._put(_plain(file, span, fault.code, "", fault.message, fault.suggestion))

    def has_errors(self) -> bool:
        """Tell whether any problem forbids loading."""
        return any(problem.severity == "error" for problem in self._problems.values())

    def _put(self, problem: Problem) -> None:
        self._problems.setdefault(
            (problem.file, problem.line, problem.column, problem.code, problem.message, problem.path), problem
        )


def _plain(file: str, span: Span, code: str, path: str, message: str, suggestion: str | None) -> Problem:
    return Problem(
        file=file,
        line=span.line,
        column=span.column,
        end_line=span.end_line,
        end_column=span.end_column,
        severity=CODES[code].severity,
        code=code,
        path=path,
        entity="",
        message=message,
        suggestion=suggestion,
    )


def _without_value(document: Document, node: int, path: Path, message: str) -> str:
    """Return a message without a value that came from the environment: it may be a secret."""
    if not document.is_substituted(node, path):
        return message
    return masked_text(message, (str(document.value(node, path)),))


def _as_written(draft: Draft, path: Path) -> Path:
    if path and draft.renamed:
        shown = draft.renamed.get(render_path(path))
        if shown is not None:
            return tuple(shown.split("."))
        first = draft.renamed.get(str(path[0]))
        if first is not None:
            return (first,)
    return path


def render_path(path: Sequence[str | int]) -> str:
    """Return a path as people write it: ``services[0].routes[1].paths[0]``."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            out += f".{step}" if out else step
    return out


def kong_field(path: Sequence[str | int]) -> str | None:
    """Return a path as the Admin API names a field: dots, and indexes from 1."""
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in path) or None
