"""redirect: answer with a redirect to another place.

Kong's behaviour this follows: https://developer.konghq.com/plugins/redirect/ (3.9).
Differences: none known.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.reply import Reply

NAME = "redirect"
PRIORITY = 779


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
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._fixed = Reply(config.status_code, b"redirecting", (("Location", config.location),))

    def access(self, ctx: Context) -> Reply:
        """Answer with the place to go to."""
        if not self._keeps_path:
            return self._fixed
        query = f"?{ctx.raw_query}" if ctx.raw_query else ""
        location = self._origin + _as_header(ctx.path) + query
        return Reply(self._status, b"redirecting", (("Location", location),))


def _as_header(path: str) -> str:
    """Return a normalised path with everything escaped that a header must not contain."""
    if path.isascii() and path.isprintable() and " " not in path:
        return path
    return "".join(
        chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}"
        for byte in path.encode("utf-8", "surrogateescape")
    )
