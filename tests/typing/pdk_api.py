"""A plugin as a user would write it, which touches everything that the kit promises.

Never run: ``make check`` holds that ``mypy --strict`` accepts it, so a change here is a change for users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from dbless_gateway.pdk.context import (
    Consumer,
    Context,
    Credential,
    HeaderEditor,
    Response,
    Route,
    Service,
    UpstreamRequest,
)
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.pdk.plugin import Cache, ConfigError, Counters, Host, PluginEnv, Queue
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.schema import Field, config_schema
from dbless_gateway.pdk.testing import FakeContext, FakeHost, make_env, make_handler

NAME = "everything"
PRIORITY = 900


@dataclass(frozen=True, slots=True)
class Sink:
    url: Annotated[str, Field("Where records go.")]
    token: Annotated[str | None, Field("A secret.", secret=True)] = None


@dataclass(frozen=True, slots=True)
class Config:
    sink: Sink
    mode: Literal["strict", "lenient"] = "strict"
    limit: Annotated[int, Field("Requests in a minute.", at_least=1, at_most=1000)] = 10
    share: float = 0.5
    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=5)] = ("a",)
    labels: dict[str, str] = field(default_factory=dict)


class Handler:
    needs_request_body = True
    changes_body = False

    def __init__(self, config: Config, env: PluginEnv) -> None:
        if config.mode == "lenient" and config.sink.token is None:
            raise ConfigError("sink.token", "is required with mode lenient")
        self._config = config
        self._host: Host = env.host
        self._plugin_id: str = env.plugin_id
        self._log = env.log
        self._identities: Identities = env.identities

    def rewrite(self, ctx: Context) -> None:
        upstream: UpstreamRequest = ctx.upstream
        upstream.headers.set("X-Seen", ctx.request_id)

    async def access(self, ctx: Context) -> Reply | None:
        counters: Counters = self._host.counters
        cache: Cache = self._host.cache
        key: str = ctx.consumer.id if ctx.consumer is not None else ctx.client_ip
        before: int = counters.increment(key, 1, self._config.limit, self._host.now() + 60)
        if before >= self._config.limit:
            return Reply(429, b"too many", (("Content-Type", "text/plain"),))
        cached: bytes | None = cache.get(ctx.path.encode())
        if cached is not None:
            return Reply(200, cached, proxied=True)
        arguments: dict[str, list[str | bool]] = ctx.query_args()
        ctx.shared["arguments"] = arguments
        route: Route | None = ctx.route
        service: Service | None = ctx.service
        consumer: Consumer | None = self._identities.consumer_by_id_or_username("nobody")
        credentials: list[Credential] = self._identities.credentials("keyauth_credentials")
        if route is not None and service is not None:
            ctx.authenticate(consumer, credentials[0])
        ctx.upstream.set_target("127.0.0.1", 8080)
        return None

    def header_filter(self, ctx: Context) -> None:
        response: Response = ctx.response
        headers: HeaderEditor = response.headers
        headers.add("X-Route", ctx.route.name or "" if ctx.route is not None else "")

    def body_filter(self, ctx: Context, chunk: bytes, last: bool) -> bytes | None:
        return chunk.upper() if not last else None

    def log(self, ctx: Context) -> None:
        queue: Queue = self._host.queue(self._plugin_id, {"max_batch_size": 10}, self._send)
        queue.put({"status": ctx.response.status, "tries": ctx.tries, "ms": ctx.latency_total_ms})

    async def _send(self, entries: Sequence[Any]) -> None:
        self._log.info("%d records to %s", len(entries), self._config.sink.url)


class Holding:
    """Another handler: a response is either held back or streams."""

    async def response(self, ctx: Context) -> Reply | None:
        body: bytes | None = ctx.response_body
        if body is None:
            return Reply(502, b"too large")
        ctx.set_response_body(body.upper())
        ctx.response.status = 200
        ctx.response.headers.remove("Content-Encoding")
        return None


def use_of_the_testing_kit() -> None:
    schema: dict[str, Any] = config_schema(Config)
    host = FakeHost()
    handler: Handler = make_handler(schema, {"sink": {"url": "http://x"}}, make_env(host))
    ctx = FakeContext("POST", "/", headers=[("A", "b")], body=b"{}", client_ip="10.0.0.1")
    handler.rewrite(ctx)
    handler.header_filter(ctx)
    host.clock += 60
