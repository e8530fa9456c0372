"""request-termination: answer every request with a fixed response instead of asking the target.

Kong's behaviour this follows: https://developer.konghq.com/plugins/request-termination/ (3.9).
Differences: none known.
"""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from typing import Any

from dbless_gateway.pdk.body import parse_body
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import exit_empty, exit_json, is_grpc
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "request-termination"
PRIORITY = 2

_MESSAGES = {
    401: "Unauthorized",
    404: "Not found",
    405: "Method not allowed",
    500: "An unexpected error occurred",
    502: "Bad Gateway",
    503: "Service unavailable",
}


# Fields of a route and a service that name another entity.
_REFERENCES = frozenset({"service", "client_certificate"})


@dataclass(frozen=True, slots=True)
class Config:
    status_code: int
    message: str | None
    content_type: str | None
    body: str | None
    echo: bool
    trigger: str | None


class Handler:
    """Answers with a body, a message, or a description of the request."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        _check(config)
        self.needs_request_body = config.echo
        self._config = config
        self._node_id = env.host.node_id
        self._message = config.message or _MESSAGES.get(config.status_code)
        self._body = config.body.encode() if config.body else b""
        self._body_headers = (("Content-Type", config.content_type),) if config.content_type else ()

    def access(self, ctx: Context) -> Reply | None:
        """End the request, when it is triggered or always."""
        config = self._config
        if config.trigger and not _is_triggered(ctx, config.trigger):
            return None
        grpc = is_grpc(ctx.headers.get("content-type"))
        if config.echo:
            return exit_json(config.status_code, self._describe(ctx), grpc=grpc)
        if self._body and grpc:
            return exit_json(config.status_code, {"message": config.body}, grpc=True)
        if self._body:
            return Reply(config.status_code, self._body, self._body_headers)
        if self._message is None:
            return exit_empty(ctx, config.status_code)
        return exit_json(config.status_code, {"message": self._message}, grpc=grpc)

    def _describe(self, ctx: Context) -> dict[str, Any]:
        described = {
            "message": self._message,
            "kong": {"node_id": self._node_id, "worker_pid": os.getpid(), "hostname": socket.gethostname()},
            "request": _describe_request(ctx),
            "matched_route": _entity(ctx.route),
            "matched_service": _entity(ctx.service),
        }
        return {name: value for name, value in described.items() if value is not None}


def _describe_request(ctx: Context) -> dict[str, Any]:
    body = ctx.request_body or b""
    captures = ctx.captures
    described = {
        "scheme": ctx.scheme,
        "host": ctx.host,
        "port": ctx.port,
        "headers": _merge((name.lower(), value) for name, value in ctx.headers.items()),
        "query": {name: _one_or_all(values) for name, values in ctx.query_args().items()},
        "raw_body": body.decode("utf-8", "replace"),
        "method": ctx.method,
        "path": ctx.path,
        "uri_captures": {
            "named": captures.named if captures else {},
            "unnamed": list(captures.unnamed) if captures else [],
        },
    }
    fields = parse_body(body, ctx.headers.get("content-type"))
    if fields is not None:
        described["body"] = fields.as_dict()
    return described


def _merge(pairs: Any) -> dict[str, Any]:
    merged: dict[str, list[str]] = {}
    for name, value in pairs:
        merged.setdefault(name, []).append(value)
    return {name: _one_or_all(values) for name, values in merged.items()}


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _entity(entity: Any) -> dict[str, Any] | None:
    if entity is None:
        return None
    described = {key: value for key, value in asdict(entity).items() if value is not None and key != "where"}
    for reference in described.keys() & _REFERENCES:
        described[reference] = {"id": described[reference]}
    return described


def _is_triggered(ctx: Context, name: str) -> bool:
    return ctx.headers.get(name) is not None or name in ctx.query_args()


def _check(config: Config) -> None:
    if config.message and (config.content_type or config.body):
        raise ConfigError("", "message cannot be used with content_type or body")
    if config.content_type and not config.body:
        raise ConfigError("", "content_type requires a body")
    if config.echo and (config.content_type or config.body):
        raise ConfigError("", "echo cannot be used with content_type and body")
