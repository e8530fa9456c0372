"""YAML text to a ``Document``: plain data that remembers where it stood.

Built directly over libyaml's event stream, which is several times faster than PyYAML's node tree and, unlike
it, costs no object per node. Rules of this file:

- The loop is iterative: a file of 10,000 nested brackets must end in a problem, not in a full stack.
- An alias is one node that points to another. So memory cannot explode here, but whoever walks the data
  would; therefore the size *as written out* is counted while reading and has a limit.
- A mistake that leaves the data readable (a duplicate key) is noted and reading goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import intern
from typing import Any, NamedTuple

import yaml
from yaml import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from dbless_gateway.config.document import COLUMN_BITS, COLUMN_MASK, Alias, Document, Map, Seq
from dbless_gateway.config.faults import Fatal, Fault
from dbless_gateway.config.scalars import is_surprising, resolve

# Kong's deepest legitimate value (a plugin's nested record below a nested route) is 14 levels; 64 is out of
# reach of any real file and keeps every recursive walk behind this stage far from Python's own limit.
MAX_DEPTH = 64
# Nodes a file may have once its aliases are written out; the largest files seen in the field have about
# 400,000.
MAX_NODES = 5_000_000

# What people usually did when libyaml says this.
_HINTS = (
    ("that cannot start any token", "a text that begins with this character needs quotes"),
    (
        "mapping values are not allowed",
        "a text with a colon and a space in it needs quotes; or the indentation is wrong",
    ),
    ("could not find expected ':'", "a colon and a space must follow a key"),
    ("did not find expected key", "check the indentation"),
    ("did not find expected '-' indicator", "check the indentation"),
    (
        "did not find expected ',' or",
        "a comma is missing, or a text with a bracket or brace in it needs quotes",
    ),
    ("found unexpected end of stream", "a quote, bracket or brace is not closed"),
)

_TAG = "tag:yaml.org,2002:"
_UNKNOWN: Any = object()

Substitute = Callable[[str, bool], Any]


def read_yaml(text: str, file: str, substitute: Substitute | None = None) -> tuple[Document, list[Fault]]:
    """Parse the first document of ``text``; raise ``Fatal`` when it cannot be understood at all.

    ``substitute(text, plain)`` sees every scalar that contains ``$`` and returns its value.
    """
    builder = _Builder(file, text, substitute)
    try:
        builder.read(CParser(_Pieces(text)))
    except yaml.MarkedYAMLError as error:
        place = _place_of_error(error, text)
        wording = _wording(error)
        raise Fatal(Fault("yaml/syntax", place, place + 1, wording, _hint(wording, text, place))) from None
    except yaml.reader.ReaderError as error:
        place = _place_of_offset(text, error.position)
        message = f"a character that YAML does not allow: {error.reason}"
        raise Fatal(Fault("yaml/character", place, place + 1, message)) from None
    return builder.document, builder.faults


def _wording(error: yaml.MarkedYAMLError) -> str:
    parts = [part for part in (error.context, error.problem) if part]
    return ", ".join(parts) or "not valid YAML"


def _hint(wording: str, text: str, place: int) -> str | None:
    line = text.split("\n")[place >> COLUMN_BITS]
    if line[place & COLUMN_MASK :].startswith("\t"):
        return "indent with spaces, not with tabs"
    return next((hint for sign, hint in _HINTS if sign in wording), None)


def _place_of_error(error: yaml.MarkedYAMLError, text: str) -> int:
    """Return the place that a person should look at first."""
    mark = error.problem_mark or error.context_mark
    if error.context == "while scanning a simple key" and error.context_mark is not None:
        # The parser notices a missing colon only on the next line.
        mark = error.context_mark
    if mark is None or mark.line > text.count("\n"):
        return _place_of_offset(text, len(text))
    return _pack(mark)


def _place_of_offset(text: str, offset: int) -> int:
    before = text[:offset]
    line = before.count("\n")
    return line << COLUMN_BITS | (len(before) - (before.rfind("\n") + 1))


def _pack(mark: Any) -> int:
    place: int = mark.line << COLUMN_BITS | mark.column
    return place


class _Pieces:
    """A text as a stream: the parser would encode all of it at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self, size: int = -1, /) -> str:
        """Return the next piece."""
        begin = self._at
        self._at = begin + size if size >= 0 else len(self._text)
        return self._text[begin : self._at]


class _Anchor(NamedTuple):
    """The node that an anchor names, how many nodes that is, and how many levels (0 for a scalar)."""

    node: int
    nodes: int
    height: int


