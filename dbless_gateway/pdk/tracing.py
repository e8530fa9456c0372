"""Trace contexts and how they travel in headers: what each format extracts and injects.

A format is a row in ``FORMATS``: an extractor, which returns None when a request has no usable context of
its kind, and an injector. Inside, trace ids have 16 bytes and span ids 8; the size that a trace id came in
is remembered, because some formats keep it. What is malformed is as good as absent. Which formats are tried,
and in which order, is
``propagation.py``'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote

from dbless_gateway.config.records import dataclass, field
from dbless_gateway.pdk.context import HeaderView

Headers = list[tuple[str, str]]


class InjectionError(Exception):
    """A context lacks what a format needs."""


@dataclass(slots=True)
class TraceContext:
    """What is known of the trace that a request belongs to."""

    trace_id: bytes | None = None
    span_id: bytes | None = None
    parent_id: bytes | None = None
    sampled: bool | None = None
    trace_id_bytes: int | None = None  # the size in which it came: 8 or 16
    is_shared_span: bool = False  # the receiver continues the sender's span
    flags: str | None = None  # x-b3-flags, as received
    is_single_b3: bool = False
    baggage: dict[str, str] = field(default_factory=dict)

    @property
    def has_something(self) -> bool:
        """Tell whether anything at all is known."""
        return bool(self.trace_id or self.span_id or self.baggage) or self.sampled is not None


class Format(NamedTuple):
    """One way to write a context into headers."""

    extract: Callable[[HeaderView], TraceContext | None]
    inject: Callable[[TraceContext], tuple[Headers, str | None]]  # headers, and the id for the log


_HEX = re.compile(r"[0-9a-fA-F]+")
_TRACEPARENT = re.compile(r"00-([0-9a-fA-F]{32})-([0-9a-fA-F]{16})-([0-9a-fA-F]{2})")
_AWS_ROOT = re.compile(r"1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
_GCP = re.compile(r"([0-9a-fA-F]{32})/(\d{1,20})(?:;o=(\d))?")
_JAEGER = re.compile(r"([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):([^:]*):([0-9a-fA-F]{1,2})")
_B3_SINGLE = re.compile(
    r"([0-9a-fA-F]{16}|[0-9a-fA-F]{32})-([0-9a-fA-F]{16})(?:-([01d])(?:-([0-9a-fA-F]{16}))?)?"
)
_B3_HEADERS = ("x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags")
_OT_HEADERS = ("ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled")
_SAMPLED = {"1": True, "true": True, "0": False, "false": False}
_AWS_SAMPLED = {"1": True, "0": False}
_LARGEST_UINT64 = (1 << 64) - 1


def _single(headers: HeaderView, name: str) -> str | None:
    """Return a header that came once; a list is nobody's context."""
    values = headers.get_all(name)
    return values[0].strip() if len(values) == 1 else None


def _bytes(text: str | None, size: int) -> bytes | None:
    """Return hexadecimal digits as so many bytes: padded on the left, or the low ones of too many."""
    if not text or not _HEX.fullmatch(text):
        return None
    return bytes.fromhex(text.rjust(2 * size, "0")[-2 * size :])


def _sized(text: str | None) -> tuple[bytes | None, int | None]:
    """Return a trace id of 16 or 32 digits, and its size in bytes."""
    if text is None or len(text) not in (16, 32):
        return None, None
    return _bytes(text, 16), len(text) // 2


def _is_zero(raw: bytes | None) -> bool:
    return raw is None or not any(raw)


def _extract_w3c(headers: HeaderView) -> TraceContext | None:
    found = _TRACEPARENT.fullmatch(_single(headers, "traceparent") or "")
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return TraceContext(
        trace_id=bytes.fromhex(found[1]),
        span_id=bytes.fromhex(found[2]),
        sampled=bool(int(found[3], 16) & 1),
        trace_id_bytes=16,
    )


def _extract_b3(headers: HeaderView) -> TraceContext | None:
    names = ("b3", "tracestate", *_B3_HEADERS)
    if all(headers.get(name) is None for name in names):
        return None
    # Present in any form, even a useless one, b3 counts as found: it shares spans.
    context = TraceContext(is_shared_span=True)
    _read_b3_single(headers, context)
    if context.trace_id is None:
        context.trace_id, context.trace_id_bytes = _sized(_single(headers, "x-b3-traceid"))
    if context.span_id is None:
        context.span_id = _exact(_single(headers, "x-b3-spanid"))
    if context.parent_id is None:
        context.parent_id = _exact(_single(headers, "x-b3-parentspanid"))
    if context.sampled is None:
        context.sampled = _SAMPLED.get((_single(headers, "x-b3-sampled") or "").lower())
    flags = _single(headers, "x-b3-flags")
    if flags is not None:
        context.flags = flags
        context.sampled = True if flags == "1" else context.sampled
    if context.trace_id is None:
        context.span_id = context.parent_id = None
    return context


