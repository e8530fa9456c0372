"""request-transformer: change method, path, headers, query and body on the way to the target.

Kong's behaviour this follows: https://developer.konghq.com/plugins/request-transformer/ (3.9).
Differences: templates are evaluated by an interpreter of the subset of Lua that ``pdk/expression.py`` lists;
a body that is larger than the gateway's buffer passes unchanged, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from dbless_gateway.pdk.body import FORM, JSON, MULTIPART, Fields, empty_body, media_type, parse_body
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.entries import check_header_name, parse_entries, wire_text
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.expression import ExpressionError
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.query import encode_query, parse_wire_query
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.template import RequestScope, Template

NAME = "request-transformer"
PRIORITY = 801

# What a rendered path keeps as it is; everything else is percent-encoded.
_SAFE_IN_PATH = "/:@!$&'()*+,;=-._~%"

# A type counts wherever its name stands in Content-Type; the first of these wins.
_BODY_KINDS = (JSON, MULTIPART, FORM)

# Methods without a body: a form is then added to the query.
_BODYLESS = frozenset({"GET", "HEAD", "TRACE"})


@dataclass(frozen=True, slots=True)
class Names:
    body: tuple[str, ...]
    headers: tuple[str, ...]
    querystring: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replacements:
    body: tuple[str, ...]
    headers: tuple[str, ...]
    querystring: tuple[str, ...]
    uri: str | None


@dataclass(frozen=True, slots=True)
class Config:
    http_method: str | None
    remove: Names | None
    rename: Names | None
    replace: Replacements | None
    add: Names | None
    append: Names | None


class _Action(NamedTuple):
    name: str
    value: Template


class _Actions(NamedTuple):
    """What is done to one part of the request, in this order."""

    remove: list[str]
    rename: list[tuple[str, str]]
    replace: list[_Action]
    add: list[_Action]
    append: list[_Action]


class Handler:
    """Compiles every list once, then applies path, method, headers, body and query, in this order."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._log = env.log
        uri = config.replace.uri if config.replace is not None else None
        self._path = _template("replace.uri", uri) if uri else None
        self._method = config.http_method
        self._headers = _actions(config, "headers")
        self._body = _actions(config, "body")
        self._query = _actions(config, "querystring")
        self.needs_request_body = any(self._body) or config.http_method in _BODYLESS

    def access(self, ctx: Context) -> Reply | None:
        """Transform the request; a template that cannot be rendered is an error of the gateway."""
        scope = RequestScope(ctx)
        try:
            self._transform(ctx, scope)
        except (ExpressionError, ValueError) as error:
            self._log.error("request-transformer: %s", error)
            return refuse(ctx, 500)
        return None

    def _transform(self, ctx: Context, scope: RequestScope) -> None:
        if self._path is not None:
            path = self._path.render(scope)
            if not path.startswith("/"):
                raise ExpressionError(f"path must start with /: {path!r}")
            ctx.upstream.path = quote(path, safe=_SAFE_IN_PATH, errors="surrogateescape")
        if self._method is not None:
            _set_method(ctx, self._method)
        if any(self._headers):
            _transform_headers(ctx, self._headers, scope)
        if any(self._body):
            self._transform_body(ctx, scope)
        if any(self._query):
            _transform_query(ctx, self._query, scope)

    def _transform_body(self, ctx: Context, scope: RequestScope) -> None:
        content_type = ctx.upstream.headers.get("content-type") or ""
        kind = next((kind for kind in _BODY_KINDS if kind in content_type.lower()), None)
        if kind is None:
            return
        body = ctx.request_body if ctx.upstream.body is None else ctx.upstream.body
        if body is None:
            self._log.warning("request-transformer: the request body is larger than the buffer, unchanged")
            return
        known_type = f"{kind};{content_type}"
        actions = self._body._replace(append=[]) if kind == MULTIPART else self._body
        if body:
            fields = parse_body(body, known_type)
        else:
            fields = empty_body(known_type)
            actions = actions._replace(remove=[], rename=[], replace=[])
        if fields is not None and any(actions):
            steps = (
                (_rename_fields, _remove_fields) if kind == MULTIPART else (_remove_fields, _rename_fields)
            )
            for step in steps:
                step(fields, actions)
            _fill_fields(fields, actions, scope)
            ctx.upstream.body = fields.encode()