class _Builder:
    def __init__(self, file: str, text: str, substitute: Substitute | None) -> None:
        self.document = Document(file, text)
        self.faults: list[Fault] = []
        self.substitute = substitute
        # The innermost open container: its node, and its keys so far if it is a mapping.
        self.at = -1
        self.keys: set[str] | None = None
        self.wants_key = False
        self.outer: list[tuple[int, set[str] | None]] = []
        # By name; None while the anchored container is still open.
        self.anchors: dict[str, _Anchor | None] = {}
        # By the node of an open container: its anchor, and ``expanded`` and ``deepest`` before it.
        self.open_anchors: dict[int, tuple[str, int, int]] = {}
        # Nodes that aliases stand for, and the deepest level reached, both as if aliases were written out.
        self.expanded = 0
        self.deepest = 0
        # By the node of an open mapping: the values of its ``<<``.
        self.merges: dict[int, list[int]] = {}
        self.plain: dict[str, Any] = {}

    def read(self, parser: Any) -> None:
        """Consume events up to the end of the first document."""
        next_event = parser.get_event
        handlers = {
            MappingStartEvent: self._open_map,
            SequenceStartEvent: self._open_seq,
            MappingEndEvent: self._close,
            SequenceEndEvent: self._close,
            AliasEvent: self._alias,
        }
        scalar = self._scalar
        while True:
            event = next_event()
            kind = event.__class__
            if kind is ScalarEvent:
                scalar(event)
            elif kind in handlers:
                handlers[kind](event)
            elif kind is StreamEndEvent:
                break
            elif kind is DocumentEndEvent:
                self._expect_end(next_event())
                break

    def _expect_end(self, event: Any) -> None:
        if event.__class__ is not StreamEndEvent:
            place = _pack(event.start_mark)
            message = "only the first document of a file is read; the rest from here is ignored"
            self.faults.append(Fault("yaml/several-documents", place, place + 3, message))

    def _scalar(self, event: Any) -> None:
        document = self.document
        document.starts.append(event.start_mark.index)
        document.ends.append(event.end_mark.index)
        document.nexts.append(0)
        text = event.value
        plain = event.implicit[0]
        if self.wants_key:
            self._begin_pair(text, plain)
            return
        if plain:
            # Most plain scalars occur many times: resolving each text once saves time, and memory too.
            value = self.plain.get(text, _UNKNOWN)
            if value is _UNKNOWN:
                value = self.plain[text] = resolve(text)
            if value.__class__ is not str and is_surprising(text):
                document.surprising.append((len(document.starts) - 1, text, value))
        else:
            value = text if event.tag is None or event.implicit[1] else self._tagged(event.tag, text)
        if self.substitute is not None and "$" in text:
            value = self._substituted(text, plain)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(len(document.values), 1, 0)
        document.values.append(value)
        self.wants_key = self.keys is not None

    def _substituted(self, text: str, plain: bool) -> Any:
        assert self.substitute is not None
        node = len(self.document.starts) - 1
        try:
            value = self.substitute(text, plain)
        except Fatal as failure:
            self._fault(failure.fault.code, failure.fault.message, node)
            self.document.unresolved.add(node)
            return text
        if value is not text:
            self.document.substituted.add(node)
        return value

    def _begin_pair(self, text: str, plain: bool) -> None:
        """Take the node just added as the next key of the open mapping."""
        document, keys = self.document, self.keys
        assert keys is not None, "only a mapping wants keys"
        # A file has few different keys and many of each.
        document.values.append(intern(text))
        node = len(document.values) - 1
        self.wants_key = False
        if text in keys:
            self._fault("yaml/duplicate-key", f"the key `{text}` is already given in this mapping")
            document.skipped.add(node)
        elif plain and text == "<<":
            document.skipped.add(node)
            self.merges.setdefault(self.at, []).append(node + 1)
        else:
            if plain and text[:1] in _SUSPECTS and not isinstance(resolve(text), str):
                self._fault("yaml/key-type", f'a key must be text; write it in quotes: "{text}"')
            keys.add(text)

    def _tagged(self, tag: str, text: str) -> Any:
        kind = tag.removeprefix(_TAG)
        if kind == "str":
            return text
        if kind in {"int", "float", "bool", "null"}:
            value = resolve(text)
            if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
                return float(value)
            if type(value).__name__ == ("NoneType" if kind == "null" else kind):
                return value
            self._fault("yaml/tag", f"`{text}` is not what its tag !!{kind} says")
            return text
        self._unknown_tag(tag)
        return text

    def _unknown_tag(self, tag: str) -> None:
        shown = "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
        self._fault("yaml/tag", f"unknown tag {shown}")

    def _open_map(self, event: Any) -> None:
        self._open(event, Map, set())
        if event.tag is not None and event.tag not in {"!", _TAG + "map"}:
            self._unknown_tag(event.tag)

    def _open_seq(self, event: Any) -> None:
        self._open(event, Seq, None)
        if event.tag is not None and event.tag not in {"!", _TAG + "seq"}:
            self._unknown_tag(event.tag)

    def _open(self, event: Any, kind: type[Map] | type[Seq], keys: set[str] | None) -> None:
        start = event.start_mark.index
        if self.wants_key:
            place = _pack(event.start_mark)
            message = (
                "a mapping or a list cannot be a key; a text that begins with a brace or bracket needs quotes"
            )
            raise Fatal(Fault("yaml/complex-key", place, place + 1, message, "write the text in quotes"))
        at = self.document.add(start, start, kind)
        if event.anchor is not None:
            self.open_anchors[at] = (event.anchor, self.expanded + at, self.deepest)
            self.anchors[event.anchor] = None
            self.deepest = 0
        self._reach(len(self.outer) + 1, event.start_mark)
        self.outer.append((self.at, self.keys))
        self.at, self.keys = at, keys
        self.wants_key = keys is not None

    def _reach(self, level: int, mark: Any) -> None:
        """Note a level of nesting, and refuse one that is too deep."""
        if level > MAX_DEPTH:
            place = _pack(mark)
            message = f"nested more than {MAX_DEPTH} levels deep"
            raise Fatal(Fault("yaml/nesting", place, place + 1, message))
        self.deepest = max(self.deepest, level)

    def _close(self, event: Any) -> None:
        document, at = self.document, self.at
        document.ends[at] = event.end_mark.index
        document.nexts[at] = len(document.starts)
        if at in self.merges:
            self._merge(at, self.merges.pop(at))
        if at in self.open_anchors:
            name, nodes_before, deepest_before = self.open_anchors.pop(at)
            nodes = self.expanded + len(document.starts) - nodes_before
            self.anchors[name] = _Anchor(at, nodes, self.deepest - len(self.outer) + 1)
            self.deepest = max(self.deepest, deepest_before)
        self.at, self.keys = self.outer.pop()
        self.wants_key = self.keys is not None

    def _alias(self, event: Any) -> None:
        start, end = _pack(event.start_mark), _pack(event.end_mark)
        name = event.anchor
        if name not in self.anchors:
            raise Fatal(Fault("yaml/alias", start, end, f"no anchor `&{name}` before this alias"))
        anchor = self.anchors[name]
        if anchor is None:
            raise Fatal(Fault("yaml/alias", start, end, f"the anchor `&{name}` contains itself"))
        document = self.document
        value = document.values[anchor.node]
        self.expanded += anchor.nodes
        self._reach(len(self.outer) + anchor.height, event.start_mark)
        if self.expanded + len(document.values) > MAX_NODES:
            message = f"the aliases of this file expand to more than {MAX_NODES:,} values"
            raise Fatal(Fault("yaml/alias-expansion", start, end, message))
        if self.wants_key:
            if not isinstance(value, str):
                raise Fatal(
                    Fault("yaml/complex-key", start, end, "this alias is used as a key but is not text")
                )
            document.starts.append(event.start_mark.index)
            document.ends.append(event.end_mark.index)
            document.nexts.append(0)
            self._begin_pair(value, plain=False)
            return
        if value is Map or value is Seq:
            value = Alias
            document.aliases[len(document.values)] = anchor.node
        document.add(event.start_mark.index, event.end_mark.index, value)
        self.wants_key = self.keys is not None

    def _merge(self, at: int, sources: list[int]) -> None:
        """Note what a mapping takes over; of several sources with the same key the earlier one wins."""
        document = self.document
        maps: list[int] = []
        for source in sources:
            for item in document.items(source) if document.is_sequence(source) else [source]:
                if document.is_mapping(item):
                    maps.append(document.target(item))
                else:
                    self._fault("yaml/merge", "`<<` takes a mapping or a list of mappings", at)
        document.merged[at] = maps

    def _fault(self, code: str, message: str, node: int = -1) -> None:
        start, end = self.document.starts[node], self.document.ends[node]
        self.faults.append(Fault(code, self.document.place(start), self.document.place(end), message))


# A plain key that does not begin with one of these (or is empty) cannot be anything but text.
_SUSPECTS = frozenset(["", *"+-.0123456789~fFnNoOtTyY"])