def _read_b3_single(headers: HeaderView, context: TraceContext) -> None:
    text = _single(headers, "b3")
    if text is None:
        elements = (part.strip() for line in headers.get_all("tracestate") for part in line.split(","))
        text = next((part[3:] for part in elements if part.startswith("b3=")), None)
    if text is None:
        return
    if text in ("0", "1", "d"):
        context.is_single_b3 = True
        context.sampled = text != "0"
        context.flags = "1" if text == "d" else None
        return
    found = _B3_SINGLE.fullmatch(text)
    if found is None:
        return
    context.is_single_b3 = True
    context.trace_id, context.trace_id_bytes = _sized(found[1])
    context.span_id = bytes.fromhex(found[2])
    if found[3] is not None:
        context.sampled = found[3] != "0"
        context.flags = "1" if found[3] == "d" else None
    context.parent_id = bytes.fromhex(found[4]) if found[4] else None


def _exact(text: str | None) -> bytes | None:
    return _bytes(text, 8) if text is not None and len(text) == 16 else None


def _extract_jaeger(headers: HeaderView) -> TraceContext | None:
    found = _JAEGER.fullmatch(_single(headers, "uber-trace-id") or "")
    if found is None:
        return None
    trace_id, span_id = _bytes(found[1], 16), _bytes(found[2], 8)
    if _is_zero(trace_id) or _is_zero(span_id):
        return None
    return TraceContext(
        trace_id=trace_id,
        span_id=span_id,
        # A parent that is malformed costs only the parent.
        parent_id=_bytes(found[3], 8) if len(found[3]) <= 16 else None,
        sampled=bool(int(found[4], 16) & 1),
        trace_id_bytes=16 if len(found[1]) > 16 else 8,
        is_shared_span=True,
        baggage=_baggage(headers, "uberctx-"),
    )


def _extract_ot(headers: HeaderView) -> TraceContext | None:
    if all(headers.get(name) is None for name in _OT_HEADERS):
        return None  # Baggage alone is no trace.
    trace_id, size = _sized(_single(headers, "ot-tracer-traceid"))
    context = TraceContext(
        trace_id=trace_id,
        span_id=_exact(_single(headers, "ot-tracer-spanid")) if trace_id is not None else None,
        sampled=_SAMPLED.get((_single(headers, "ot-tracer-sampled") or "").lower()),
        trace_id_bytes=size,
        baggage=_baggage(headers, "ot-baggage-"),
    )
    return context if context.has_something else None


def _extract_datadog(headers: HeaderView) -> TraceContext | None:
    priority = _single(headers, "x-datadog-sampling-priority")
    if priority is not None and priority not in ("1", "2", "0", "-1"):
        return None
    context = TraceContext(
        trace_id=_decimal(_single(headers, "x-datadog-trace-id"), 16),
        span_id=_decimal(_single(headers, "x-datadog-parent-id"), 8),
        sampled=None if priority is None else priority in ("1", "2"),
        trace_id_bytes=8,
    )
    return context if context.has_something else None


def _decimal(text: str | None, size: int) -> bytes | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 20:
        return None
    number = int(text)
    return number.to_bytes(size, "big") if 0 < number <= _LARGEST_UINT64 else None


def _extract_aws(headers: HeaderView) -> TraceContext | None:
    # In any order, and with fields of others between them: load balancers add Self and Lineage.
    parts = (part.strip().partition("=") for part in (_single(headers, "x-amzn-trace-id") or "").split(";"))
    fields = {name: value for name, _, value in parts}
    root, span_id = _AWS_ROOT.fullmatch(fields.get("Root", "")), _exact(fields.get("Parent"))
    sampled = _AWS_SAMPLED.get(fields.get("Sampled", ""))
    if root is None or span_id is None or sampled is None:
        return None
    return TraceContext(
        trace_id=bytes.fromhex(root[1] + root[2]), span_id=span_id, sampled=sampled, trace_id_bytes=16
    )


def _extract_gcp(headers: HeaderView) -> TraceContext | None:
    found = _GCP.fullmatch(_single(headers, "x-cloud-trace-context") or "")
    span_id = _decimal(found[2], 8) if found is not None else None
    if found is None or span_id is None:
        return None
    return TraceContext(
        trace_id=bytes.fromhex(found[1]), span_id=span_id, sampled=found[3] == "1", trace_id_bytes=16
    )


def _extract_instana(headers: HeaderView) -> TraceContext | None:
    trace, span = _single(headers, "x-instana-t"), _single(headers, "x-instana-s")
    trace_id, span_id = _bytes(trace, 16), _bytes(span, 8)
    if trace is None or trace_id is None or span_id is None:
        return None
    return TraceContext(
        trace_id=trace_id,
        span_id=span_id,
        sampled=(_single(headers, "x-instana-l") or "").startswith("1"),
        trace_id_bytes=16 if len(trace) > 16 else 8,
    )


def _baggage(headers: HeaderView, prefix: str) -> dict[str, str]:
    return {
        name[len(prefix) :].lower(): unquote(value)
        for name, value in headers.items()
        if name.lower().startswith(prefix)
    }


