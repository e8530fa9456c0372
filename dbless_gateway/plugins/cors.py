"""cors: answer preflights and tell browsers who may read responses.

Kong's behaviour this follows: https://developer.konghq.com/plugins/cors/ (3.10).
Differences: none known.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.patterns import Pattern, compile_pattern
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "cors"
PRIORITY = 2000

_PLAIN = re.compile(r"[A-Za-z0-9.:/-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}

# An explicit null in the file keeps the schema from filling them in, and Kong sends them all the same.
_ALL_METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")


@dataclass(frozen=True, slots=True)
class Config:
    origins: tuple[str, ...] | None
    headers: tuple[str, ...] | None
    exposed_headers: tuple[str, ...] | None
    methods: tuple[str, ...] | None
    max_age: float | None
    credentials: bool
    private_network: bool
    preflight_continue: bool
    allow_origin_absent: bool


class Verdict(NamedTuple):
    """What the origin rule says: the value to send (None: none), and whether it depends on the Origin."""

    allow_origin: str | None
    varies: bool
    is_for_all: bool = False


class Handler:
    """Answers preflights in access, marks all other responses in header_filter."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._origins = _Origins(config.origins or ("*",))
        self._exposed = ",".join(config.exposed_headers or ())
        self._allowed_headers = ",".join(config.headers or ())
        methods = _ALL_METHODS if config.methods is None else config.methods
        self._fixed = [("Access-Control-Allow-Methods", ",".join(methods))]
        if config.max_age is not None:
            self._fixed.append(("Access-Control-Max-Age", f"{config.max_age:.14g}"))

    def access(self, ctx: Context) -> Reply | None:
        """Answer a preflight, or let it pass when the target shall."""
        if ctx.method != "OPTIONS" or not ctx.headers.get("origin"):
            return None
        if ctx.headers.get("access-control-request-method") is None:
            return None
        ctx.shared[NAME] = "preflight"
        if self._config.preflight_continue:
            return None
        headers = self._origin_headers(ctx.headers.get("origin"))
        requested = self._allowed_headers or ctx.headers.get("access-control-request-headers")
        if requested:
            headers["Access-Control-Allow-Headers"] = requested
        if self._config.private_network and _asks_for_private_network(ctx):
            headers["Access-Control-Allow-Private-Network"] = "true"
        return Reply(200, b"", (*headers.items(), *self._fixed))

    def header_filter(self, ctx: Context) -> None:
        """Tell the browser who may read this response."""
        if ctx.shared.get(NAME) == "preflight":
            return
        origin = ctx.headers.get("origin")
        if not origin and not self._config.allow_origin_absent:
            return
        response = ctx.response.headers
        headers = self._origin_headers(origin)
        if "Access-Control-Allow-Origin" not in headers:
            response.remove("Access-Control-Allow-Origin")
        if headers.pop("Vary", None):
            response.add("Vary", "Origin")
        for name, value in headers.items():
            response.set(name, value)
        if self._exposed:
            response.set("Access-Control-Expose-Headers", self._exposed)

    def _origin_headers(self, origin: str | None) -> dict[str, str]:
        verdict = self._origins.judge(origin)
        headers: dict[str, str] = {}
        if verdict.allow_origin is not None:
            headers["Access-Control-Allow-Origin"] = verdict.allow_origin
        if verdict.varies:
            headers["Vary"] = "Origin"
        if not self._config.credentials:
            return headers
        if not verdict.is_for_all:
            headers["Access-Control-Allow-Credentials"] = "true"
        elif origin:
            # Browsers refuse "*" together with credentials, so everybody is allowed by name.
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
            headers["Vary"] = "Origin"
        return headers


class _Origins:
    """The origin rule, compiled."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._is_for_all = entries == ("*",)
        self._has_star = "*" in entries
        self._only = entries[0] if len(entries) == 1 and _PLAIN.fullmatch(entries[0]) else None
        self._tests = [_test(position, entry) for position, entry in enumerate(entries) if entry != "*"]

    def judge(self, origin: str | None) -> Verdict:
        if self._is_for_all:
            return Verdict("*", varies=False, is_for_all=True)
        if self._only is not None:
            return Verdict(self._only, varies=True)
        if not origin:
            return Verdict(None, varies=True)
        if self._has_star:
            return Verdict("*", varies=True, is_for_all=True)
        normal, host = _normalise(origin)
        is_allowed = any(
            wanted == normal if isinstance(wanted, str) else wanted.match(host if by_host else normal)
            for wanted, by_host in self._tests
        )
        return Verdict(normal if is_allowed else None, varies=True)


def _test(position: int, entry: str) -> tuple[str | Pattern, bool]:
    """Return what an origin is compared with, and whether only its host is."""
    if _PLAIN.fullmatch(entry):
        return _normalise(entry)[0], False
    text = entry.removeprefix("^")
    try:
        compile_pattern(entry)
        pattern = compile_pattern(text if text.endswith("$") else text + "$")
    except ValueError:
        raise ConfigError(f"origins[{position}]", f"'{entry}' is not a valid regex") from None
    return pattern, ":" not in entry


def _normalise(origin: str) -> tuple[str, str]:
    """Return scheme, host and port without a default port, and the host alone."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return origin, origin
    if not host:
        return origin, origin
    shown = f"[{host}]" if ":" in host else host
    if port is None or port == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{shown}", host
    return f"{parts.scheme}://{shown}:{port}", host


def _asks_for_private_network(ctx: Context) -> bool:
    return ctx.headers.get("access-control-request-private-network") == "true"
