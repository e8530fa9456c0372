"""The log record of a finished exchange, which all logging plugins share.

One object per request in Kong's format; absent values are left out. Other plugins add fields with
``set_log_value``;
``custom_fields_by_lua`` of the configuration adds more. Rules of the file:

1. A record never carries a secret: Authorization, cookies and the names in ``secret_names`` are ``REDACTED``
in
   headers and query alike. key-auth and jwt add the names that they look for.
2. What does not change between requests (routes, services, consumers as JSON objects) is built once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from dbless_gateway.pdk.context import Context, HeaderView
from dbless_gateway.pdk.expression import (
    FUNCTIONS,
    Evaluate,
    ExpressionError,
    compile_expression,
)
from dbless_gateway.pdk.log_values import LOG_VALUES
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.redaction import REDACTED, redacted_query, secret_names

Record = dict[str, Any]

# The only workspace there is; the id is the same on every node, as Kong's default workspace is for its tools.
WORKSPACE_ID = "00000000-0000-0000-0000-000000000000"
WORKSPACE_NAME = "default"

# Entities remembered as JSON objects per plugin; consumers can be a million.
_REMEMBERED_ENTITIES = 10_000

# Names of headers remembered per plugin; clients may make up any.
_REMEMBERED_NAMES = 1000

_UNESCAPED_DOT = re.compile(r"(?<!\\)\.")


def split_path(path: str) -> list[str]:
    """Return the steps of a dotted path; a backslash makes a dot literal."""
    return [step.replace("\\.", ".") for step in _UNESCAPED_DOT.split(path)]


class Recorder:
    """Makes the records of one logging plugin."""

    def __init__(self, env: PluginEnv, custom_fields: dict[str, str] | None = None) -> None:
        self._log = env.log
        self._secrets = secret_names(env.identities)
        self._custom = [
            (split_path(path), _compile(path, code)) for path, code in (custom_fields or {}).items()
        ]
        self._entities: dict[str, Record] = {}
        self._names: dict[str, tuple[str, bool]] = {}

    def record(self, ctx: Context) -> Record:
        """Return the record of an exchange."""
        record = {
            "request": self._request(ctx),
            "upstream_uri": self._uri(ctx.upstream_uri),
            "upstream_status": _upstream_status(ctx),
            "response": {
                "status": ctx.response.status,
                "headers": self._headers(ctx.response.headers),
                "size": ctx.response_size,
            },
            "latencies": {
                "request": ctx.latency_total_ms,
                "kong": ctx.latency_kong_ms,
                "proxy": ctx.latency_upstream_ms,
                "receive": ctx.latency_receive_ms,
            },
            "client_ip": ctx.client_ip,
            "started_at": int(ctx.started_at * 1000),
            "source": ctx.source,
            "workspace": WORKSPACE_ID,
            "workspace_name": WORKSPACE_NAME,
        }
        self._add_entities(record, ctx)
        for name, value, mode in ctx.shared.get(LOG_VALUES, ()):
            steps = split_path(name)
            if mode == "set" or _has(record, steps) == (mode == "replace"):
                _place(record, steps, value)
        for path, evaluate in self._custom:
            self._place_custom(record, path, evaluate, ctx)
        return record

    def json(self, ctx: Context) -> bytes:
        """Return the record as compact JSON."""
        return to_json(self.record(ctx))

    def _request(self, ctx: Context) -> Record:
        args = ctx.query_args() if ctx.raw_query else {}
        uri = (
            ctx.raw_path
            if ctx.raw_query is None
            else f"{ctx.raw_path}?{redacted_query(ctx.raw_query, self._secrets)}"
        )
        request = {
            "id": ctx.request_id,
            "uri": uri,
            "url": f"{ctx.scheme}://{ctx.host}:{ctx.port}{uri}",
            "querystring": {name: self._shown(name, values) for name, values in args.items()},
            "method": ctx.method,
            "headers": self._headers(ctx.headers),
            "size": ctx.request_size,
        }
        tls = ctx.tls
        if tls is not None:
            request["tls"] = {
                "version": tls.version,
                "cipher": tls.cipher,
                "client_verify": tls.client_verify,
            }
        return request

    def _uri(self, uri: str) -> str:
        path, mark, query = uri.partition("?")
        return f"{path}?{redacted_query(query, self._secrets)}" if mark else uri

    def _headers(self, view: HeaderView) -> Record:
        headers: Record = {}
        known = self._names
        for raw_name, value in view.items():
            named = known.get(raw_name)
            name, is_secret = self._name(raw_name) if named is None else named
            if is_secret:
                value = REDACTED
            present = headers.get(name)
            if present is None:
                headers[name] = value
            elif isinstance(present, list):
                present.append(value)
            else:
                headers[name] = [present, value]
        return headers

    def _name(self, raw_name: str) -> tuple[str, bool]:
        """Return a header's name in lower case, and whether its value is a secret; remembered, within
        limits.
        """
        name = raw_name.lower()
        if len(self._names) >= _REMEMBERED_NAMES:
            self._names.clear()
        named = self._names[raw_name] = (name, name in self._secrets)
        return named

    def _shown(self, name: str, values: list[str | bool]) -> Any:
        if name.lower() in self._secrets:
            return REDACTED
        return values[0] if len(values) == 1 else values

    def _add_entities(self, record: Record, ctx: Context) -> None:
        if ctx.credential is not None:
            record["authenticated_entity"] = {"id": ctx.credential.id}
        if ctx.route is not None:
            record["route"] = self._entity(ctx.route)
            record["tries"] = ctx.tries
        if ctx.service is not None:
            record["service"] = self._entity(ctx.service)
        if ctx.consumer is not None:
            record["consumer"] = self._entity(ctx.consumer)

    def _entity(self, entity: Any) -> Record:
        known = self._entities.get(entity.id)
        if known is None:
            if len(self._entities) >= _REMEMBERED_ENTITIES:
                self._entities.clear()
            known = self._entities[entity.id] = entity_record(entity)
        return known

    def _place_custom(self, record: Record, path: list[str], evaluate: Evaluate, ctx: Context) -> None:
        try:
            _place(record, path, evaluate(_log_scope(ctx)))
        except ExpressionError as error:
            self._log.warning("custom field %s: %s", ".".join(path), error)


def _upstream_status(ctx: Context) -> str:
    """Return the status of each try: of what failed the one that the client would have got."""
    statuses = [str(attempt["code"]) for attempt in ctx.tries if "code" in attempt]
    if ctx.upstream_status is not None:
        statuses.append(str(ctx.upstream_status))
    return ", ".join(statuses)


def to_json(record: Any) -> bytes:
    """Return compact JSON; text that is not Unicode (a path of raw bytes) is escaped."""
    try:
        return orjson.dumps(record)
    except TypeError:
        return json.dumps(record, separators=(",", ":")).encode()


def entity_record(entity: Any) -> Record:
    """Return an entity as the Admin API shows it, without its nulls."""
    record = {name: value for name, value in asdict(entity).items() if value is not None and name != "where"}
    if isinstance(record.get("service"), str):
        record["service"] = {"id": record["service"]}
    return record | {"ws_id": WORKSPACE_ID}


def _has(record: Record, path: list[str]) -> bool:
    """Tell whether there is a field at a path."""
    found: Any = record
    for step in path:
        if not isinstance(found, dict) or step not in found:
            return False
        found = found[step]
    return True


def _place(record: Record, path: list[str], value: Any) -> None:
    target = record
    for step in path[:-1]:
        below = target.get(step)
        if value is None and below is None:
            return
        # Copied, because entities are shared between records.
        target[step] = dict(below) if isinstance(below, dict) else {}
        target = target[step]
    if value is None:
        target.pop(path[-1], None)
    else:
        target[path[-1]] = value


def _compile(path: str, code: str) -> Evaluate:
    text = code.strip().removesuffix(";")
    keyword, _, expression = text.partition(" ")
    if keyword != "return":
        raise ConfigError(f"custom_fields_by_lua.{path}", "only 'return <expression>' is supported")
    try:
        return compile_expression(expression)
    except ExpressionError as error:
        raise ConfigError(f"custom_fields_by_lua.{path}", str(error)) from None


def _log_scope(ctx: Context) -> dict[str, Any]:
    request: dict[str, Callable[..., Any]] = {
        "get_header": lambda name="": ctx.headers.get(str(name)),
        "get_method": lambda: ctx.method,
        "get_path": lambda: ctx.path,
        "get_host": lambda: ctx.host,
        "get_scheme": lambda: ctx.scheme,
        "get_query_arg": lambda name="": next(iter(ctx.query_args().get(str(name), [])), None),
    }
    response: dict[str, Callable[..., Any]] = {
        "get_status": lambda: ctx.response.status,
        "get_header": lambda name="": ctx.response.headers.get(str(name)),
    }
    client: dict[str, Callable[..., Any]] = {
        "get_ip": lambda: ctx.peer_ip,
        "get_forwarded_ip": lambda: ctx.client_ip,
    }
    return {
        **FUNCTIONS,
        "kong": {
            "request": request,
            "response": response,
            "client": client,
            "ctx": {"shared": ctx.shared},
        },
    }
