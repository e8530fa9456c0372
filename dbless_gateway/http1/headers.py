"""A block of header lines: read and edited as the bytes it is, without ever becoming a dictionary.

A block is every line with its CRLF *in front* (``\\r\\nHost: a\\r\\nAccept: b``), so blocks can be
concatenated, and a line is found by searching for ``\\r\\nname:`` in a folded copy (lower case, ``_`` as
``-``), which is made once and only when somebody asks; ``_searching.c`` does it without the copy where it was
built. A look-up costs about 0.2 us, an edit a copy of the block; most requests pay for neither.

Rules: a block given to ``Headers`` was judged well-formed before (no bare CR or LF, no folded lines, no space
before a colon). Values that come from plugins are checked here: a CR, LF or NUL in one would split the
message.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from dbless_gateway.http1.extensions import all_values, find_line, first_value, has_line, with_lines

# Header names are compared in lower case; "_" equals "-", as Kong and nginx treat them in look-ups.
FOLD: Final = bytes(range(256)).lower().replace(b"_", b"-")
_FORBIDDEN_IN_VALUES: Final = (b"\r", b"\n", b"\0")
# Names that configurations and plugins ask for are few; a client cannot choose them.
_MAX_NEEDLES: Final = 1024


@lru_cache(maxsize=_MAX_NEEDLES)
def _needle(name: bytes) -> bytes:
    return b"\r\n" + name.translate(FOLD) + b":"


@lru_cache(maxsize=_MAX_NEEDLES)
def _text_needle(name: str) -> bytes:
    return _needle(name.encode("latin-1"))


class _Plan:
    """What it takes to set headers of certain names together."""

    __slots__ = ("needles", "starts", "template")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.template = "".join("\r\n" + name.replace("%", "%%") + ": %s" for name in names)
        self.starts = tuple(f"\r\n{name}: ".encode("latin-1") for name in names)
        needles = tuple(_text_needle(name) for name in names)
        self.needles = (
            needles if len(set(needles)) == len(needles) else ()
        )  # none when two names are the same


@lru_cache(maxsize=_MAX_NEEDLES)
def _plan(names: tuple[str, ...]) -> _Plan:
    return _Plan(names)


class Headers:
    """A mutable block of header lines, read in bytes."""

    __slots__ = ("_folded", "block")

    def __init__(self, block: bytes) -> None:
        self.block = block
        self._folded: bytes | None = None

    def _at(self, needle: bytes, start: int) -> int:
        """Return where the next line of that name begins, or -1."""
        if find_line is not None:
            at: int = find_line(self.block, needle, start)
            return at
        return self._fold().find(needle, start)

    def _fold(self) -> bytes:
        """Return the block as it is searched: same length, lower case, ``_`` as ``-``."""
        folded = self._folded
        if folded is None:
            folded = self._folded = self.block.translate(FOLD)
        return folded

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of ``name``, or None."""
        return self.find(_needle(name))

    def find(self, needle: bytes) -> bytes | None:
        """Return the first value for a prepared needle (``\\r\\nname:``)."""
        if first_value is not None:
            value: bytes | None = first_value(self.block, needle)
            return value
        at = self._at(needle, 0)
        if at < 0:
            return None
        start = at + len(needle)
        end = self.block.find(b"\r\n", start)
        return (self.block[start:end] if end >= 0 else self.block[start:]).strip(b" \t")

    def get_all(self, name: bytes) -> list[bytes]:
        """Return every value of ``name``, in order."""
        return self.find_all(_needle(name))

    def find_all(self, needle: bytes) -> list[bytes]:
        """Return every value for a prepared needle."""
        if all_values is not None:
            found: list[bytes] = all_values(self.block, needle)
            return found
        values: list[bytes] = []
        block = self.block
        at = self._at(needle, 0)
        while at >= 0:
            start = at + len(needle)
            end = block.find(b"\r\n", start)
            if end < 0:
                end = len(block)
            values.append(block[start:end].strip(b" \t"))
            at = self._at(needle, end)
        return values

    def has_any(self, needles: tuple[bytes, ...]) -> bool:
        """Tell whether there is a line for any of these prepared needles."""
        if has_line is not None:
            found: bool = has_line(self.block, needles)
            return found
        folded = self._fold()
        return any(folded.find(needle) >= 0 for needle in needles)

    def items(self) -> list[tuple[bytes, bytes]]:
        """Return all (name, value) pairs in order."""
        pairs = (line.partition(b":") for line in self.block.split(b"\r\n")[1:])
        return [(name, value.strip(b" \t")) for name, _, value in pairs]

    def remove(self, name: bytes) -> None:
        """Remove every line of that name."""
        self.cut(_needle(name))

    def cut(self, needle: bytes) -> None:
        """Remove every line for a prepared needle."""
        at = self._at(needle, 0)
        while at >= 0:
            end = self.block.find(b"\r\n", at + 2)
            if end < 0:
                end = len(self.block)
            self.block = self.block[:at] + self.block[end:]
            if self._folded is not None:
                self._folded = self._folded[:at] + self._folded[end:]
            at = self._at(needle, at)

    def remove_starting(self, name: bytes, prefix: bytes) -> None:
        """Remove every line of that name whose value starts so (one cookie among several)."""
        values = self.get_all(name)
        if any(value.startswith(prefix) for value in values):
            self.remove(name)
            for value in values:
                if not value.startswith(prefix):
                    self.add(name, value)

    def add(self, name: bytes, value: bytes) -> None:
        """Append one line; ValueError when the value would break the message."""
        for byte in _FORBIDDEN_IN_VALUES:
            if byte in value or byte in name:
                raise ValueError(f"header {name!r}: a value cannot contain CR, LF or NUL")
        line = b"\r\n%b: %b" % (name, value)
        self.block += line
        if self._folded is not None:
            self._folded += line.translate(FOLD)

    def extend(self, block: bytes) -> None:
        """Append the lines of another block."""
        self.block += block
        if self._folded is not None:
            self._folded += block.translate(FOLD)

    def set(self, name: bytes, value: bytes) -> None:
        """Replace every line of that name by one."""
        self.cut(_needle(name))
        self.add(name, value)

    def set_together(self, names: tuple[str, ...], values: tuple[str, ...]) -> None:
        """Set several headers, as if one after the other, at the price of about one; same names, same plan."""
        plan = _plan(names)
        needles = plan.needles
        if with_lines is not None and needles:
            block = with_lines(self.block, needles, plan.starts, values)
            if block is not None:
                self.block = block
                self._folded = None
                return
        added = (plan.template % values).encode("latin-1", "replace")
        count = len(names)
        if not needles or added.count(b"\r") != count or added.count(b"\n") != count or 0 in added:
            for name, value in zip(names, values, strict=True):
                self.set(name.encode("latin-1"), value.encode("latin-1", "replace"))
            return
        folded = self._fold()
        for needle in needles:
            if folded.find(needle) >= 0:
                self.cut(needle)
                folded = self._fold()
        self.block += added
        self._folded = None


