"""Which formats are extracted, cleared and injected."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dbless_gateway.pdk.config import build_config
from dbless_gateway.pdk.propagation import PropagationConfig, Propagator, outgoing
from dbless_gateway.pdk.record import Recorder
from tests.support.plugin_context import FakeContext, make_env

T32, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
W3C = ("traceparent", f"00-{T32}-{SPAN}-01")
B3 = ("b3", f"{T32}-{SPAN}-1")
JAEGER = ("uber-trace-id", f"{T32}:{SPAN}:0:1")


def run(
    config: dict[str, Any], headers: list[tuple[str, str]], **legacy: Any
) -> tuple[str | None, list[str], FakeContext]:
    """Return the format found and the names of the headers that the target gets."""
    log = logging.getLogger("tests.propagation")
    legacy = {"header_type": "preserve"} | legacy
    propagator = Propagator(build_config(PropagationConfig, config), log=log, **legacy)
    ctx = FakeContext(headers=headers)
    context, found = propagator.extract(ctx)
    context.trace_id = context.trace_id or bytes.fromhex(T32)
    context = outgoing(context, span_id=b"12345678", parent_id=None, sampled=True)
    propagator.inject(ctx, context, found)
    return found, sorted({name for name, _ in ctx.upstream.headers.items()}), ctx


@pytest.mark.parametrize(
    ("config", "legacy", "headers", "found", "sent"),
    [
        ({}, {}, [], None, ["traceparent"]),
        ({"default_format": "b3-single"}, {}, [], None, ["b3"]),
        ({"default_format": "w3c"}, {"legacy_default": "jaeger"}, [], None, ["uber-trace-id"]),
        ({}, {}, [W3C], "w3c", ["traceparent"]),
        ({}, {}, [B3], "b3-single", ["b3"]),
        ({}, {}, [JAEGER], "jaeger", ["uber-trace-id"]),
        ({}, {}, [W3C, JAEGER], "w3c", ["traceparent", "uber-trace-id"]),
        (
            {},
            {},
            [W3C, ("tracestate", "x=1")],
            "b3",
            ["traceparent", "tracestate", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"],
        ),
        ({}, {"header_type": "ignore"}, [JAEGER], None, ["traceparent", "uber-trace-id"]),
        ({}, {"header_type": "gcp"}, [JAEGER], "jaeger", ["uber-trace-id", "x-cloud-trace-context"]),
        ({"extract": ["w3c"], "inject": ["preserve"]}, {}, [W3C, B3], "w3c", ["b3", "traceparent"]),
        (
            {"extract": ["jaeger", "w3c"], "inject": ["aws"]},
            {},
            [W3C],
            "w3c",
            ["traceparent", "x-amzn-trace-id"],
        ),
        ({"extract": ["w3c"], "clear": ["TraceParent"]}, {}, [W3C], "w3c", []),
        (
            {"inject": ["preserve"], "default_format": "ot"},
            {"legacy_default": "b3"},
            [W3C],
            None,
            ["ot-tracer-sampled", "ot-tracer-spanid", "ot-tracer-traceid", "traceparent"],
        ),
    ],
)
def test_formats(
    config: dict[str, Any],
    legacy: dict[str, Any],
    headers: list[tuple[str, str]],
    found: str | None,
    sent: list[str],
) -> None:
    assert run(config, headers, **legacy)[:2] == (found, sent)


def test_the_log_names_every_injected_format() -> None:
    _, _, ctx = run({"extract": ["w3c"], "inject": ["preserve", "b3-single", "datadog"]}, [W3C])
    ctx.respond()

    assert Recorder(make_env()).record(ctx)["trace_id"] == {
        "w3c": T32,
        "b3": T32,
        "datadog": str(int(T32[16:], 16)),
    }


def test_what_cannot_be_injected_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    propagator = Propagator(
        build_config(PropagationConfig, {"inject": ["w3c"]}),
        header_type=None,
        log=logging.getLogger("tests.propagation"),
    )
    ctx = FakeContext()
    context, found = propagator.extract(ctx)
    propagator.inject(ctx, context, found)

    assert "trace_id not found in context" in caplog.text
