"""What tests of plugins need: one exchange and one host, without a gateway and without a network.

``FakeContext`` keeps headers, query and replies as the gateway does, and every value of it may be set.
``FakeHost`` is a node whose clock only a test moves; its counters and cache are real but private, its queues
only collect. ``make_handler`` makes a handler of a plugin module as the gateway would: the config is judged
by the schema of the plugin's ``Config``, and defaults are filled in.

    handler = make_handler(my_plugin, {"text": "hello"})
    ctx = FakeContext("GET", "/orders?page=2", headers=[("X-Key", "secret")])
    assert handler.access(ctx) is None
    assert ctx.response_headers == {"X-Hello": "hello"}
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from dbless_gateway.config.entities import Consumer, Credential, Route, Service
from dbless_gateway.config.schemas import Record
from dbless_gateway.config.validate import Validator
from dbless_gateway.pdk.config import build_config
from dbless_gateway.pdk.context import Captures, Context, TlsSession
from dbless_gateway.pdk.identity import Identities, credential_identifier
from dbless_gateway.pdk.memory import MemoryCache, MemoryCounters
from dbless_gateway.pdk.plugin import Host, PluginEnv
from dbless_gateway.pdk.query import parse_query
from dbless_gateway.pdk.record_text import RecordWriter
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.schema import config_schema

T = TypeVar("T")

START = 1_700_000_000.25  # 2023-11-14 22:13:20 UTC


def _same(left: str, right: str) -> bool:
    return left.lower().replace("-", "_") == right.lower().replace("-", "_")


class FakeHeaders:
    """A list of header lines, as ``HeaderEditor`` describes it."""

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self.lines = list(lines)

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.lines if _same(key, name)), None)

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.lines if _same(key, name)]

    def items(self) -> list[tuple[str, str]]:
        return list(self.lines)

    def block(self) -> bytes:
        return "".join(f"\r\n{name}: {value}" for name, value in self.lines).encode("latin-1", "replace")

    def set(self, name: str, value: str) -> None:
        self.remove(name)
        self.lines.append((name, value))

    def add(self, name: str, value: str) -> None:
        self.lines.append((name, value))

    def remove(self, name: str) -> None:
        self.lines = [line for line in self.lines if not _same(line[0], name)]


@dataclass
class FakeUpstream:
    headers: FakeHeaders
    method: str
    path: str
    query: str | None
    host: str | None = None
    body: bytes | None = None
    target: tuple[str, int] | None = None

    def set_target(self, host: str, port: int) -> None:
        self.target = (host, port)


@dataclass
class FakeResponse:
    status: int
    headers: FakeHeaders
    body: bytes | None = b""


@dataclass
class FakeTls:
    version: str = "TLSv1.3"
    cipher: str = "TLS_AES_256_GCM_SHA384"
    client_verify: str = "NONE"


@dataclass
class FakeCaptures:
    unnamed: tuple[str | None, ...]
    named: dict[str, str | None]


class FakeContext:
    """One exchange whose every value a test may set; ``respond`` starts the response side."""

    def __init__(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        client_ip: str = "127.0.0.1",
        route: Route | None = None,
        service: Service | None = None,
    ) -> None:
        path, mark, query = target.partition("?")
        self.method = method
        self.scheme = "http"
        self.host = "gateway.test"
        self.port = 8000
        self.path = path
        self.raw_path = path
        self.raw_query: str | None = query if mark else None
        self.http_version = "1.1"
        self.client_ip = client_ip
        self.peer_ip = client_ip
        self.server_ip = "127.0.0.1"
        self.connection_serial = 7
        self.connection_requests = 1
        self.tls: TlsSession | None = None
        self.forwarded_scheme = "http"
        self.forwarded_host = self.host
        self.forwarded_port = 8000
        self.request_id = "0123456789abcdef0123456789abcdef"
        self.started_at = START
        self.headers = FakeHeaders(headers)
        self.request_body: bytes | None = body
        self.route = route
        self.service = service
        self.captures: Captures | None = None
        others = [line for line in headers if line[0].lower() != "host"]
        self.upstream = FakeUpstream(FakeHeaders(others), method, path, self.raw_query)
        self.consumer: Consumer | None = None
        self.credential: Credential | None = None
        self.response_headers: dict[str, str] = {}
        self.added_headers: list[tuple[str, str]] = []
        self.body_limit: tuple[int, Reply] | None = None
        self.shared: dict[str, Any] = {}
        self.source = "upstream"
        self.upstream_status: int | None = None
        self.upstream_uri = target
        self.request_size = 100
        self.response_size = 200
        self.latency_total_ms = 12
        self.latency_kong_ms = 2
        self.latency_upstream_ms = 8
        self.latency_receive_ms = 1
        self.tries: list[dict[str, Any]] = []
        self._response: FakeResponse | None = None

    def query_args(self) -> dict[str, list[str | bool]]:
        args: dict[str, list[str | bool]] = {}
        for name, value in parse_query(self.raw_query or ""):
            args.setdefault(name, []).append(value)
        return args

    def authenticate(self, consumer: Consumer | None, credential: Credential | None) -> None:
        self.consumer, self.credential = consumer, credential
        identity = {
            "X-Consumer-ID": consumer and consumer.id,
            "X-Consumer-Custom-ID": consumer and consumer.custom_id,
            "X-Consumer-Username": consumer and consumer.username,
            "X-Credential-Identifier": credential and credential_identifier(credential),
            "X-Anonymous-Consumer": None if credential else "true",
        }
        for name, value in identity.items():
            self.upstream.headers.remove(name)
            if value:
                self.upstream.headers.set(name, value)

    def set_response_header(self, name: str, value: str) -> None:
        self.response_headers[name] = value

    def set_response_headers(self, names: tuple[str, ...], values: tuple[str, ...]) -> None:
        self.response_headers.update(zip(names, values, strict=True))

    def add_response_header(self, name: str, value: str) -> None:
        self.added_headers.append((name, value))

    def limit_request_body(self, limit_bytes: int, reply: Reply) -> None:
        self.body_limit = (limit_bytes, reply)

    @property
    def response(self) -> FakeResponse:
        assert self._response is not None, "there is no response before header_filter"
        return self._response

    @property
    def response_body(self) -> bytes | None:
        return self.response.body

    def set_response_body(self, body: bytes) -> None:
        self.response.body = body

    def respond(
        self, status: int = 200, headers: Iterable[tuple[str, str]] = (), body: bytes | None = b""
    ) -> FakeResponse:
        """Start the response as the exchange does: headers set in access come first.

        ``body`` is what the phase response sees; None stands for one that is too large.
        """
        self._response = FakeResponse(status, FakeHeaders(headers), body)
        self.upstream_status = status
        for name, value in self.response_headers.items():
            self._response.headers.set(name, value)
        for name, value in self.added_headers:
            self._response.headers.add(name, value)
        return self._response

    def record(self, writer: RecordWriter) -> str:
        response = self.response
        return writer.record(
            request_id=self.request_id,
            method=self.method,
            scheme=self.scheme,
            host=self.host,
            port=self.port,
            path=self.raw_path,
            query=self.raw_query,
            request_headers=self.headers.block(),
            request_size=self.request_size,
            tls=self.tls,
            upstream_uri=self.upstream_uri,
            upstream_status=self.upstream_status,
            status=response.status,
            response_headers=response.headers.block(),
            response_size=self.response_size,
            total_ms=self.latency_total_ms,
            kong_ms=self.latency_kong_ms,
            upstream_ms=self.latency_upstream_ms,
            receive_ms=self.latency_receive_ms,
            client_ip=self.client_ip,
            started_at=self.started_at,
            source=self.source,
            route=self.route,
            service=self.service,
            consumer=self.consumer,
            credential=self.credential,
            tries=self.tries,
        )

    def respond_with(self, reply: Reply) -> FakeResponse:
        """Start the response that a plugin's reply makes."""
        response = self.respond(reply.status, reply.headers)
        self.source = "upstream" if reply.proxied else "kong"
        self.upstream_status = None
        return response


