"""opentelemetry: take part in traces and export spans to an OTLP/HTTP collector.

Kong's behaviour this follows: https://developer.konghq.com/plugins/opentelemetry/ (3.9).
Differences: the spans are those of the request and of each try (Kong's instrumentations ``request`` and
``balancer``), whatever ``tracing_instrumentations`` says; ``logs_endpoint`` is accepted, and a warning says
that nothing is sent there; credentials in ``http.url`` are ``REDACTED``.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from typing import Any

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.expression import ExpressionError
from dbless_gateway.pdk.http_client import Endpoint, HttpClient
from dbless_gateway.pdk.otlp import Span, SpanKind, Value, encode_request
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv, Queue
from dbless_gateway.pdk.propagation import PropagationConfig, Propagator, outgoing
from dbless_gateway.pdk.queue_config import QueueConfig, queue_parameters
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.redaction import redacted_query, secret_names
from dbless_gateway.pdk.template import RequestScope, Template
from dbless_gateway.pdk.tracing import TraceContext

NAME = "opentelemetry"
PRIORITY = 14

_SCOPE = ("kong-internal", "0.1.0")
_KEEPALIVE_S = 60.0

# Kong's tracing_sampling_rate, when the plugin has none of its own.
_DEFAULT_SAMPLING_RATE = 0.01

# The old defaults: an old field that says so says nothing.
_OLD_BATCH_SPAN_COUNT = 200
_OLD_BATCH_FLUSH_DELAY_S = 3

Resource = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Config:
    traces_endpoint: str | None
    logs_endpoint: str | None
    headers: dict[str, str] | None
    resource_attributes: dict[str, str] | None
    queue: QueueConfig
    batch_span_count: int | None
    batch_flush_delay: int | None
    connect_timeout: int | None
    send_timeout: int | None
    read_timeout: int | None
    http_response_header_for_traceid: str | None
    header_type: str | None
    sampling_rate: float | None
    propagation: PropagationConfig


@dataclass(slots=True)
class _Trace:
    """The ids of one exchange; the last try has the id that the target was told."""

    trace_id: bytes
    parent_id: bytes | None
    root_id: bytes
    try_id: bytes
    is_sampled: bool
    resource: Resource


class Handler:
    """Continues traces in access, exports spans in log."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        if not config.traces_endpoint and not config.logs_endpoint:
            fields = "'traces_endpoint', 'logs_endpoint'"
            raise ConfigError("", f"at least one of these fields must be non-empty: {fields}")
        if config.logs_endpoint:
            env.log.warning("opentelemetry: nothing is sent to logs_endpoint")
        self._config = config
        self._env = env
        self._endpoint = _endpoint(config)
        self._propagator = Propagator(
            config.propagation,
            header_type=config.header_type,
            log=env.log,
        )
        rate = _DEFAULT_SAMPLING_RATE if config.sampling_rate is None else config.sampling_rate
        self._sampling_bound = rate * 2**64
        self._parameters = _parameters(config)
        self._attributes = [
            (name, _template(name, text)) for name, text in (config.resource_attributes or {}).items()
        ]
        self._headers = _request_headers(config)
        self._secrets = secret_names(env.identities)
        # With the times, so that a reload that changes them makes a new client.
        times = f"{config.connect_timeout}:{config.send_timeout}:{config.read_timeout}"
        self._client_name = f"{NAME}:{config.traces_endpoint}:{times}"
        self._queue: Queue | None = None

    def access(self, ctx: Context) -> None:
        """Continue the trace that the request belongs to, or begin one."""
        if self._endpoint is None:
            return
        incoming, found = self._propagator.extract(ctx)
        trace = self._begin(incoming, self._resource(ctx))
        ctx.shared[NAME] = trace
        incoming.trace_id = trace.trace_id
        outward = outgoing(incoming, span_id=trace.try_id, parent_id=trace.root_id, sampled=trace.is_sampled)
        self._propagator.inject(ctx, outward, found)

    def header_filter(self, ctx: Context) -> None:
        """Tell the client the trace's id."""
        name = self._config.http_response_header_for_traceid
        trace: _Trace | None = ctx.shared.get(NAME)
        if name and trace is not None:
            ctx.response.headers.set(name, trace.trace_id.hex())

    def log(self, ctx: Context) -> None:
        """Queue the spans of a sampled trace."""
        if self._endpoint is None:
            return
        trace: _Trace = ctx.shared.get(NAME) or self._begin(TraceContext(), self._resource(ctx))
        if not trace.is_sampled:
            return
        if self._queue is None:
            self._queue = self._env.host.queue(f"{NAME}:{self._env.plugin_id}", self._parameters, self.send)
        for span in _spans(ctx, trace, self._secrets):
            self._queue.put((trace.resource, span.encode()))

    async def send(self, entries: Sequence[tuple[Resource, bytes]]) -> None:
        """Export some spans, by resource."""
        spans: dict[Resource, list[bytes]] = {}
        for resource, span in entries:
            spans.setdefault(resource, []).append(span)
        body = b"".join(encode_request(dict(resource), _SCOPE, found) for resource, found in spans.items())
        client = self._env.host.resource(self._client_name, self._make_client)
        answer = await client.send("POST", self._headers, body)
        if answer.status != 200:
            raise ConnectionError(f"collector answered {answer.status}")

    def _make_client(self) -> HttpClient:
        assert self._endpoint is not None
        config = self._config
        timeout_ms = sum(
            5000 if part is None else part
            for part in (config.connect_timeout, config.send_timeout, config.read_timeout)
        )
        return HttpClient(self._endpoint, timeout_s=timeout_ms / 1000, keepalive_s=_KEEPALIVE_S)

    def _begin(self, incoming: TraceContext, resource: Resource) -> _Trace:
        trace_id = incoming.trace_id or os.urandom(16)
        # By the trace's id, so that all nodes decide alike; an incoming yes does not force anything.
        is_chosen = int.from_bytes(trace_id[:8], "little") < self._sampling_bound
        return _Trace(
            trace_id=trace_id,
            parent_id=incoming.span_id or incoming.parent_id,
            root_id=os.urandom(8),
            try_id=os.urandom(8),
            is_sampled=incoming.sampled is not False and is_chosen,
            resource=resource,
        )

    def _resource(self, ctx: Context) -> Resource:
        host = self._env.host
        resource = {
            "service.name": "kong",
            "service.version": host.version,
            "service.instance.id": host.node_id,
        }
        scope = RequestScope(ctx) if self._attributes else {}
        for name, template in self._attributes:
            try:
                resource[name] = template.render(scope)
            except ExpressionError as error:
                self._env.log.warning("resource attribute %s: %s", name, error)
        return tuple(resource.items())


