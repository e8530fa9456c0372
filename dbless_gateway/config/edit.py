"""Files changed by a program and still their author's: comments, order and quotes stay.

The one place that uses ruamel.yaml, which is far too slow for loading; only commands that rewrite files come
here. A new layout is compared with the old text before it is given out, so a fault of the round trip can lose
neither a value nor a comment; who changes values tells which comments went with them.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from dbless_gateway.config.document import Document, plain
from dbless_gateway.config.faults import Fatal
from dbless_gateway.config.json_positions import read_json
from dbless_gateway.config.positions import read_yaml

# Wider than any line: a long text must not be folded.
_WIDTH = 1 << 20
_COMMENT = re.compile(r"(?:^|\s)(#.*)")


class NotEditable(Exception):
    """The file cannot be rewritten without loss; the message says why."""


class Editable:
    """A parsed file; ``tree`` is made of dicts and lists and may be changed."""

    def __init__(self, text: str, *, is_json: bool) -> None:
        self._is_json = is_json
        self._comments = [] if is_json else _comments(text)
        self._starts_with_marker = not is_json and text.startswith("---")
        self.tree: Any = _load_json(text) if is_json else _load_yaml(text)

    def render(self) -> str:
        """Return the text."""
        if self._is_json:
            return json.dumps(self.tree, indent=2, ensure_ascii=False) + "\n"
        out = io.StringIO()
        writer = _round_trip()
        writer.explicit_start = self._starts_with_marker
        writer.dump(self.tree, out)
        return out.getvalue()

    def lost_comments(self, text: str) -> list[tuple[int, str]]:
        """Return the comments that a rendered text lacks, with their lines in the old one."""
        return [(line, comment) for line, comment in self._comments if comment not in text]


def reformat(text: str, *, is_json: bool) -> str:
    """Return the text in one layout; it means the same as before."""
    editable = Editable(text, is_json=is_json)
    after = editable.render()
    lost = editable.lost_comments(after)
    if lost:
        raise NotEditable(f"the comment of line {lost[0][0]} would be lost")
    if data_of(after, is_json=is_json) != data_of(text, is_json=is_json):
        raise NotEditable("it would mean something else after formatting")
    return after


def data_of(text: str, *, is_json: bool) -> Any:
    """Return what a text says, as the gateway reads it."""
    return plain(document_of(text, is_json=is_json).data)


def document_of(text: str, *, is_json: bool) -> Document:
    """Return what the gateway reads a text as, without an environment: expressions stay what they are."""
    try:
        document, _ = (read_json if is_json else read_yaml)(text, "")
    except Fatal as failure:
        raise NotEditable(failure.fault.message) from None
    return document


def rename_key(mapping: dict[str, Any], old: str, new: str, value: Any) -> None:
    """Give an entry another name and value, in its place and with its comment."""
    if not isinstance(mapping, CommentedMap):
        items = [(new, value) if key == old else (key, item) for key, item in mapping.items()]
        mapping.clear()
        mapping.update(items)
        return
    place = list(mapping).index(old)
    comment = mapping.ca.items.pop(old, None)
    del mapping[old]
    mapping.insert(place, new, value)
    if comment is not None:
        mapping.ca.items[new] = comment


def _load_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotEditable(str(error)) from None


def _load_yaml(text: str) -> Any:
    try:
        return _round_trip().load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise NotEditable(str(error).partition("\n")[0]) from None


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _comments(text: str) -> list[tuple[int, str]]:
    """Return what may be a comment; text that only looks like one stays in the file anyway."""
    return [
        (number, found[1].rstrip())
        for number, line in enumerate(text.splitlines(), start=1)
        if (found := _COMMENT.search(line)) is not None
    ]
