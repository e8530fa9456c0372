"""Spans as OTLP protobuf: the few messages of ``opentelemetry.proto.collector.trace.v1`` that a trace needs.

Written by hand, because the wire format is small and the generated code of the official package would be the
largest dependency of all. A message is a concatenation of fields; numbers are those of the specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum

from dbless_gateway.config.records import dataclass, field

Value = str | int | float | bool

_VARINT, _FIXED64, _LENGTH = 0, 1, 2


class SpanKind(IntEnum):
    """Who a span is about."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


@dataclass(slots=True)
class Span:
    """One span; times are nanoseconds since the epoch."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    kind: SpanKind
    started_ns: int
    ended_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    is_error: bool = False

    def encode(self) -> bytes:
        """Return the message ``Span``."""
        parts = [_bytes(1, self.trace_id), _bytes(2, self.span_id)]
        if self.parent_id is not None:
            parts.append(_bytes(4, self.parent_id))
        parts += [
            _bytes(5, self.name.encode("utf-8", "replace")),
            _integer(6, self.kind),
            _fixed64(7, self.started_ns),
            _fixed64(8, self.ended_ns),
            _attributes(9, self.attributes),
        ]
        if self.is_error:
            parts.append(_bytes(15, _integer(3, 2)))
        return b"".join(parts)


def encode_request(resource: Mapping[str, Value], scope: tuple[str, str], spans: Iterable[bytes]) -> bytes:
    """Return ``ResourceSpans`` as a field of ``ExportTraceServiceRequest``; several can be joined."""
    name, version = scope
    scope_message = _bytes(1, name.encode()) + _bytes(2, version.encode())
    scope_spans = _bytes(1, scope_message) + b"".join(_bytes(2, span) for span in spans)
    return _bytes(1, _bytes(1, _attributes(1, resource)) + _bytes(2, scope_spans))


def _attributes(number: int, attributes: Mapping[str, Value]) -> bytes:
    return b"".join(
        _bytes(number, _bytes(1, name.encode("utf-8", "replace")) + _bytes(2, _any_value(value)))
        for name, value in attributes.items()
    )


def _any_value(value: Value) -> bytes:
    if isinstance(value, bool):
        return _integer(2, int(value))
    if isinstance(value, int):
        return _integer(3, value)
    if isinstance(value, float):
        return _tag(4, _FIXED64) + struct.pack("<d", value)
    return _bytes(1, value.encode("utf-8", "replace"))


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _bytes(number: int, value: bytes) -> bytes:
    return _tag(number, _LENGTH) + _varint(len(value)) + value


def _integer(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _varint(value)


def _fixed64(number: int, value: int) -> bytes:
    return _tag(number, _FIXED64) + struct.pack("<Q", value)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