def as_context(ctx: FakeContext) -> Context:
    """Prove to mypy that the fake satisfies the protocol."""
    return ctx


class FakeMetrics:
    """Counts by name and labels; of a histogram, the values."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}

    def counter(self, name: str, labels: Sequence[tuple[str, str]]) -> Callable[[int], None]:
        return self.counts.setdefault((name, tuple(labels)), []).append

    def histogram(self, name: str, labels: Sequence[tuple[str, str]]) -> Callable[[int], None]:
        return self.counter(name, labels)


@dataclass
class FakeQueue:
    """A queue that only collects, with what it was made with."""

    name: str
    parameters: dict[str, Any]
    send: Callable[[Sequence[Any]], Awaitable[None]]
    entries: list[Any] = field(default_factory=list)

    def put(self, entry: Any) -> None:
        self.entries.append(entry)


class FakeHost:
    """A node with a clock that only a test moves."""

    def __init__(self) -> None:
        self.node_id = "11111111-2222-4333-8444-555555555555"
        self.version = "3.9.1"
        self.trusted_file: str | None = None
        self.clock = START
        self.counters = MemoryCounters(self.now)
        self.cache = MemoryCache(self.now)
        self.metrics = FakeMetrics()
        self.queues: dict[str, FakeQueue] = {}
        self.resources: dict[str, Any] = {}

    def now(self) -> float:
        return self.clock

    def secret(self, purpose: str) -> bytes:
        return sha256(purpose.encode()).digest()

    def resource(self, name: str, make: Callable[[], T]) -> T:
        if name not in self.resources:
            self.resources[name] = make()
        made: T = self.resources[name]
        return made

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> FakeQueue:
        return self.queues.setdefault(name, FakeQueue(name, parameters, send))


def as_host(host: FakeHost) -> Host:
    """Prove to mypy that the fake satisfies the protocol."""
    return host


def make_env(
    host: Host | None = None,
    *,
    consumers: Iterable[Consumer] = (),
    credentials: Iterable[Credential] = (),
    service_id: str | None = None,
    route_id: str | None = None,
    consumer_id: str | None = None,
) -> PluginEnv:
    """Return the environment of one plugin instance."""
    return PluginEnv(
        plugin_id="99999999-aaaa-4bbb-8ccc-dddddddddddd",
        instance_name=None,
        service_id=service_id,
        route_id=route_id,
        consumer_id=consumer_id,
        identities=Identities(consumers, credentials),
        host=host or FakeHost(),
        plugin_name="tests",
    )


def make_handler(plugin: Any, config: dict[str, Any], env: PluginEnv | None = None) -> Any:
    """Return a handler of a plugin module; a config that kong.yaml could not have is a ``ValueError``."""
    schema = config_schema(plugin.Config)
    findings = Validator(schema).findings(config)
    if findings:
        raise ValueError("; ".join(f"{'.'.join(map(str, f.path))}: {f.message}" for f in findings))
    # As it would come out of a file.
    values = Record(schema).fill(json.loads(json.dumps(config)), keep_null=True)
    return plugin.Handler(build_config(plugin.Config, values), env or make_env())