def _ids(context: TraceContext, name: str) -> tuple[bytes, bytes]:
    if context.trace_id is None or context.span_id is None:
        missing = "trace_id" if context.trace_id is None else "span_id"
        raise InjectionError(f"{name} injector context is invalid: field {missing} not found in context")
    return context.trace_id, context.span_id


def _kept_size(context: TraceContext, default_bytes: int = 16) -> str | None:
    """Return the trace id in the size that it came in."""
    if context.trace_id is None:
        return None
    return context.trace_id[-(context.trace_id_bytes or default_bytes) :].hex()


def _flag(context: TraceContext) -> str:
    return "1" if context.sampled else "0"


def _inject_w3c(context: TraceContext) -> tuple[Headers, str | None]:
    trace_id, span_id = _ids(context, "w3c")
    return [("traceparent", f"00-{trace_id.hex()}-{span_id.hex()}-0{_flag(context)}")], trace_id.hex()


def _inject_b3(context: TraceContext) -> tuple[Headers, str | None]:
    trace = _kept_size(context)
    headers: Headers = []
    if trace is not None and context.span_id is not None:
        headers += [("x-b3-traceid", trace), ("x-b3-spanid", context.span_id.hex())]
        if context.parent_id is not None:
            headers.append(("x-b3-parentspanid", context.parent_id.hex()))
    if context.flags is not None:
        headers.append(("x-b3-flags", context.flags))
    else:
        headers.append(("x-b3-sampled", _flag(context)))
    return headers, trace


def _inject_b3_single(context: TraceContext) -> tuple[Headers, str | None]:
    trace = _kept_size(context)
    flag = "d" if context.flags == "1" else _flag(context)
    if trace is None or context.span_id is None:
        return [("b3", flag)], None
    parts = [trace, context.span_id.hex(), flag]
    if context.parent_id is not None:
        parts.append(context.parent_id.hex())
    return [("b3", "-".join(parts))], trace


def _inject_jaeger(context: TraceContext) -> tuple[Headers, str | None]:
    _, span_id = _ids(context, "jaeger")
    trace = _kept_size(context)
    parent = context.parent_id.hex() if context.parent_id is not None else "0"
    headers = [("uber-trace-id", f"{trace}:{span_id.hex()}:{parent}:0{_flag(context)}")]
    return headers + [(f"uberctx-{key}", quote(value)) for key, value in context.baggage.items()], trace


def _inject_ot(context: TraceContext) -> tuple[Headers, str | None]:
    _, span_id = _ids(context, "ot")
    trace = _kept_size(context, default_bytes=8) or ""
    headers = [("ot-tracer-traceid", trace), ("ot-tracer-spanid", span_id.hex())]
    if context.sampled is not None:
        headers.append(("ot-tracer-sampled", _flag(context)))
    return headers + [(f"ot-baggage-{key}", quote(value)) for key, value in context.baggage.items()], trace


def _inject_datadog(context: TraceContext) -> tuple[Headers, str | None]:
    headers: Headers = []
    trace = None
    if context.trace_id is not None:
        trace = str(int.from_bytes(context.trace_id[-8:], "big"))
        headers.append(("x-datadog-trace-id", trace))
    if context.span_id is not None:
        headers.append(("x-datadog-parent-id", str(int.from_bytes(context.span_id, "big"))))
    if context.sampled is not None:
        headers.append(("x-datadog-sampling-priority", _flag(context)))
    return headers, trace


def _inject_aws(context: TraceContext) -> tuple[Headers, str | None]:
    trace_id, span_id = _ids(context, "aws")
    trace = trace_id.hex()
    value = f"Root=1-{trace[:8]}-{trace[8:]};Parent={span_id.hex()};Sampled={_flag(context)}"
    return [("x-amzn-trace-id", value)], trace


def _inject_gcp(context: TraceContext) -> tuple[Headers, str | None]:
    trace_id, span_id = _ids(context, "gcp")
    value = f"{trace_id.hex()}/{int.from_bytes(span_id, 'big')};o={_flag(context)}"
    return [("x-cloud-trace-context", value)], trace_id.hex()


def _inject_instana(context: TraceContext) -> tuple[Headers, str | None]:
    _, span_id = _ids(context, "instana")
    trace = _kept_size(context) or ""
    headers = [("x-instana-t", trace), ("x-instana-s", span_id.hex())]
    if context.sampled is not None:
        headers.append(("x-instana-l", _flag(context)))
    return headers, trace


FORMATS: dict[str, Format] = {
    "w3c": Format(_extract_w3c, _inject_w3c),
    "b3": Format(_extract_b3, _inject_b3),
    "b3-single": Format(_extract_b3, _inject_b3_single),
    "jaeger": Format(_extract_jaeger, _inject_jaeger),
    "ot": Format(_extract_ot, _inject_ot),
    "datadog": Format(_extract_datadog, _inject_datadog),
    "aws": Format(_extract_aws, _inject_aws),
    "gcp": Format(_extract_gcp, _inject_gcp),
    "instana": Format(_extract_instana, _inject_instana),
}
