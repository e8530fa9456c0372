"""Paths: how a request's path is normalised, and what the target is asked for.

Three pure functions over bytes. ``normalize`` runs once per request before anything looks at the path;
``join`` is the table of strip_path, path_handling and the service's path; ``escape`` makes the result fit
for a request line again. Nothing here knows of routes, services or regular expressions.

Rules of the file: a path is the bytes between the host and the first ``?``; nothing raises for any bytes; the
common path, which has nothing to normalise and nothing to escape, comes back as the very object that went in.
"""

from __future__ import annotations

import re
from typing import Final

# RFC 3986 reserved characters and "%": decoding them would change what the path means.
_KEPT_ENCODED: Final = frozenset(b"!*'();:@&=+$,/?%#[]")
_TRIPLET: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")
_PERCENT, _DOT = b"%."
_SLASHES: Final = re.compile(rb"//+")
# What may stand in a request line as it is; "%" too, since reserved characters are still encoded here.
_SAFE: Final = frozenset(
    b"!#$&'()*+,/:;=?@[]ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%"
)
_SAFE_BYTES: Final = bytes(sorted(_SAFE))
_UNSAFE: Final = re.compile(rb"[^" + re.escape(_SAFE_BYTES) + rb"]")


def normalize(raw_path: bytes) -> bytes | None:
    """Return the path that routes are matched with, or None when the request must be refused with 400.

    Refused are a ``%`` without two hex digits, ``%00``, a path that does not start with ``/``, and one that
    climbs above the root. The last is judged with encoded slashes taken as slashes, because a target may
    take them so.
    """
    # "in" with an integer and find() are three times as fast as "in" with bytes.
    if (
        _PERCENT not in raw_path
        and raw_path.find(b"//") < 0
        and (_DOT not in raw_path or raw_path.find(b"/.") < 0)
    ):
        return raw_path if raw_path[:1] == b"/" or not raw_path else None
    if raw_path[:1] != b"/":
        return None
    decoded = raw_path
    if b"%" in raw_path:
        if _BAD_PERCENT.search(raw_path):
            return None
        decoded = _TRIPLET.sub(_decode_triplet, raw_path)
    if b"/." in decoded or b"%2F." in decoded:
        if _climbs(decoded):
            return None
        decoded = _remove_dot_segments(decoded)
    return _SLASHES.sub(b"/", decoded) if b"//" in decoded else decoded


def _decode_triplet(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16)
    return match[0].upper() if code in _KEPT_ENCODED else bytes((code,))


def _climbs(path: bytes) -> bool:
    """Tell whether some ``..`` leaves the root. Empty segments hold nothing, so they cannot pay for one."""
    depth = 0
    for segment in path.replace(b"%2F", b"/").split(b"/"):
        if segment == b"..":
            depth -= 1
            if depth < 0:
                return True
        elif segment not in (b"", b"."):
            depth += 1
    return False


def _remove_dot_segments(path: bytes) -> bytes:
    """Apply RFC 3986 section 5.2.4 to an absolute path."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def escape(path: bytes) -> bytes:
    """Percent-encode what may not stand in a request line; triplets that are there stay."""
    if not path.translate(None, _SAFE_BYTES):
        return path
    return _UNSAFE.sub(_encode_byte, path)


def _encode_byte(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


def join(service_path: bytes, path: bytes, *, matched_length: int | None, strip: bool, v1: bool) -> bytes:
    """Return what the target is asked for, not yet escaped.

    ``matched_length`` is how much of ``path`` the route's own path took; None when the route has none.
    """
    if strip:
        rest = _without_leading_dots(path[1:] if matched_length is None else path[matched_length:])
        return _join_stripped_v1(service_path, rest) if v1 else _join_stripped(service_path, path, rest)
    if v1 or service_path.endswith(b"/"):
        return service_path + path[1:]
    return service_path if path == b"/" else service_path + path


def _join_stripped(service_path: bytes, path: bytes, rest: bytes) -> bytes:
    if service_path.endswith(b"/"):
        if not rest:
            keep_slash = len(service_path) == 1 or path.endswith(b"/")
            return service_path if keep_slash else service_path[:-1]
        return (service_path[:-1] if rest.startswith(b"/") else service_path) + rest
    if not rest:
        return service_path + b"/" if len(path) > 1 and path.endswith(b"/") else service_path
    return service_path + rest if rest.startswith(b"/") else service_path + b"/" + rest


def _join_stripped_v1(service_path: bytes, rest: bytes) -> bytes:
    if service_path.endswith(b"/") and rest.startswith(b"/"):
        return service_path + rest[1:]
    return service_path + rest


def _without_leading_dots(rest: bytes) -> bytes:
    """Drop a dot segment that stripping has laid bare: ``/route../x`` on ``/route`` leaves ``../x``."""
    if rest[:1] != b".":
        return rest
    if rest in (b".", b".."):
        return b""
    if rest.startswith(b"./"):
        return rest[2:]
    return rest[3:] if rest.startswith(b"../") else rest
