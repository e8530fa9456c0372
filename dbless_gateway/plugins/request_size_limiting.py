"""request-size-limiting: refuse request bodies over a size.

Kong's behaviour this follows: https://developer.konghq.com/plugins/request-size-limiting/ (3.8 and later).
Differences: a body without Content-Length is measured while it streams to the target, not before.
"""

from __future__ import annotations

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "request-size-limiting"
PRIORITY = 951

_UNIT_BYTES = {"megabytes": 1 << 20, "kilobytes": 1 << 10, "bytes": 1}


@dataclass(frozen=True, slots=True)
class Config:
    allowed_payload_size: int | None
    size_unit: str
    require_content_length: bool


class Handler:
    """Believes Content-Length, and has the gateway measure what has none."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        size = 128 if config.allowed_payload_size is None else config.allowed_payload_size
        self._limit_bytes = size * _UNIT_BYTES[config.size_unit]
        self._requires_length = config.require_content_length

    def access(self, ctx: Context) -> Reply | None:
        """Compare the size with the limit."""
        length = ctx.headers.get("content-length")
        if length is not None and length.isdigit():
            return self._refuse(ctx) if int(length) > self._limit_bytes else None
        transfer_encoding = ctx.headers.get("transfer-encoding")
        if self._requires_length and transfer_encoding != "chunked":
            return refuse(ctx, 411, "A valid Content-Length header is required")
        if transfer_encoding is not None:
            ctx.limit_request_body(self._limit_bytes, self._refuse(ctx))
        return None

    def _refuse(self, ctx: Context) -> Reply:
        expectation = (ctx.headers.get("expect") or "").strip().lower()
        return refuse(ctx, 417 if expectation == "100-continue" else 413, "Request size limit exceeded")
