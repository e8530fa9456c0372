"""statsd: send counts and times of each request to a StatsD server.

Kong's behaviour this follows: https://developer.konghq.com/plugins/statsd/ (3.9).
Differences: ``shdict_usage`` is accepted but never sent, because there are no Lua dictionaries.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv, Queue
from dbless_gateway.pdk.queue_config import QueueConfig, queue_parameters
from dbless_gateway.pdk.record import WORKSPACE_ID, WORKSPACE_NAME
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.senders import TcpSender, UdpSender

NAME = "statsd"
PRIORITY = 11

_TIMEOUT_S = 10.0
_KEEPALIVE_S = 60.0

_TYPES = {"gauge": "g", "counter": "c", "timer": "ms", "histogram": "h", "meter": "m", "set": "s"}

# Their names contain a user or a status, for which tags have another place.
_NOT_WITH_TAGS = frozenset(
    {
        "unique_users",
        "request_per_user",
        "status_count",
        "status_count_per_user",
        "status_count_per_workspace",
        "status_count_per_user_per_route",
        "shdict_usage",
    }
)

_TAG_FORMATS: dict[str, tuple[str, str]] = {
    # style -> how a tag is written, and where all of them go.
    "dogstatsd": ("{}:{}", "{name}:{value}|#{tags}"),
    "influxdb": ("{}={}", "{name},{tags}:{value}"),
    "librato": ("{}={}", "{name}#{tags}:{value}"),
    "signalfx": ("{}={}", "{name}[{tags}]:{value}"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    stat_type: str
    sample_rate: float | None
    consumer_identifier: str | None
    service_identifier: str | None
    workspace_identifier: str | None


@dataclass(frozen=True, slots=True)
class Config:
    host: str | None
    port: int | None
    prefix: str | None
    metrics: tuple[Metric, ...] | None
    allow_status_codes: tuple[str, ...] | None
    udp_packet_size: float | None
    use_tcp: bool | None
    hostname_in_prefix: bool | None
    consumer_identifier_default: str
    service_identifier_default: str
    workspace_identifier_default: str
    retry_count: int | None
    queue_size: int | None
    flush_timeout: float | None
    tag_style: str | None
    queue: QueueConfig


class Handler:
    """Writes the lines of a request at once, and sends them in the background."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._env = env
        self._hostname = socket.gethostname().replace(".", "_")
        self._prefix = config.prefix or "kong"
        if config.hostname_in_prefix and config.tag_style is None:
            self._prefix += f".node.{self._hostname}"
        self._metrics = config.metrics or ()
        self._ranges = [_status_range(text) for text in config.allow_status_codes or ()]
        self._parameters = queue_parameters(config.queue, config.queue_size, config.flush_timeout)
        transport = "tcp" if config.use_tcp else "udp"
        self._receiver = f"{NAME}:{transport}:{config.host}:{config.port}"
        self._queue: Queue | None = None

    def log(self, ctx: Context) -> None:
        """Queue the request's lines."""
        status = ctx.response.status
        if self._ranges and not any(first <= status <= last for first, last in self._ranges):
            return
        style = self._config.tag_style
        lines = list(self._plain_lines(ctx) if style is None else self._tagged_lines(ctx, style))
        if not lines:
            return
        if self._queue is None:
            name = f"{self._receiver}:{self._env.plugin_id}"
            self._queue = self._env.host.queue(name, self._parameters, self.send)
        self._queue.put(lines)

    async def send(self, entries: Sequence[list[str]]) -> None:
        """Send the lines of some requests."""
        lines = [line.encode() for entry in entries for line in entry]
        if self._config.use_tcp:
            tcp = self._env.host.resource(self._receiver, self._make_tcp_sender)
            await tcp.send(b"".join(line + b"\n" for line in lines))
        else:
            udp = self._env.host.resource(self._receiver, self._make_udp_sender)
            size_bytes = int(self._config.udp_packet_size or 0)
            too_large = sum(len(line) > size_bytes for line in lines) if size_bytes else 0
            if too_large:
                self._env.log.warning(
                    "statsd: %d metrics are larger than udp_packet_size and sent alone", too_large
                )
            await udp.send(list(_packets(lines, size_bytes)))

    def _make_tcp_sender(self) -> TcpSender:
        host, port = self._config.host or "localhost", self._config.port or 8125
        return TcpSender(host, port, timeout_s=_TIMEOUT_S, keepalive_s=_KEEPALIVE_S)

    def _make_udp_sender(self) -> UdpSender:
        return UdpSender(self._config.host or "localhost", self._config.port or 8125, _TIMEOUT_S)

    def _plain_lines(self, ctx: Context) -> Iterator[str]:
        for metric in self._metrics:
            value = _value(ctx, metric.name)
            path = self._path(ctx, metric)
            if metric.name == "unique_users":
                value = self._consumer(ctx, metric)
            if value is not None and path is not None:
                yield f"{self._prefix}.{path}:{value}|{_TYPES[metric.stat_type]}{_rate(metric)}"

    def _tagged_lines(self, ctx: Context, style: str) -> Iterator[str]:
        tag_format, line_format = _TAG_FORMATS[style]
        for metric in self._metrics:
            value = _value(ctx, metric.name)
            if metric.name in _NOT_WITH_TAGS or value is None:
                continue
            name = f"{self._prefix}.{_PATHS[metric.name]}"
            typed = f"{value}|{_TYPES[metric.stat_type]}{_rate(metric)}"
            tags = ",".join(tag_format.format(*tag) for tag in self._tags(ctx, metric))
            yield line_format.format(name=name, value=typed, tags=tags) if tags else f"{name}:{typed}"

    def _tags(self, ctx: Context, metric: Metric) -> Iterator[tuple[str, str]]:
        if ctx.service is None:
            return
        yield "service", self._service(ctx, metric)
        if ctx.route is not None:
            yield "route", ctx.route.name or ctx.route.id
        yield "workspace", self._workspace(metric)
        consumer = self._consumer(ctx, metric)
        if consumer is not None:
            yield "consumer", consumer
        yield "node", self._hostname
        yield "status", str(ctx.response.status)

    def _path(self, ctx: Context, metric: Metric) -> str | None:
        """Return the name of a metric without prefix, or None when this request has no such metric."""
        name, status = metric.name, ctx.response.status
        scope = f"service.{self._service(ctx, metric)}" if ctx.service is not None else "global.unmatched"
        consumer = self._consumer(ctx, metric)
        if name == "status_count":
            return f"{scope}.status.{status}"
        if name == "status_count_per_workspace":
            return f"{scope}.workspace.{self._workspace(metric)}.status.{status}"
        if name in _PATHS:
            return f"{scope}.{_PATHS[name]}"
        if consumer is None:
            return None
        if name == "unique_users":
            return f"{scope}.user.uniques"
        if name == "request_per_user":
            return f"{scope}.user.{consumer}.request.count"
        if name == "status_count_per_user":
            return f"{scope}.user.{consumer}.status.{status}"
        route_id = ctx.route.id if ctx.route is not None else ""
        return f"route.{route_id}.user.{consumer}.status.{status}" if route_id else None

    def _service(self, ctx: Context, metric: Metric) -> str:
        service = ctx.service
        kind = metric.service_identifier or self._config.service_identifier_default
        choices: dict[str, Callable[[Any], str | None]] = {
            "service_id": lambda found: found.id,
            "service_name": lambda found: found.name,
            "service_host": lambda found: found.host,
            "service_name_or_host": lambda found: found.name or found.host,
        }
        return (choices[kind](service) or "unnamed").replace(".", "_")

    def _consumer(self, ctx: Context, metric: Metric) -> str | None:
        consumer = ctx.consumer
        if consumer is None:
            return None
        kind = metric.consumer_identifier or self._config.consumer_identifier_default
        names = {"consumer_id": consumer.id, "custom_id": consumer.custom_id, "username": consumer.username}
        return names[kind] or None

    def _workspace(self, metric: Metric) -> str:
        kind = metric.workspace_identifier or self._config.workspace_identifier_default
        return WORKSPACE_ID if kind == "workspace_id" else WORKSPACE_NAME


