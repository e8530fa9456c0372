"""The log record of a finished exchange, which all logging plugins share.

``record_text`` writes it. Other plugins add fields with ``set_log_value``; ``custom_fields_by_lua`` of the
configuration adds more. Fields that are new just follow the record's own; only for others is it taken apart
again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

from dbless_gateway.http1.showing import to_json
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.expression import (
    FUNCTIONS,
    Evaluate,
    ExpressionError,
    compile_expression,
)
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.pdk.log_values import LOG_VALUES, Mode
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.record_text import (
    OWN_FIELDS,
    WORKSPACE_ID,
    WORKSPACE_NAME,
    RecordWriter,
)
from dbless_gateway.pdk.redaction import secret_names

__all__ = ["WORKSPACE_ID", "WORKSPACE_NAME", "Record", "Recorder", "split_path"]

Record = dict[str, Any]

# Where it stands among what the plugins of a request share.
_LOG_RECORD = "log.record"

_UNESCAPED_DOT = re.compile(r"(?<!\\)\.")


def split_path(path: str) -> list[str]:
    """Return the steps of a dotted path; a backslash makes a dot literal."""
    return [step.replace("\\.", ".") for step in _UNESCAPED_DOT.split(path)]


class Recorder:
    """Makes the records of one logging plugin."""

    def __init__(self, env: PluginEnv, custom_fields: dict[str, str] | None = None) -> None:
        self._log = env.log
        self._identities = env.identities
        self._writer: RecordWriter | None = None
        self._custom = [
            (split_path(path), _compile(path, code)) for path, code in (custom_fields or {}).items()
        ]

    def json(self, ctx: Context) -> bytes:
        """Return the record of an exchange as compact JSON."""
        values = ctx.shared.get(LOG_VALUES)
        if values is None and not self._custom:
            return self._text(ctx).encode()
        added = None if self._custom else _added(values or [])
        if added is None:
            return to_json(self.record(ctx)).encode()
        return f"{self._text(ctx)[:-1]}{added}}}".encode()

    def record(self, ctx: Context) -> Record:
        """Return the record of an exchange."""
        record = _parsed(self._text(ctx))
        for name, value, mode in ctx.shared.get(LOG_VALUES, ()):
            steps = split_path(name)
            if mode == "set" or _has(record, steps) == (mode == "replace"):
                _place(record, steps, value)
        for path, evaluate in self._custom:
            self._place_custom(record, path, evaluate, ctx)
        return record

    def _text(self, ctx: Context) -> str:
        """Return the record without what others add: the same for all plugins that log this exchange."""
        text: str | None = ctx.shared.get(_LOG_RECORD)
        if text is None:
            if self._writer is None:
                # Not before the first request: until then plugins say what is secret.
                self._writer = self._identities.index("log records", _writer)
            text = ctx.shared[_LOG_RECORD] = ctx.record(self._writer)
        return text

    def _place_custom(self, record: Record, path: list[str], evaluate: Evaluate, ctx: Context) -> None:
        try:
            _place(record, path, evaluate(_log_scope(ctx)))
        except ExpressionError as error:
            self._log.warning("custom field %s: %s", ".".join(path), error)


def _writer(identities: Identities) -> RecordWriter:
    return RecordWriter(secret_names(identities))


def _added(values: list[tuple[str, Any, Mode]]) -> str | None:
    """Return new fields as they stand behind a record's own; None when one of them is not just new."""
    names = {name for name, _, _ in values}
    if len(names) < len(values) or not names.isdisjoint(OWN_FIELDS):
        return None
    if any("." in name or value is None or mode == "replace" for name, value, mode in values):
        return None
    return "".join(f",{to_json(name)}:{to_json(value)}" for name, value, _ in values)


def _parsed(text: str) -> Record:
    record: Record
    try:
        record = orjson.loads(text)
    except ValueError:  # It refuses what stands for bytes that are not Unicode.
        record = json.loads(text)
    return record


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
        if not isinstance(below, dict):
            below = target[step] = {}
        target = below
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
