"""OTLP messages, read back by the official protobuf classes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dbless_gateway.pdk.otlp import Span, SpanKind, Value, encode_request

values = st.text(max_size=300) | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1)


@given(
    st.binary(min_size=16, max_size=16),
    st.none() | st.binary(min_size=8, max_size=8),
    st.text(max_size=200),
    st.integers(0, 2**63),
    st.dictionaries(st.text(max_size=20), values, max_size=5),
    st.booleans(),
)
def test_what_is_encoded_is_read(
    trace_id: bytes, parent: bytes | None, name: str, start: int, attributes: dict[str, Value], error: bool
) -> None:
    span = Span(trace_id, b"12345678", parent, name, SpanKind.CLIENT, start, start + 5, attributes, error)
    message = ExportTraceServiceRequest.FromString(encode_request({"r": "v"}, ("s", "1"), [span.encode()]))
    read = message.resource_spans[0].scope_spans[0].spans[0]

    assert (read.trace_id, read.span_id, read.parent_span_id) == (trace_id, b"12345678", parent or b"")
    assert (read.name, read.kind, read.start_time_unix_nano, read.end_time_unix_nano) == (
        name,
        3,
        start,
        start + 5,
    )
    assert read.status.code == (2 if error else 0)
    found = {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in read.attributes}
    assert found == attributes
