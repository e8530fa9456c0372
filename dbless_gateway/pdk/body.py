"""Request bodies that plugins look into: forms, JSON objects and multipart, decoded, edited and encoded
again.

A body of another type, or one that is not what it claims to be, is None: for a plugin that is an empty body,
never an error. The encoders keep the order of the fields and, for multipart, the boundary and every part
they don't touch.
"""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

from dbless_gateway.config.records import dataclass
from dbless_gateway.pdk.query import QueryPairs, encode_query, parse_query

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data"

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_PART_NAME = re.compile(rb';\s*name=(?:"([^"]*)"|([^;\s]+))', re.IGNORECASE)


class Fields(Protocol):
    """A decoded body as named values."""

    def get(self, name: str) -> Any:
        """Return the value: text, a list when it is repeated, True for no value, else whatever JSON holds."""

    def has(self, name: str) -> bool:
        """Tell whether there is a value other than false."""

    def set(self, name: str, value: str) -> None:
        """Replace the value in its place, or add it at the end."""

    def append(self, name: str, value: str) -> None:
        """Add one more value to that name."""

    def rename(self, old: str, new: str) -> None:
        """Give the values of ``old`` another name, instead of what that name had."""

    def remove(self, name: str) -> None:
        """Remove every value of that name."""

    def encode(self) -> bytes:
        """Return the body in its own type."""

    def as_dict(self) -> dict[str, Any]:
        """Return all values by name, as ``get`` would."""


def media_type(content_type: str | None) -> str:
    """Return the type without parameters, lower case."""
    return (content_type or "").partition(";")[0].strip().lower()


def parse_body(body: bytes | None, content_type: str | None) -> Fields | None:
    """Return the fields of a body, or None when it has none that we can read."""
    if body is None:
        return None
    kind = media_type(content_type)
    if kind == FORM:
        return FormFields(parse_query(body.decode("utf-8", "surrogateescape"), "surrogateescape"))
    if kind == JSON:
        return _parse_json(body)
    if kind == MULTIPART:
        found = _BOUNDARY.search(content_type or "")
        return MultipartFields.parse(body, (found[1] or found[2]).encode("latin-1")) if found else None
    return None


def empty_body(content_type: str | None) -> Fields | None:
    """Return the fields of a request without a body, to be filled."""
    kind = media_type(content_type)
    if kind == FORM:
        return FormFields([])
    if kind == JSON:
        return JsonFields({})
    found = _BOUNDARY.search(content_type or "") if kind == MULTIPART else None
    return MultipartFields((found[1] or found[2]).encode("latin-1"), []) if found else None


def append_json(value: dict[str, Any], name: str, item: Any) -> None:
    """Append to a member of a JSON object: text becomes a list of two, a list grows, all else is replaced."""
    present = value.get(name)
    if isinstance(present, list):
        present.append(item)
    else:
        value[name] = [present, item] if isinstance(present, str) else [item]


class FormFields:
    """``application/x-www-form-urlencoded``."""

    def __init__(self, pairs: QueryPairs) -> None:
        self._pairs = pairs

    def has(self, name: str) -> bool:
        return any(pair[0] == name for pair in self._pairs)

    def get(self, name: str) -> str | bool | list[str | bool] | None:
        values = [value for key, value in self._pairs if key == name]
        return (values if len(values) > 1 else values[0]) if values else None

    def set(self, name: str, value: str) -> None:
        places = [index for index, pair in enumerate(self._pairs) if pair[0] == name]
        if not places:
            self.append(name, value)
            return
        self._pairs[places[0]] = (name, value)
        self._pairs = [pair for index, pair in enumerate(self._pairs) if index not in places[1:]]

    def append(self, name: str, value: str) -> None:
        self._pairs.append((name, value))

    def rename(self, old: str, new: str) -> None:
        self.remove(new)
        self._pairs = [(new if name == old else name, value) for name, value in self._pairs]

    def remove(self, name: str) -> None:
        self._pairs = [pair for pair in self._pairs if pair[0] != name]

    def encode(self) -> bytes:
        return encode_query(self._pairs).encode()

    def as_dict(self) -> dict[str, Any]:
        return {name: self.get(name) for name, _ in self._pairs}


class JsonFields:
    """A JSON object."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def get(self, name: str) -> Any:
        return self._value.get(name)

    def has(self, name: str) -> bool:
        return self._value.get(name, False) is not False

    def set(self, name: str, value: str) -> None:
        self._value[name] = value

    def append(self, name: str, value: str) -> None:
        append_json(self._value, name, value)

    def rename(self, old: str, new: str) -> None:
        self._value[new] = self._value.pop(old)

    def remove(self, name: str) -> None:
        self._value.pop(name, None)

    def encode(self) -> bytes:
        return json.dumps(self._value, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )

    def as_dict(self) -> dict[str, Any]:
        return dict(self._value)


@dataclass(slots=True)
class _Part:
    name: str | None
    head: bytes
    content: bytes


class MultipartFields:
    """``multipart/form-data``; a part without a name (or a file) is carried along untouched."""

    def __init__(self, boundary: bytes, parts: list[_Part]) -> None:
        self._boundary = boundary
        self._parts = parts

    @classmethod
    def parse(cls, body: bytes, boundary: bytes) -> MultipartFields | None:
        """Split a body at its boundary; None when it has no such boundary."""
        pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
        if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
            return None
        parts = []
        for piece in pieces[1:-1]:
            head, blank, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
            if not blank:
                return None
            found = _PART_NAME.search(head)
            name = (found[1] or found[2] or b"").decode("utf-8", "replace") if found else None
            parts.append(_Part(name, head, content))
        return cls(boundary, parts)

    def has(self, name: str) -> bool:
        return any(part.name == name for part in self._parts)

    def get(self, name: str) -> str | list[str] | None:
        values = [part.content.decode("utf-8", "replace") for part in self._parts if part.name == name]
        return (values if len(values) > 1 else values[0]) if values else None

    def set(self, name: str, value: str) -> None:
        same = [part for part in self._parts if part.name == name]
        if not same:
            self.append(name, value)
            return
        same[0].head, same[0].content = _text_head(name), value.encode("utf-8", "surrogateescape")
        self._parts = [part for part in self._parts if part.name != name or part is same[0]]

    def append(self, name: str, value: str) -> None:
        self._parts.append(_Part(name, _text_head(name), value.encode("utf-8", "surrogateescape")))

    def rename(self, old: str, new: str) -> None:
        self.remove(new)
        for part in self._parts:
            if part.name == old:
                found = _PART_NAME.search(part.head)
                if found is not None:
                    name = b'; name="%s"' % new.encode()
                    part.head = part.head[: found.start()] + name + part.head[found.end() :]
                part.name = new

    def remove(self, name: str) -> None:
        self._parts = [part for part in self._parts if part.name != name]

    def encode(self) -> bytes:
        lines = [
            b"--%s\r\n%s\r\n\r\n%s\r\n" % (self._boundary, part.head, part.content) for part in self._parts
        ]
        return b"".join(lines) + b"--%s--\r\n" % self._boundary

    def as_dict(self) -> dict[str, Any]:
        return {part.name: self.get(part.name) for part in self._parts if part.name is not None}


def _text_head(name: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"'.encode()


def _parse_json(body: bytes) -> JsonFields | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return JsonFields(value) if isinstance(value, dict) else None
