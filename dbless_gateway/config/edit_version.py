"""A file of format 1.1 or 2.1 made one of format 3.0, as an edit of its text.

What the gateway does silently while loading such a file is written down in it: regex paths get their ``~``,
plugin fields their present names. What cannot be decided from the file alone is told, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbless_gateway.config.deprecated import Translation
from dbless_gateway.config.dialect import OLD_VERSIONS, Dialect
from dbless_gateway.config.document import ROOT, Document, plain
from dbless_gateway.config.drafts import Draft, Finding, Report
from dbless_gateway.config.edit import Editable, NotEditable, document_of, rename_key
from dbless_gateway.config.formats import regex_error
from dbless_gateway.config.schemas import Schemas, load_schemas
from dbless_gateway.config.tree import collect_drafts

CURRENT = "3.0"
_EXPRESSION = "${"


@dataclass(frozen=True, slots=True)
class Note:
    """Something about one line: what was changed, or what is left to a person."""

    line: int
    text: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Converted:
    """The new text and what there is to say about it, in the order of the old lines."""

    text: str
    notes: list[Note]


def convert(text: str, *, is_json: bool) -> Converted:
    """Return the text in the current format."""
    document = document_of(text, is_json=is_json)
    if not document.is_mapping():
        raise NotEditable("expected an object")
    version = document.value(ROOT, ("_format_version",))
    editable = Editable(text, is_json=is_json)
    # Unquoted it is a number, which no reader takes; that decK needs none goes back to its first format.
    conversion = _Conversion(document, "1.1" if version is None else str(version), editable.tree)
    conversion.run()
    after = editable.render()
    lost = [Note(line, f"this comment is lost: {text}", True) for line, text in editable.lost_comments(after)]
    return Converted(after, sorted([*conversion.notes, *lost], key=lambda note: note.line))


class _Conversion:
    def __init__(self, document: Document, version: str, tree: Any) -> None:
        self.document = document
        self.version = version
        self.tree = tree
        self.notes: list[Note] = []
        self.schemas: Schemas = load_schemas()
        # What an alias repeats is changed only once.
        self._done: set[int] = set()

    def run(self) -> None:
        """Change the tree."""
        dialect = Dialect(self.document, self.version, {}, self.schemas, Report())
        for draft in collect_drafts(self.document, self.schemas, Report()):
            old = plain(draft.given())
            dialect.translate(draft)
            if draft.collection == "routes":
                self._paths(draft, old.get("paths"))
            elif draft.collection == "plugins" and isinstance(old.get("config"), dict):
                self._config(draft, old["config"])
        if self.version in OLD_VERSIONS and self.document.value(ROOT, ("_plugin_configs",)):
            self._note(
                ("_plugin_configs",),
                "entries of `_plugin_configs` may have fields of 2.x; they are left as they are",
            )
        if self.document.value(ROOT, ("_format_version",)) != CURRENT:
            self.tree["_format_version"] = CURRENT
            self._note(("_format_version",), f"format {self.version} is now {CURRENT}", is_open=False)

    def _paths(self, draft: Draft, old: object) -> None:
        new = draft.fields.get("paths")
        if not isinstance(old, list) or not isinstance(new, list):
            return
        target = self._in_tree(draft).get("paths")
        if id(target) in self._done:
            return
        self._done.add(id(target))
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            if isinstance(was, str):
                self._path(draft, index, was, now, target)

    def _path(self, draft: Draft, index: int, was: str, now: str, target: list[Any]) -> None:
        place = (*draft.path(), "paths", index)
        if _EXPRESSION in was:
            self._note(
                place, "a variable gives this path; if that is a regular expression, add `~` to its value"
            )
        elif was != now:
            target[index] = now
            self._note(place, f"`{was}` is now `{now}`", is_open=False)
            reason = regex_error(now[1:]) if now.startswith("~") else None
            if reason is not None:
                self._note(place, f"`{now}` is not possible with RE2: {reason}")

    def _config(self, draft: Draft, old: dict[str, Any]) -> None:
        schema = self.schemas.plugin(str(draft.fields.get("name")))
        target = self._in_tree(draft).get("config")
        if schema is None or id(target) in self._done:
            return
        self._done.add(id(target))
        translation = Translation(schema.record, plain(draft.fields["config"]))
        new = translation.config
        for name in _lost(old, new):
            self._note(
                (*draft.path(), "config", name), f"`config.{name}` is written the new way", is_open=False
            )
        for finding in translation.findings:
            if finding.code == "plugin/mismatch":
                self._open(draft, finding)
        _make_equal(target, old, new)

    def _open(self, draft: Draft, finding: Finding) -> None:
        self._note((*draft.path(), *finding.path), finding.message)

    def _in_tree(self, draft: Draft) -> Any:
        node = self.tree
        for step in draft.path():
            node = node[step]
        return node

    def _note(self, path: tuple[str | int, ...], text: str, *, is_open: bool = True) -> None:
        span = self.document.locate(ROOT, path)
        self.notes.append(Note(span.line, text, is_open))


def _lost(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in old if name not in new or old[name] != new[name])


def _make_equal(target: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Change a mapping of the file from ``old`` to ``new``; a renamed key stays where it is."""
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    if len(gone) == len(come) == 1:
        rename_key(target, gone[0], come[0], new[come[0]])
        gone, come = [], []
    for name in gone:
        del target[name]
    for name in come:
        target[name] = new[name]
    for name in old:
        if name in new and old[name] != new[name]:
            if isinstance(old[name], dict) and isinstance(new[name], dict):
                _make_equal(target[name], old[name], new[name])
            else:
                target[name] = new[name]
