"""Every answer that the gateway itself gives, as one table.

A failure is a value, not an exception. Its row says what the client is told (status and text as Kong words
them), whose fault it is, whether another try may help, and what health checks learn from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Source(Enum):
    """Who is to blame."""

    CLIENT = "client"
    TARGET = "target"
    GATEWAY = "gateway"


class Lesson(Enum):
    """What passive health checks make of it."""

    NONE = "none"
    TCP = "tcp failure"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Failure:
    """One row.

    ``generic``: answered as the web server would (by Accept, else the request's own content type), not as an
    error raised on purpose (by Accept, else JSON). ``message`` None is the standard text of the status.
    """

    name: str
    status: int
    message: str | None
    source: Source
    lesson: Lesson = Lesson.NONE
    generic: bool = True
    retryable: bool = False


BAD_TARGET: Final = Failure("bad target", 400, None, Source.CLIENT)
NO_ROUTE: Final = Failure("no route", 404, "no Route matched with those values", Source.CLIENT, generic=False)
NO_SERVICE: Final = Failure(
    "no service", 503, "no Service found with those values", Source.GATEWAY, generic=False
)
NEEDS_HTTPS: Final = Failure("needs https", 426, "Please use HTTPS protocol", Source.CLIENT, generic=False)
NOT_GRPC: Final = Failure(
    "not grpc", 415, "Non-gRPC request matched gRPC route", Source.CLIENT, generic=False
)
NEEDS_HTTP2: Final = Failure("needs http/2", 426, "Please use HTTP2 protocol", Source.CLIENT, generic=False)
NO_PEER: Final = Failure(
    "no peer", 503, "failure to get a peer from the ring-balancer", Source.TARGET, generic=False
)
NO_PEER_ON_RETRY: Final = Failure("no peer on retry", 503, None, Source.TARGET)
NAME_UNKNOWN: Final = Failure("name unknown", 503, "name resolution failed", Source.TARGET, generic=False)
NAME_ERROR: Final = Failure("name error", 500, None, Source.TARGET, generic=False)
CONNECT_FAILED: Final = Failure("connect failed", 502, None, Source.TARGET, Lesson.TCP, retryable=True)
CONNECT_TIMEOUT: Final = Failure("connect timeout", 504, None, Source.TARGET, Lesson.TIMEOUT, retryable=True)
TARGET_CLOSED: Final = Failure("target closed", 502, None, Source.TARGET, Lesson.TCP, retryable=True)
INVALID_RESPONSE: Final = Failure("invalid response", 502, None, Source.TARGET, Lesson.TCP, retryable=True)
WRITE_TIMEOUT: Final = Failure("write timeout", 504, None, Source.TARGET, Lesson.TIMEOUT, retryable=True)
READ_TIMEOUT: Final = Failure("read timeout", 504, None, Source.TARGET, Lesson.TIMEOUT, retryable=True)
# An answer that the upstream's own conditions do not accept: tried elsewhere, never told to a client.
REFUSED_STATUS: Final = Failure("answer refused", 502, None, Source.TARGET, retryable=True)
BODY_TOO_LARGE: Final = Failure("body too large", 413, None, Source.CLIENT)
BAD_BODY: Final = Failure("bad body", 400, None, Source.CLIENT)
CLIENT_TIMEOUT: Final = Failure("client timeout", 408, None, Source.CLIENT)
CLIENT_GONE: Final = Failure("client gone", 499, None, Source.CLIENT)
PLUGIN_ERROR: Final = Failure("plugin error", 500, None, Source.GATEWAY, generic=False)
INTERNAL_ERROR: Final = Failure("internal error", 500, None, Source.GATEWAY)

ALL: Final = tuple(value for value in list(globals().values()) if isinstance(value, Failure))
