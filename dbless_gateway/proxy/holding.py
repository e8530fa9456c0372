"""A target's response that is held back until the plugins with the phase ``response`` have seen it.

They may change its status, headers and body, or answer in its place; nothing has been sent to the client yet.
What is held is bounded: plugins see a body that is larger than the limit as None, and it streams behind them.
"""

from __future__ import annotations

from dbless_gateway.http1.headers import Headers
from dbless_gateway.http1.response_head import NO_BODY, ResponseHead
from dbless_gateway.http1.writing import STATUS_LINES
from dbless_gateway.proxy.context import ResponseView

# As much as plugins see of a request's body: a page or a document, not a download.
_HELD_LIMIT_BYTES = 8 * 1024 * 1024


class HeldResponse(ResponseView):
    """What the steps of the phase see as ``ctx.response``, and the bytes behind it."""

    __slots__ = ("_head", "_pieces", "_size_bytes", "is_complete", "is_replaced", "is_shown")

    def __init__(self, head: ResponseHead) -> None:
        headers = Headers(head.plain)
        if head.content_type is not None:
            headers.add(b"Content-Type", head.content_type)
        super().__init__(head.status, headers)
        self._head = head
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self.is_complete = False
        self.is_shown = False  # the steps run, or have run
        self.is_replaced = False  # a plugin wrote another body

    def keep(self, pieces: list[bytes], is_last: bool) -> bool:
        """Hold more of the body; tell whether this makes it time for the steps."""
        if not self.is_replaced:
            self._pieces += pieces
        self._size_bytes += sum(map(len, pieces))
        self.is_complete = is_last
        is_time = not self.is_shown and (is_last or self._size_bytes > _HELD_LIMIT_BYTES)
        self.is_shown = self.is_shown or is_time
        return is_time

    def whole_body(self) -> bytes | None:
        """Return the body, unless it is too large to be held."""
        if not self.is_complete and not self.is_replaced:
            return None
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    def replace_body(self, body: bytes) -> None:
        """Send this instead of what the target sends."""
        self.is_replaced = True
        self._pieces = [body]

    def released(self) -> tuple[ResponseHead, list[bytes]]:
        """Return the head as the steps left it, and what there is of the body."""
        head, status = self._head, self.status
        headers = self.headers.raw
        head.content_type = headers.get(b"content-type")
        headers.remove(b"content-type")
        head.plain = headers.block
        head.has_server = headers.get(b"server") is not None
        if status != head.status:
            self._take_status(head, status)
        if self.is_replaced and status in NO_BODY:
            head.body = head.length = None
            return head, []
        if self.is_replaced or (self.is_complete and head.body is not None):
            # Its length is known by now. What would have followed a chunked body is left out.
            head.length = len(self.whole_body() or b"")
            head.special.pop(b"trailer", None)
        return head, self._pieces

    def _take_status(self, head: ResponseHead, status: int) -> None:
        if status in NO_BODY or (head.status in NO_BODY and not self.is_replaced):
            self.replace_body(b"")
        head.line = STATUS_LINES.get(status) or b"HTTP/1.1 %d" % status
        head.status = status