_PATHS = {
    "request_count": "request.count",
    "request_size": "request.size",
    "response_size": "response.size",
    "latency": "latency",
    "upstream_latency": "upstream_latency",
    "kong_latency": "kong_latency",
}


def _value(ctx: Context, name: str) -> int | str | None:
    if name == "request_size":
        return ctx.request_size
    if name == "response_size":
        return ctx.response_size
    if name == "latency":
        return ctx.latency_total_ms
    if name == "kong_latency":
        return ctx.latency_kong_ms
    if name == "upstream_latency":
        return ctx.latency_upstream_ms if ctx.latency_upstream_ms >= 0 else None
    return None if name == "shdict_usage" else 1


def _rate(metric: Metric) -> str:
    if metric.sample_rate is None or metric.sample_rate == 1:
        return ""
    return f"|@{metric.sample_rate:.14g}"


def _status_range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last)


def _packets(lines: Sequence[bytes], size_bytes: int) -> Iterator[bytes]:
    """Join lines up to the size of a packet; 0 is one packet per line."""
    waiting: list[bytes] = []
    length = 0
    for line in lines:
        if waiting and length + 1 + len(line) > size_bytes:
            yield b"\n".join(waiting)
            waiting, length = [], 0
        length += len(line) + (1 if waiting else 0)
        waiting.append(line)
    if waiting:
        yield b"\n".join(waiting)
