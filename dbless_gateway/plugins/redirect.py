"""redirect: answer with a redirect to another place.

Kong's behaviour this follows: https://developer.konghq.com/plugins/redirect/ (3.9).
Differences: none known.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "redirect"
PRIORITY = 779

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

# As the WHATWG URL standard serializes an address, beside control characters and non-ASCII.
_ESCAPED_IN_PATH = frozenset(b' "#<>?`{}')
_ESCAPED_IN_QUERY = frozenset(b" \"#<>'")


@dataclass(frozen=True, slots=True)
class Config:
    status_code: int
    location: str
    keep_incoming_path: bool | None


class Handler:
    """Sends everybody away."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        parts = urlsplit(config.location)
        if not parts.netloc:
            raise ConfigError("location", "missing host in url")
        self._status = config.status_code
        self._keeps_path = bool(config.keep_incoming_path)
        self._origin = _origin(parts)
        self._fixed = Reply(config.status_code, b"redirecting", (("Location", config.location),))

    def access(self, ctx: Context) -> Reply:
        """Answer with the place to go to."""
        if not self._keeps_path:
            return self._fixed
        location = self._origin + _escape(ctx.path.encode("utf-8", "surrogateescape"), _ESCAPED_IN_PATH)
        if ctx.raw_query:
            location += "?" + _escape(ctx.raw_query.encode("latin-1"), _ESCAPED_IN_QUERY)
        return Reply(self._status, b"redirecting", (("Location", location),))


def _origin(parts: SplitResult) -> str:
    """Return scheme, host and port in their plainest form."""
    user, at, host = parts.netloc.rpartition("@")
    host = host.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
    return f"{parts.scheme}://{user}{at}{host}"


def _escape(raw: bytes, escaped: frozenset[int]) -> str:
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in escaped else f"%{byte:02X}" for byte in raw
    )