class TextHeaders:
    """The same block for plugins: names and values as text (latin-1, as RFC 9110 section 5.5 leaves them)."""

    __slots__ = ("raw",)

    def __init__(self, raw: Headers) -> None:
        self.raw = raw

    def get(self, name: str) -> str | None:
        """Return the first value, or None."""
        value = self.raw.find(_text_needle(name))
        return None if value is None else value.decode("latin-1")

    def get_all(self, name: str) -> list[str]:
        """Return every value, in order of appearance."""
        return [value.decode("latin-1") for value in self.raw.find_all(_text_needle(name))]

    def items(self) -> list[tuple[str, str]]:
        """Return all (name, value) pairs, names as they were sent."""
        # Decoded once for all: a log asks for every line of a request.
        lines = self.raw.block.decode("latin-1").split("\r\n")
        return [(name, value.strip(" \t")) for name, _, value in [line.partition(":") for line in lines[1:]]]

    def set(self, name: str, value: str) -> None:
        """Replace every value by this one, or add it."""
        self.raw.set_together((name,), (value,))

    def add(self, name: str, value: str) -> None:
        """Append one more line."""
        self.raw.add(name.encode("latin-1"), value.encode("latin-1", "replace"))

    def remove(self, name: str) -> None:
        """Remove every line of that name."""
        self.raw.cut(_text_needle(name))
