"""http-log: send records as JSON to an HTTP server, in batches and with retries.

Kong's behaviour this follows: https://developer.konghq.com/plugins/http-log/ (3.9).
Differences: of ``custom_fields_by_lua`` only ``return <expression>`` is supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.http_client import Endpoint, HttpClient
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.queue_config import QueueConfig, queue_parameters
from dbless_gateway.pdk.record_queue import RecordQueue
from dbless_gateway.pdk.records import dataclass

NAME = "http-log"
PRIORITY = 12


@dataclass(frozen=True, slots=True)
class Config:
    http_endpoint: str
    method: str | None
    content_type: str | None
    timeout: float | None
    keepalive: float | None
    retry_count: int | None
    queue_size: int | None
    flush_timeout: float | None
    headers: dict[str, str] | None
    queue: QueueConfig
    custom_fields_by_lua: dict[str, str] | None


class Handler:
    """Queues records; instances with the same endpoint share a queue."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._env = env
        self._endpoint = _endpoint(config)
        self._method = config.method or "POST"
        content_type = config.content_type or "application/json"
        self._headers = [("Content-Type", content_type), *(config.headers or {}).items()]
        self._parameters = queue_parameters(config.queue, config.queue_size, config.flush_timeout)
        identity = (config.http_endpoint, self._method, content_type, config.timeout, config.keepalive)
        # Names of queues are logged, and the URL may contain a password.
        digest = blake2b(repr((*identity, config.retry_count)).encode(), digest_size=8).hexdigest()
        self._name = f"{NAME}:{self._endpoint.host_header}:{digest}"
        custom_fields = config.custom_fields_by_lua
        self._records = RecordQueue(env, self._name, self._parameters, custom_fields, self.send)

    def log(self, ctx: Context) -> None:
        """Queue the record."""
        self._records.put(ctx)

    async def send(self, records: Sequence[bytes]) -> None:
        """Send a batch: an object when batches are of one, else an array."""
        is_single = self._parameters["max_batch_size"] in (None, 1)
        body = records[0] if is_single else b"[" + b",".join(records) + b"]"
        client = self._env.host.resource(self._name, self._make_client)
        place = f"{self._endpoint.host}:{self._endpoint.port}"
        try:
            answer = await client.send(self._method, self._headers, body)
        except (OSError, EOFError) as error:
            reason = "timeout" if isinstance(error, TimeoutError) else error
            raise ConnectionError(f"failed request to {place}: {reason}") from None
        if answer.status >= 300:
            text = answer.body.decode("utf-8", "replace")
            raise ConnectionError(f"request to {place} returned status code {answer.status} and body {text}")

    def _make_client(self) -> HttpClient:
        timeout_ms = 10_000 if self._config.timeout is None else self._config.timeout
        keepalive_ms = 60_000 if self._config.keepalive is None else self._config.keepalive
        return HttpClient(self._endpoint, timeout_s=timeout_ms / 1000, keepalive_s=keepalive_ms / 1000)


def _endpoint(config: Config) -> Endpoint:
    try:
        endpoint = Endpoint.parse(config.http_endpoint)
    except ValueError as error:
        raise ConfigError("http_endpoint", str(error)) from None
    names = {name.lower() for name in config.headers or ()}
    if endpoint.authorization is not None and "authorization" in names:
        raise ConfigError(
            "",
            "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed",
        )
    return endpoint
