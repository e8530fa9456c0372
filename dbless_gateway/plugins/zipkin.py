"""zipkin: take part in traces and report spans to a Zipkin server.

Kong's behaviour this follows: https://developer.konghq.com/plugins/zipkin/ (3.9).
Differences: the times of phases are those that the gateway measures (routing and access together until the
target is asked, then the target, then the body); the client's port is not reported.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from random import random
from typing import Any

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.http_client import Endpoint, HttpClient
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv, Queue
from dbless_gateway.pdk.propagation import PropagationConfig, Propagator, outgoing
from dbless_gateway.pdk.queue_config import QueueConfig, queue_parameters
from dbless_gateway.pdk.records import dataclass, replace
from dbless_gateway.pdk.tracing import TraceContext

NAME = "zipkin"
PRIORITY = 100000

_KEEPALIVE_S = 60.0
_TAG = re.compile(r"\s*([^\s=]+)\s*=\s*(.*\S)\s*")

Span = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StaticTag:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Config:
    local_service_name: str
    http_endpoint: str | None
    sample_ratio: float | None
    default_service_name: str | None
    include_credential: bool
    traceid_byte_count: int
    header_type: str
    default_header_type: str
    tags_header: str
    static_tags: tuple[StaticTag, ...] | None
    http_span_name: str
    connect_timeout: int | None
    send_timeout: int | None
    read_timeout: int | None
    http_response_header_for_traceid: str | None
    phase_duration_flavor: str
    queue: QueueConfig
    propagation: PropagationConfig


@dataclass(slots=True)
class _Trace:
    """The ids of one exchange."""

    request: TraceContext  # the request span
    proxy_span_id: bytes

    @property
    def trace_id(self) -> str:
        raw = self.request.trace_id or b""
        return raw[-(self.request.trace_id_bytes or 16) :].hex()


class Handler:
    """Continues traces in access, reports spans in log."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._env = env
        self._endpoint = _endpoint(config)
        self._static_tags = {tag.name: tag.value for tag in config.static_tags or ()}
        if len(self._static_tags) != len(config.static_tags or ()):
            names = [tag.name for tag in config.static_tags or ()]
            repeated = next(name for name in names if names.count(name) > 1)
            raise ConfigError("static_tags", f"repeated tags are not allowed: {repeated}")
        self._propagator = Propagator(
            config.propagation,
            header_type=config.header_type,
            legacy_default=config.default_header_type,
            log=env.log,
        )
        self._ratio = 0.001 if config.sample_ratio is None else config.sample_ratio
        # With the times, so that a reload that changes them makes a new client.
        times = f"{config.connect_timeout}:{config.send_timeout}:{config.read_timeout}"
        self._client_name = f"{NAME}:{config.http_endpoint}:{times}"
        self._queue: Queue | None = None

    def access(self, ctx: Context) -> None:
        """Continue the trace that the request belongs to, or begin one."""
        incoming, found = self._propagator.extract(ctx)
        trace = self._begin(incoming)
        ctx.shared[NAME] = trace
        request = trace.request
        outward = outgoing(
            request, span_id=trace.proxy_span_id, parent_id=request.span_id, sampled=request.sampled
        )
        self._propagator.inject(ctx, outward, found)

    def header_filter(self, ctx: Context) -> None:
        """Tell the client the trace's id."""
        name = self._config.http_response_header_for_traceid
        trace: _Trace | None = ctx.shared.get(NAME)
        if name and trace is not None:
            ctx.response.headers.set(name, trace.trace_id)

    def log(self, ctx: Context) -> None:
        """Queue the spans of a sampled trace."""
        if self._endpoint is None:
            return
        trace: _Trace = ctx.shared.get(NAME) or self._begin(TraceContext())
        if not trace.request.sampled:
            return
        if self._queue is None:
            parameters = queue_parameters(self._config.queue)
            self._queue = self._env.host.queue(f"{NAME}:{self._env.plugin_id}", parameters, self.send)
        for span in self._spans(ctx, trace):
            self._queue.put(json.dumps(span, separators=(",", ":")))

    async def send(self, spans: Sequence[str]) -> None:
        """Report some spans."""
        client = self._env.host.resource(self._client_name, self._make_client)
        body = f"[{','.join(spans)}]".encode()
        answer = await client.send("POST", [("content-type", "application/json")], body)
        if not 200 <= answer.status < 300:
            raise ConnectionError(f"zipkin server answered {answer.status}")

    def _make_client(self) -> HttpClient:
        assert self._endpoint is not None
        config = self._config
        timeout_ms = sum(
            2000 if part is None else part
            for part in (config.connect_timeout, config.send_timeout, config.read_timeout)
        )
        return HttpClient(self._endpoint, timeout_s=timeout_ms / 1000, keepalive_s=_KEEPALIVE_S)

    def _begin(self, incoming: TraceContext) -> _Trace:
        request = replace(incoming)
        if request.trace_id is None:
            size = self._config.traceid_byte_count
            request.trace_id = os.urandom(size).rjust(16, b"\0")
            request.trace_id_bytes = size
        if not (incoming.is_shared_span and incoming.span_id is not None):
            request.parent_id = incoming.span_id or incoming.parent_id
            request.span_id = os.urandom(8)
        if request.sampled is None:
            request.sampled = random() < self._ratio
        return _Trace(request, os.urandom(8))

    def _spans(self, ctx: Context, trace: _Trace) -> Iterator[Span]:
        """Yield the spans in Kong's order: tries, then the proxy's, then the request's."""
        name = ctx.method if self._config.http_span_name == "method" else f"{ctx.method} {ctx.path}"
        request_id = (trace.request.span_id or b"").hex()
        common = {
            "traceId": trace.trace_id,
            "localEndpoint": {"serviceName": self._config.local_service_name},
        }
        for number, attempt in enumerate(ctx.tries, start=1):
            yield common | self._try_span(ctx, attempt, number, name, request_id)
        yield common | self._proxy_span(ctx, trace, name, request_id)
        yield common | self._request_span(ctx, trace, name, request_id)

    def _try_span(self, ctx: Context, attempt: dict[str, Any], number: int, name: str, parent: str) -> Span:
        tags = {"kong.balancer.try": str(number), **_target_tags(ctx)}
        if number < len(ctx.tries):
            tags |= {"error": "true", "kong.balancer.state": str(attempt.get("state", ""))}
            tags["http.status_code"] = str(attempt.get("code", ""))
        start_us = int(attempt.get("balancer_start_ns", 0)) // 1000
        duration_us = max(1, int(attempt.get("balancer_latency_ns", 0)) // 1000)
        return {
            "id": os.urandom(8).hex(),
            "parentId": parent,
            "name": f"{name} (balancer try {number})",
            "kind": "CLIENT",
            "timestamp": start_us,
            "duration": duration_us,
            "remoteEndpoint": self._remote(ctx, attempt),
            "tags": _without_empty(tags),
        }

    def _proxy_span(self, ctx: Context, trace: _Trace, name: str, parent: str) -> Span:
        start_us, kong_us, target_us, end_us = _moments(ctx)
        tags = _target_tags(ctx)
        span: Span = {
            "id": trace.proxy_span_id.hex(),
            "parentId": parent,
            "name": f"{name} (proxy)",
            "kind": "CLIENT",
            "timestamp": start_us,
            "duration": max(1, end_us - start_us),
            "tags": tags,
        }
        if ctx.service is not None:
            tags["peer.hostname"] = ctx.service.host
        if ctx.tries:
            span["remoteEndpoint"] = self._remote(ctx, ctx.tries[-1])
        phases = {
            "access": ("ka", start_us, kong_us),
            "header_filter": ("kh", target_us, target_us),
            "body_filter": ("kb", target_us, end_us),
        }
        self._add_phases(span, phases)
        return span

    def _request_span(self, ctx: Context, trace: _Trace, name: str, request_id: str) -> Span:
        start_us, _, _, end_us = _moments(ctx)
        tags = {
            "lc": "kong",
            "http.method": ctx.method,
            "http.host": ctx.host,
            "http.path": ctx.path,
            "http.protocol": f"HTTP/{ctx.http_version}",
            "http.status_code": str(ctx.response.status),
            "kong.node.id": self._env.host.node_id,
            **self._static_tags,
            **self._header_tags(ctx),
        }
        if ctx.consumer is not None:
            tags["kong.consumer"] = ctx.consumer.id
        if self._config.include_credential and ctx.credential is not None:
            tags["kong.credential"] = ctx.credential.id
        span: Span = {
            "id": request_id,
            "name": name,
            "kind": "SERVER",
            "timestamp": start_us,
            "duration": max(1, end_us - start_us),
            "remoteEndpoint": _address(ctx.client_ip),
            "tags": _without_empty(tags),
        }
        if trace.request.parent_id is not None:
            span["parentId"] = trace.request.parent_id.hex()
        self._add_phases(span, {"rewrite": ("kr", start_us, start_us)})
        return span

    def _add_phases(self, span: Span, phases: dict[str, tuple[str, int, int]]) -> None:
        if self._config.phase_duration_flavor == "tags":
            for phase, (_, start_us, end_us) in phases.items():
                span["tags"][f"kong.{phase}.duration_ms"] = f"{(end_us - start_us) / 1000:g}"
            return
        span["annotations"] = [
            {"value": prefix + ending, "timestamp": moment_us}
            for prefix, start_us, end_us in phases.values()
            for ending, moment_us in (("s", start_us), ("f", end_us))
        ]

    def _header_tags(self, ctx: Context) -> dict[str, str]:
        tags = {}
        for line in ctx.headers.get_all(self._config.tags_header):
            for item in filter(None, (part.strip() for part in line.split(";"))):
                found = _TAG.fullmatch(item)
                if found is None:
                    self._env.log.warning("Could not parse the following Zipkin tags: %s", item)
                else:
                    tags[found[1]] = found[2]
        return tags

    def _remote(self, ctx: Context, attempt: dict[str, Any]) -> dict[str, Any]:
        endpoint = _address(str(attempt.get("ip", "")))
        if "port" in attempt:
            endpoint["port"] = attempt["port"]
        service = ctx.service
        name = (service.name or service.host) if service is not None else self._config.default_service_name
        return endpoint | ({"serviceName": name} if name else {})


def _moments(ctx: Context) -> tuple[int, int, int, int]:
    """Return when the request began, the target was asked, it answered, and all was sent, in microseconds."""
    start_us = int(ctx.started_at * 1_000_000)
    end_us = start_us + ctx.latency_total_ms * 1000
    kong_us = min(end_us, start_us + ctx.latency_kong_ms * 1000)
    return start_us, kong_us, min(end_us, kong_us + max(ctx.latency_upstream_ms, 0) * 1000), end_us


def _target_tags(ctx: Context) -> dict[str, str]:
    tags: dict[str, str] = {}
    if ctx.route is not None:
        tags["kong.route"] = ctx.route.id
        tags["kong.route_name"] = ctx.route.name or ""
    if ctx.service is not None:
        tags["kong.service"] = ctx.service.id
        tags["kong.service_name"] = ctx.service.name or ""
    return _without_empty(tags)


def _without_empty(tags: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if value}


def _address(text: str) -> dict[str, Any]:
    try:
        return {"ipv4" if ip_address(text).version == 4 else "ipv6": text}
    except ValueError:
        return {}


def _endpoint(config: Config) -> Endpoint | None:
    if not config.http_endpoint:
        return None
    try:
        return Endpoint.parse(config.http_endpoint)
    except ValueError as error:
        raise ConfigError("http_endpoint", str(error)) from None
