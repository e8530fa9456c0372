"""Paths of routes: the normal form, and the translation of paths written for format 1.1 or 2.1.

Before format 3.0 a path was a regular expression when it contained a character that a plain path cannot have;
since then a regular expression begins with ``~``. Old files mean the old rule, so their paths are rewritten
on loading.
"""

from __future__ import annotations

import re

_RESERVED = frozenset(b"!*'();:@&=+$,/?%#[]")
_REGEX_META = frozenset(b".^-{}\\|")
_TRIPLET = re.compile(r"%([0-9A-Fa-f]{2})")
_TRIPLETS = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_SLASHES = re.compile(r"/{2,}")
_PLAIN_PATH = re.compile(r"[a-zA-Z0-9.\-_~/%]*")


def normalize_path(path: str) -> str:
    """Return the normal form: unreserved triplets decoded, dot segments removed, slashes merged."""
    if "%" in path:
        path = _TRIPLETS.sub(lambda match: _decode(match.group(), _RESERVED, frozenset()), path)
    if "/." in path:
        path = _remove_dot_segments(path)
    return _SLASHES.sub("/", path) if "//" in path else path


def migrate_path(path: str) -> str:
    """Return what a path of format 1.1 or 2.1 is in format 3.0."""
    if _PLAIN_PATH.fullmatch(path):
        return normalize_path(path)
    return "~" + _TRIPLETS.sub(lambda match: _decode(match.group(), _RESERVED, _REGEX_META), path)


def _decode(triplets: str, keep: frozenset[int], escape: frozenset[int]) -> str:
    """Decode a run of triplets as UTF-8; bytes that are not UTF-8 stay encoded."""
    out = bytearray()
    for pair in _TRIPLET.findall(triplets):
        byte = int(pair, 16)
        if byte in keep:
            out += b"%" + pair.upper().encode()
        elif byte in escape:
            out += bytes((0x5C, byte))
        else:
            out.append(byte)
    return out.decode("utf-8", "surrogateescape").translate(_UNDECODABLE)


# A byte that is not UTF-8 comes out of ``surrogateescape`` as U+DC80..U+DCFF.
_UNDECODABLE = {0xDC00 + byte: f"%{byte:02X}" for byte in range(0x80, 0x100)}


def _remove_dot_segments(path: str) -> str:
    """Apply RFC 3986 section 5.2.4 to an absolute path; ``..`` stops at the root."""
    out: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        if segment == "..":
            if out:
                out.pop()
        elif segment != ".":
            out.append(segment)
    if segments[-1] in {".", ".."}:
        out.append("")
    return "/" + "/".join(out)
