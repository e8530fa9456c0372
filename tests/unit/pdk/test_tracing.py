"""Trace formats: what is extracted, what is injected, and what is ignored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.pdk.tracing import FORMATS, InjectionError, TraceContext
from tests.support.plugin_context import FakeHeaders

T32 = "0af7651916cd43dd8448eb211c80319c"
T16 = "8448eb211c80319c"
SPAN, PARENT = "b7ad6b7169203331", "00f067aa0ba902b7"
LONG, SHORT = bytes.fromhex(T32), bytes.fromhex(T16).rjust(16, b"\0")
S, P = bytes.fromhex(SPAN), bytes.fromhex(PARENT)


def extract(name: str, *lines: tuple[str, str]) -> TraceContext | None:
    return FORMATS[name].extract(FakeHeaders(lines))


def facts(context: TraceContext | None) -> tuple[Any, ...] | None:
    if context is None:
        return None
    return context.trace_id, context.span_id, context.parent_id, context.sampled, context.trace_id_bytes


@pytest.mark.parametrize(
    ("name", "headers", "expected"),
    [
        ("w3c", {"traceparent": f"00-{T32}-{SPAN}-01"}, (LONG, S, None, True, 16)),
        ("w3c", {"traceparent": f"00-{T32}-{SPAN}-02"}, (LONG, S, None, False, 16)),
        ("w3c", {"traceparent": f"00-{T32.upper()}-{SPAN.upper()}-01"}, (LONG, S, None, True, 16)),
        ("w3c", {"traceparent": f"00-{T32}-{SPAN}-01-more"}, None),
        ("w3c", {"traceparent": f"01-{T32}-{SPAN}-01"}, None),
        ("w3c", {"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, None),
        ("w3c", {"traceparent": f"00-{T32}-{'0' * 16}-01"}, None),
        ("w3c", {"traceparent": "junk"}, None),
        ("w3c", {}, None),
        ("b3", {}, None),
        (
            "b3",
            {"x-b3-traceid": T32, "x-b3-spanid": SPAN, "x-b3-parentspanid": PARENT, "x-b3-sampled": "1"},
            (LONG, S, P, True, 16),
        ),
        (
            "b3",
            {"x-b3-traceid": T16, "x-b3-spanid": SPAN, "x-b3-sampled": "false"},
            (SHORT, S, None, False, 8),
        ),
        ("b3", {"x-b3-traceid": T16, "x-b3-spanid": SPAN, "x-b3-flags": "1"}, (SHORT, S, None, True, 8)),
        ("b3", {"x-b3-spanid": SPAN, "x-b3-sampled": "true"}, (None, None, None, True, None)),
        ("b3", {"x-b3-traceid": "xyz", "x-b3-sampled": "maybe"}, (None, None, None, None, None)),
        ("b3", {"tracestate": "other=1"}, (None, None, None, None, None)),
        ("b3", {"b3": f"{T32}-{SPAN}-1-{PARENT}"}, (LONG, S, P, True, 16)),
        ("b3", {"b3": f"{T16}-{SPAN}-0"}, (SHORT, S, None, False, 8)),
        ("b3", {"b3": f"{T16}-{SPAN}"}, (SHORT, S, None, None, 8)),
        ("b3", {"b3": f"{T16}-{SPAN}-d"}, (SHORT, S, None, True, 8)),
        ("b3", {"b3": "0"}, (None, None, None, False, None)),
        ("b3", {"b3": "d"}, (None, None, None, True, None)),
        ("b3", {"b3": "junk"}, (None, None, None, None, None)),
        ("b3", {"tracestate": f"a=1, b3={T16}-{SPAN}-1"}, (SHORT, S, None, True, 8)),
        ("b3", {"b3": f"{T16}-{SPAN}", "x-b3-traceid": T32, "x-b3-sampled": "1"}, (SHORT, S, None, True, 8)),
        ("jaeger", {"uber-trace-id": f"{T32}:{SPAN}:{PARENT}:1"}, (LONG, S, P, True, 16)),
        (
            "jaeger",
            {"uber-trace-id": f"{T16[1:]}:{SPAN[1:]}:0:02"},
            (
                bytes.fromhex("0" + T16[1:]).rjust(16, b"\0"),
                bytes.fromhex("0" + SPAN[1:]),
                bytes(8),
                False,
                8,
            ),
        ),
        ("jaeger", {"uber-trace-id": f"{T32}:{SPAN}:{T32}:1"}, (LONG, S, None, True, 16)),
        ("jaeger", {"uber-trace-id": f"{T32}:{SPAN}:xyz:1"}, (LONG, S, None, True, 16)),
        ("jaeger", {"uber-trace-id": f"0{T32}:{SPAN}:0:1"}, None),
        ("jaeger", {"uber-trace-id": f"{T32}:{SPAN}:0:001"}, None),
        ("jaeger", {"uber-trace-id": f"0:{SPAN}:0:1"}, None),
        ("jaeger", {"uber-trace-id": f"{T32}:{SPAN}:0"}, None),
        (
            "ot",
            {"ot-tracer-traceid": T16, "ot-tracer-spanid": SPAN, "ot-tracer-sampled": "1"},
            (SHORT, S, None, True, 8),
        ),
        ("ot", {"ot-tracer-sampled": "0"}, (None, None, None, False, None)),
        ("ot", {"ot-tracer-traceid": "junk"}, None),
        ("ot", {"ot-baggage-user": "a"}, None),
        ("ot", {"ot-tracer-traceid": "junk", "ot-baggage-user": "a"}, (None, None, None, None, None)),
        (
            "datadog",
            {"x-datadog-trace-id": "1234", "x-datadog-parent-id": "5678", "x-datadog-sampling-priority": "2"},
            ((1234).to_bytes(16, "big"), (5678).to_bytes(8, "big"), None, True, 8),
        ),
        ("datadog", {"x-datadog-sampling-priority": "-1"}, (None, None, None, False, 8)),
        ("datadog", {"x-datadog-trace-id": "1", "x-datadog-sampling-priority": "7"}, None),
        ("datadog", {"x-datadog-trace-id": "99999999999999999999"}, None),
        ("datadog", {"x-datadog-parent-id": "5678"}, (None, (5678).to_bytes(8, "big"), None, None, 8)),
        (
            "aws",
            {"x-amzn-trace-id": f"Root=1-{T32[:8]}-{T32[8:]};Parent={SPAN};Sampled=1"},
            (LONG, S, None, True, 16),
        ),
        ("aws", {"x-amzn-trace-id": f"Root=1-{T32}"}, None),
        ("aws", {"x-amzn-trace-id": f"Root=1-{T32[:8]}-{T32[8:]}"}, None),
        ("aws", {"x-amzn-trace-id": f"Root=1-{T32[:8]}-{T32[8:]};Parent={SPAN};Sampled=2"}, None),
        ("aws", {"x-amzn-trace-id": f"Root=1-{T32[:8]}-{T32[8:]};Parent={T32};Sampled=1"}, None),
        (
            "aws",
            {
                "x-amzn-trace-id": f"Self=1-a-b; Sampled=0; Root=1-{T32[:8]}-{T32[8:]};Parent={SPAN};Lineage=a:0"
            },
            (LONG, S, None, False, 16),
        ),
        (
            "gcp",
            {"x-cloud-trace-context": f"{T32}/1234;o=1"},
            (LONG, (1234).to_bytes(8, "big"), None, True, 16),
        ),
        ("gcp", {"x-cloud-trace-context": f"{T32}/1234"}, (LONG, (1234).to_bytes(8, "big"), None, False, 16)),
        ("gcp", {"x-cloud-trace-context": T32}, None),
        (
            "instana",
            {"x-instana-t": T16, "x-instana-s": SPAN, "x-instana-l": "1,x"},
            (SHORT, S, None, True, 8),
        ),
        ("instana", {"x-instana-t": T32, "x-instana-s": SPAN}, (LONG, S, None, False, 16)),
        ("instana", {"x-instana-t": T32}, None),
        ("instana", {"x-instana-s": SPAN, "x-instana-l": "1"}, None),
        (
            "instana",
            {"x-instana-t": T16[1:], "x-instana-s": SPAN[1:], "x-instana-l": "0"},
            (
                bytes.fromhex("0" + T16[1:]).rjust(16, b"\0"),
                bytes.fromhex("0" + SPAN[1:]),
                None,
                False,
                8,
            ),
        ),
    ],
)
def test_extraction(name: str, headers: dict[str, str], expected: tuple[Any, ...] | None) -> None:
    assert facts(extract(name, *headers.items())) == expected


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("w3c", "traceparent", f"00-{T32}-{SPAN}-01"),
        ("jaeger", "uber-trace-id", f"{T32}:{SPAN}:0:1"),
        ("aws", "x-amzn-trace-id", f"Root=1-{T32[:8]}-{T32[8:]};Parent={SPAN};Sampled=1"),
        ("gcp", "x-cloud-trace-context", f"{T32}/1234"),
        ("instana", "x-instana-t", T32),
    ],
)
def test_repeated_headers_are_nobodys(name: str, header: str, value: str) -> None:
    assert extract(name, (header, value), (header, value)) is None


def test_only_b3_and_jaeger_share_spans() -> None:
    contexts = [
        extract("b3", ("b3", "1")),
        extract("jaeger", ("uber-trace-id", f"{T32}:{SPAN}:0:1")),
        extract("w3c", ("traceparent", f"00-{T32}-{SPAN}-01")),
    ]

    assert [context is not None and context.is_shared_span for context in contexts] == [True, True, False]


def test_baggage() -> None:
    jaeger = extract("jaeger", ("uber-trace-id", f"{T32}:{SPAN}:0:1"), ("UberCtx-User", "a%20b"))
    ot = extract("ot", ("ot-tracer-sampled", "1"), ("ot-baggage-x", "1"))
    assert jaeger is not None
    assert ot is not None

    assert (jaeger.baggage, ot.baggage) == ({"user": "a b"}, {"x": "1"})
    assert ("uberctx-user", "a%20b") in FORMATS["jaeger"].inject(jaeger)[0]


FULL = TraceContext(LONG, S, P, True, 16)
EIGHT = TraceContext(SHORT, S, None, False, 8)


@pytest.mark.parametrize(
    ("name", "context", "headers", "logged"),
    [
        ("w3c", FULL, {"traceparent": f"00-{T32}-{SPAN}-01"}, T32),
        ("w3c", EIGHT, {"traceparent": f"00-{T16:0>32}-{SPAN}-00"}, f"{T16:0>32}"),
        (
            "b3",
            FULL,
            {"x-b3-traceid": T32, "x-b3-spanid": SPAN, "x-b3-parentspanid": PARENT, "x-b3-sampled": "1"},
            T32,
        ),
        ("b3", EIGHT, {"x-b3-traceid": T16, "x-b3-spanid": SPAN, "x-b3-sampled": "0"}, T16),
        ("b3", TraceContext(sampled=True, flags="1"), {"x-b3-flags": "1"}, None),
        ("b3-single", FULL, {"b3": f"{T32}-{SPAN}-1-{PARENT}"}, T32),
        ("b3-single", EIGHT, {"b3": f"{T16}-{SPAN}-0"}, T16),
        ("b3-single", TraceContext(), {"b3": "0"}, None),
        ("b3-single", TraceContext(SHORT, S, None, True, 8, flags="1"), {"b3": f"{T16}-{SPAN}-d"}, T16),
        ("jaeger", FULL, {"uber-trace-id": f"{T32}:{SPAN}:{PARENT}:01"}, T32),
        ("jaeger", EIGHT, {"uber-trace-id": f"{T16}:{SPAN}:0:00"}, T16),
        ("ot", FULL, {"ot-tracer-traceid": T32, "ot-tracer-spanid": SPAN, "ot-tracer-sampled": "1"}, T32),
        ("ot", TraceContext(LONG, S), {"ot-tracer-traceid": T16, "ot-tracer-spanid": SPAN}, T16),
        (
            "datadog",
            FULL,
            {
                "x-datadog-trace-id": str(int(T16, 16)),
                "x-datadog-parent-id": str(int(SPAN, 16)),
                "x-datadog-sampling-priority": "1",
            },
            str(int(T16, 16)),
        ),
        ("datadog", TraceContext(), {}, None),
        ("aws", FULL, {"x-amzn-trace-id": f"Root=1-{T32[:8]}-{T32[8:]};Parent={SPAN};Sampled=1"}, T32),
        ("gcp", FULL, {"x-cloud-trace-context": f"{T32}/{int(SPAN, 16)};o=1"}, T32),
        ("instana", FULL, {"x-instana-t": T32, "x-instana-s": SPAN, "x-instana-l": "1"}, T32),
        ("instana", TraceContext(LONG, S), {"x-instana-t": T32, "x-instana-s": SPAN}, T32),
    ],
)
def test_injection(name: str, context: TraceContext, headers: dict[str, str], logged: str | None) -> None:
    lines, trace_id = FORMATS[name].inject(context)

    assert (dict(lines), trace_id) == (headers, logged)


@pytest.mark.parametrize("name", ["w3c", "jaeger", "ot", "aws", "gcp", "instana"])
def test_what_cannot_be_injected(name: str) -> None:
    with pytest.raises(InjectionError, match="trace_id not found"):
        FORMATS[name].inject(TraceContext())
    with pytest.raises(InjectionError, match="span_id not found"):
        FORMATS[name].inject(TraceContext(trace_id=LONG))


@given(
    st.sampled_from(sorted(FORMATS)),
    st.binary(min_size=16, max_size=16).filter(lambda raw: any(raw[8:])),
    st.binary(min_size=8, max_size=8).filter(any),
    st.booleans(),
)
def test_what_is_injected_is_extracted(name: str, trace_id: bytes, span_id: bytes, sampled: bool) -> None:
    lines, _ = FORMATS[name].inject(TraceContext(trace_id, span_id, None, sampled, 16))
    found = extract(name, *lines)

    assert found is not None
    assert found.trace_id is not None
    assert found.trace_id[-8:] == trace_id[-8:]
    assert name == "datadog" or found.trace_id == trace_id
    assert (found.span_id, found.sampled) == (span_id, sampled)


@given(st.sampled_from(sorted(FORMATS)), st.text(alphabet="0123456789abcdef-:;=/,ox ", max_size=80))
def test_no_header_breaks_an_extractor(name: str, text: str) -> None:
    names = ("traceparent", "b3", "tracestate", "x-b3-traceid", "uber-trace-id", "ot-tracer-traceid")
    more = ("x-datadog-trace-id", "x-amzn-trace-id", "x-cloud-trace-context", "x-instana-t", "x-instana-s")
    extract(name, *((header, text) for header in names + more))