def _spans(ctx: Context, trace: _Trace, secrets: Container[str]) -> Iterator[Span]:
    started_ns = int(ctx.started_at * 1e9)
    query = ctx.raw_query
    path = ctx.raw_path if query is None else f"{ctx.raw_path}?{redacted_query(query, secrets)}"
    route = ctx.route
    attributes: dict[str, Value] = {
        "http.method": ctx.method,
        "http.url": f"{ctx.scheme}://{ctx.host}{path}",
        "http.host": ctx.host,
        "http.scheme": ctx.scheme,
        "http.flavor": ctx.http_version,
        "http.client_ip": ctx.client_ip,
        "net.peer.ip": ctx.peer_ip,
        "kong.request.id": ctx.request_id,
        "http.status_code": ctx.response.status,
        "http.route": route.paths[0] if route is not None and route.paths else "",
    }
    yield Span(
        trace_id=trace.trace_id,
        span_id=trace.root_id,
        parent_id=trace.parent_id,
        name="kong",
        kind=SpanKind.SERVER,
        started_ns=started_ns,
        ended_ns=started_ns + ctx.latency_total_ms * 1_000_000,
        attributes=attributes,
        is_error=ctx.response.status >= 500,
    )
    for number, attempt in enumerate(ctx.tries, start=1):
        yield _try_span(ctx, trace, attempt, number)


def _try_span(ctx: Context, trace: _Trace, attempt: dict[str, Any], number: int) -> Span:
    is_last = number == len(ctx.tries)
    attributes: dict[str, Value] = {
        "try_count": float(number),
        "net.peer.ip": str(attempt.get("ip", "")),
        "net.peer.port": float(attempt.get("port", 0)),
    }
    if ctx.service is not None:
        attributes["net.peer.name"] = ctx.service.host
    is_failed = "state" in attempt
    if is_failed and attempt.get("code") is not None:
        attributes["http.status_code"] = int(attempt["code"])
    started_ns = int(attempt.get("balancer_start_ns", 0))
    return Span(
        trace_id=trace.trace_id,
        span_id=trace.try_id if is_last else os.urandom(8),
        parent_id=trace.root_id,
        name="kong.balancer",
        kind=SpanKind.CLIENT,
        started_ns=started_ns,
        ended_ns=started_ns + int(attempt.get("balancer_latency_ns", 0)),
        attributes=attributes,
        is_error=is_failed,
    )


def _endpoint(config: Config) -> Endpoint | None:
    if not config.traces_endpoint:
        return None
    try:
        return Endpoint.parse(config.traces_endpoint)
    except ValueError as error:
        raise ConfigError("traces_endpoint", str(error)) from None


def _parameters(config: Config) -> dict[str, Any]:
    parameters = queue_parameters(config.queue)
    if config.batch_span_count not in (None, _OLD_BATCH_SPAN_COUNT):
        parameters["max_batch_size"] = config.batch_span_count
    if config.batch_flush_delay not in (None, _OLD_BATCH_FLUSH_DELAY_S):
        parameters["max_coalescing_delay"] = config.batch_flush_delay
    return parameters


def _request_headers(config: Config) -> list[tuple[str, str]]:
    headers = list((config.headers or {}).items())
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/x-protobuf"))
    return headers


def _template(name: str, text: str) -> Template:
    try:
        return Template(text)
    except ExpressionError as error:
        raise ConfigError(f"resource_attributes.{name}", str(error)) from None