def _set_method(ctx: Context, method: str) -> None:
    ctx.upstream.method = method
    if method not in _BODYLESS or media_type(ctx.headers.get("content-type")) != FORM:
        return
    body = (ctx.request_body or b"").decode("latin-1")
    pairs = [*parse_wire_query(ctx.upstream.query or ""), *parse_wire_query(body)]
    ctx.upstream.query = encode_query(pairs) or None


def _transform_headers(ctx: Context, actions: _Actions, scope: RequestScope) -> None:
    headers = ctx.upstream.headers
    # Rendered before anything changes: a template sees the headers as they came.
    replacements, additions, appendices = (
        [(action.name, wire_text(action.value.render(scope))) for action in part]
        for part in (actions.replace, actions.add, actions.append)
    )
    for name in actions.remove:
        headers.remove(name)
        scope.removed.add(name.lower())
    for old, new in actions.rename:
        values = headers.get_all(old)
        if values and old != new:
            scope.removed.add(old.lower())
            headers.remove(old)
            headers.remove(new)
            for value in values:
                headers.add(new, value)
    for name, value in replacements:
        if not value:
            continue
        if name.lower() == "host":
            ctx.upstream.host = value
        elif headers.get(name) is not None:
            headers.set(name, value)
    for name, value in additions:
        if value and name.lower() != "host" and headers.get(name) is None:
            headers.set(name, value)
    for name, value in appendices:
        if value and name.lower() != "host":
            headers.add(name, value)


def _transform_query(ctx: Context, actions: _Actions, scope: RequestScope) -> None:
    values: dict[str, list[str | bool]] = {}
    for name, value in parse_wire_query(ctx.upstream.query or ""):
        values.setdefault(name, []).append(value)
    for name in actions.remove:
        values.pop(name, None)
    for old, new in actions.rename:
        if old in values:
            values[new] = values.pop(old)
    for name, template in actions.replace:
        if name in values:
            values[name] = [template.render(scope)]
    for name, template in actions.add:
        if name not in values:
            values[name] = [template.render(scope)]
    for name, template in actions.append:
        values.setdefault(name, []).append(template.render(scope))
    pairs = [(name, value) for name in sorted(values) for value in values[name]]
    ctx.upstream.query = encode_query(pairs) or None


def _remove_fields(fields: Fields, actions: _Actions) -> None:
    for name in actions.remove:
        fields.remove(name)


def _rename_fields(fields: Fields, actions: _Actions) -> None:
    for old, new in actions.rename:
        if old != new and fields.has(old):
            fields.rename(old, new)


def _fill_fields(fields: Fields, actions: _Actions, scope: RequestScope) -> None:
    for name, template in actions.replace:
        if fields.has(name):
            fields.set(name, template.render(scope))
    for name, template in actions.add:
        if not fields.has(name):
            fields.set(name, template.render(scope))
    for name, template in actions.append:
        fields.append(name, template.render(scope))


def _actions(config: Config, part: str) -> _Actions:
    def entries(action: str, record: Names | Replacements | None) -> tuple[str, tuple[str, ...]]:
        return f"{action}.{part}", getattr(record, part) or () if record is not None else ()

    return _Actions(
        remove=[entry.name for entry in parse_entries(*entries("remove", config.remove))],
        rename=list(_renames(*entries("rename", config.rename))),
        replace=list(_values(*entries("replace", config.replace))),
        add=list(_values(*entries("add", config.add))),
        append=list(_values(*entries("append", config.append))),
    )


def _renames(field: str, texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    for entry in parse_entries(field, texts):
        if field.endswith("headers"):
            check_header_name(entry.field, entry.name)
            check_header_name(entry.field, entry.value)
        elif not entry.value:
            raise ConfigError(entry.field, f"key '{entry.name}' has no value")
        yield entry.name, entry.value


def _values(field: str, texts: Iterable[str]) -> Iterable[_Action]:
    for entry in parse_entries(field, texts):
        if field.endswith("headers"):
            check_header_name(entry.field, entry.name)
        elif not entry.value:
            raise ConfigError(entry.field, f"key '{entry.name}' has no value")
        yield _Action(entry.name, _template(entry.field, entry.value))


def _template(field: str, text: str) -> Template:
    try:
        return Template(text)
    except ExpressionError as error:
        raise ConfigError(field, f"value '{text}' is not in supported format, error:{error}") from None
