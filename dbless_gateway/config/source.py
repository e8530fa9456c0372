"""Where a configuration comes from: files, folders, standard input, or a text; one ``Text`` for each.

Reading is careful and dull: a size limit before the bytes are in memory, UTF-8 or a clear problem, and a file
that changes under the reader is noticed. What is in the text is not this module's business.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

from dbless_gateway.config.faults import Fatal, Fault
from dbless_gateway.config.records import dataclass

# About 250,000 routes; a larger file is a generator's mistake, or not a configuration.
DEFAULT_MAX_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder by name, ``-`` for standard input; or, with ``text``, a text and what to call it."""

    name: str
    text: str | bytes | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """One text to parse. ``syntax`` is ``yaml``, ``json``, or ``any`` when no file name says it."""

    name: str
    text: str
    syntax: str


def read_sources(sources: Sequence[Source], max_bytes: int) -> Iterator[Text | tuple[str, Fault]]:
    """Yield the texts in order, or the name and what is wrong with it."""
    for source in sources:
        try:
            for name in _expand(source):
                yield _read(source, name, max_bytes)
        except Fatal as failure:
            yield source.name, failure.fault


def _expand(source: Source) -> list[str]:
    """Return the files that a source stands for; those of a folder in order of their names."""
    if source.text is not None or source.name == STDIN or not os.path.isdir(source.name):
        return [source.name]
    folder = Path(source.name)
    found = sorted(
        str(path)
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not _is_hidden(path.relative_to(folder))
    )
    if not found:
        raise _fatal("file/unreadable", "this folder contains no .yaml, .yml or .json file")
    return found


def _is_hidden(path: Path) -> bool:
    # A mounted ConfigMap shows each file twice: by its own name, and below ``..data`` and what that links to.
    return any(part.startswith(".") for part in path.parts)


def _read(source: Source, name: str, max_bytes: int) -> Text:
    if source.text is not None:
        raw = source.text.encode("utf-8", "surrogatepass") if isinstance(source.text, str) else source.text
        return Text(name, _decode(_limited(raw, max_bytes)), "any")
    if name == STDIN:
        return Text("<stdin>", _decode(_limited(sys.stdin.buffer.read(max_bytes + 1), max_bytes)), "any")
    suffix = _suffix(name)
    if suffix not in _SUFFIXES and os.path.isfile(name) and suffix:
        raise _fatal(
            "file/kind", f"unknown file type: {os.path.basename(name)}. (Accepted types: json, yaml)"
        )
    text = _decode(_read_file(name, max_bytes))
    return Text(name, text, "json" if suffix == ".json" else "yaml" if suffix else "any")


def _suffix(name: str) -> str:
    """Return what tells the syntax: of ``kong.yaml.example`` or ``kong.yaml.tmpl`` that is ``.yaml``."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    return next(
        (suffix for suffix in reversed(suffixes) if suffix in _SUFFIXES), suffixes[-1] if suffixes else ""
    )


def _read_file(name: str, max_bytes: int) -> bytes:
    try:
        with open(name, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            raw = _limited(_read_pieces(file, max_bytes), max_bytes)
            after = os.fstat(file.fileno())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _fatal("file/unreadable", f"cannot read this file: {reason}") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _fatal("file/changed", "the file was changed while it was read")
    return raw


def _read_pieces(file: FileIO, max_bytes: int) -> bytes:
    """Read up to just over the limit; one ``read`` of that size would first set aside all of it."""
    pieces: list[bytes] = []
    size = 0
    while size <= max_bytes and (piece := file.read(_PIECE_BYTES)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _limited(raw: bytes, max_bytes: int) -> bytes:
    if len(raw) > max_bytes:
        raise _fatal("file/size", f"larger than {max_bytes:,} bytes")
    return raw


# What Windows writes in front of a text.
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_HINT = "it looks like UTF-16; save it as UTF-8"


def _decode(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n"), error.start - (before.rfind(b"\n") + 1)
        place = line << 32 | column
        message, hint = f"not UTF-8 text: {error.reason}", _HINT if raw.startswith(_UTF_16) else None
        raise Fatal(Fault("file/encoding", place, place + 1, message, hint)) from None
    if "\0" in text[:2]:
        # Without that mark every second byte of plain text is zero, which is UTF-8, and no text.
        raise Fatal(Fault("file/encoding", 0, 1, "not UTF-8 text: NUL characters", _HINT))
    if not text.strip():
        raise _fatal("file/empty", "the file is empty")
    return text


def _fatal(code: str, message: str) -> Fatal:
    return Fatal(Fault(code, 0, 1, message))
