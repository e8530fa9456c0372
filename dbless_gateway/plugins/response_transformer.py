"""response-transformer: change headers and JSON bodies on the way to the client.

Kong's behaviour this follows: https://developer.konghq.com/plugins/response-transformer/ (3.8 and later).
Differences: a JSON body over ``MAX_BODY_BYTES`` passes unchanged, and a warning says so; with actions on JSON,
responses of other types are chunked, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dbless_gateway.pdk.body import append_json
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.entries import check_header_name, parse_entries, wire_text
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass

NAME = "response-transformer"
PRIORITY = 800

# A body is held while it is transformed; more than this is a download, not an API's answer.
MAX_BODY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Removals:
    json: tuple[str, ...]
    headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Values:
    json: tuple[str, ...]
    json_types: tuple[str, ...]
    headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    remove: Removals
    rename: Removals
    replace: Values
    add: Values
    append: Values


class _Actions(NamedTuple):
    """What is done to headers or to the body, in this order."""

    remove: list[str]
    rename: list[tuple[str, str]]
    replace: list[tuple[str, Any]]
    add: list[tuple[str, Any]]
    append: list[tuple[str, Any]]


@dataclass(slots=True)
class _Held:
    chunks: list[bytes]
    size_bytes: int = 0


class Handler:
    """Changes headers at once, and a JSON body when it is complete."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._log = env.log
        self._headers = _header_actions(config)
        self._json = _json_actions(config)
        # Without an action on JSON a response keeps its Content-Length.
        self.changes_body = any(self._json)

    def header_filter(self, ctx: Context) -> None:
        """Change the headers, and announce that the body will have another length."""
        _transform_headers(ctx, self._headers)
        if self.changes_body and ctx.method != "HEAD":
            headers = ctx.response.headers
            if _is_json(headers.get("content-type")):
                headers.remove("Content-Length")
                ctx.shared[NAME] = _Held([])

    def body_filter(self, ctx: Context, chunk: bytes, last: bool) -> bytes | None:
        """Hold the body back until it is complete, then send it changed."""
        held: _Held | None = ctx.shared.get(NAME)
        if held is None:
            return None
        held.chunks.append(chunk)
        held.size_bytes += len(chunk)
        if held.size_bytes > MAX_BODY_BYTES:
            self._log.warning("response-transformer: the body is over %d bytes, unchanged", MAX_BODY_BYTES)
            del ctx.shared[NAME]
            return b"".join(held.chunks)
        return self._transform(b"".join(held.chunks)) if last else b""

    def _transform(self, body: bytes) -> bytes:
        try:
            value = json.loads(body) if body else None
        except (ValueError, RecursionError):
            self._log.warning("response-transformer: the body is not JSON, unchanged")
            return body
        if not isinstance(value, dict):
            return body
        _transform_json(value, self._json)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _transform_headers(ctx: Context, actions: _Actions) -> None:
    headers = ctx.response.headers
    # What counts as present is what came, whatever an earlier action did to it.
    came = {name.lower() for name, _ in headers.items()}
    for name in actions.remove:
        headers.remove(name)
    for old, new in actions.rename:
        values = headers.get_all(old)
        if values and old != new:
            headers.remove(old)
            headers.remove(new)
            for value in values:
                headers.add(new, value)
    for name, value in actions.replace:
        if name.lower() in came:
            headers.set(name, value)
    for name, value in actions.add:
        if name.lower() not in came:
            headers.set(name, value)
    for name, value in actions.append:
        headers.add(name, value)


def _transform_json(body: dict[str, Any], actions: _Actions) -> None:
    for name in actions.remove:
        body.pop(name, None)
    for old, new in actions.rename:
        if old in body:
            body[new] = body.pop(old)
    for name, value in actions.replace:
        if body.get(name, False) is not False:
            body[name] = value
    for name, value in actions.add:
        if body.get(name, False) is False:
            body[name] = value
    for name, value in actions.append:
        append_json(body, name, value)


def _is_json(content_type: str | None) -> bool:
    for part in (content_type or "").split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
            return True
    return False


def _header_actions(config: Config) -> _Actions:
    renames = list(_pairs("rename.headers", config.rename.headers))
    for position, pair in enumerate(renames):
        for name in pair:
            check_header_name(f"rename.headers[{position}]", name)
    return _Actions(
        remove=[entry.name for entry in parse_entries("remove.headers", config.remove.headers or ())],
        rename=renames,
        replace=list(_lines("replace.headers", config.replace.headers)),
        add=list(_lines("add.headers", config.add.headers)),
        append=list(_lines("append.headers", config.append.headers)),
    )


def _json_actions(config: Config) -> _Actions:
    return _Actions(
        remove=[entry.name for entry in parse_entries("remove.json", config.remove.json or ())],
        rename=list(_pairs("rename.json", config.rename.json)),
        replace=list(_typed("replace.json", config.replace)),
        add=list(_typed("add.json", config.add)),
        append=list(_typed("append.json", config.append)),
    )


def _pairs(field: str, texts: Iterable[str] | None) -> Iterable[tuple[str, str]]:
    for entry, text in zip(parse_entries(field, texts or ()), texts or (), strict=True):
        if ":" not in text:
            raise ConfigError(entry.field, f"invalid value: {text}")
        yield entry.name, entry.value


def _lines(field: str, texts: Iterable[str] | None) -> Iterable[tuple[str, str]]:
    for name, value in _pairs(field, texts):
        yield name, wire_text(value)


def _typed(field: str, values: Values) -> Iterable[tuple[str, Any]]:
    types = values.json_types or ()
    for position, (name, text) in enumerate(_pairs(field, values.json)):
        cast = _CASTS[types[position]] if position < len(types) else _as_text
        value = cast(text)
        if value is not None:
            yield name, value


def _as_text(text: str) -> str:
    # Kong encodes a text twice and takes the quotes off once: backslashes and control characters come out
    # doubled.
    return json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"') if text else "null"


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # Python takes 1_000 and digits of every script for numbers, Lua takes neither.
    if not math.isfinite(number) or "_" in text or not text.isascii():
        return None
    return int(number) if number.is_integer() else number


_CASTS: dict[str, Callable[[str], Any]] = {
    "string": _as_text,
    "number": _as_number,
    "boolean": lambda text: text == "true",
}
