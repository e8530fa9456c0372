"""The life of an exchange as two half machines, because uploads and answers overlap; and nothing else.

Each half is an ``IntEnum`` and a table of allowed moves. The code asserts every move against its table (the
worker runs with ``-O``, so the hot path does not pay); the tests walk the tables, and the page on the life of
a request draws them.
"""

from __future__ import annotations

from enum import IntEnum


class RequestSide(IntEnum):
    """What has come from the client."""

    BODY = 0  # the head is complete, the body is not
    DONE = 1  # the whole request has arrived
    ABORTED = 2  # the client went away, or its body was broken


class ResponseSide(IntEnum):
    """What has gone to the client."""

    WAITING = 0  # nothing yet: a failure can still be answered, a try can be repeated
    STARTED = 1  # the head is on its way
    DONE = 2  # complete
    ABORTED = 3  # broken off; the connection is closed
    TUNNEL = 4  # upgraded: bytes both ways until somebody closes


REQUEST_MOVES: dict[RequestSide, frozenset[RequestSide]] = {
    RequestSide.BODY: frozenset({RequestSide.DONE, RequestSide.ABORTED}),
    RequestSide.DONE: frozenset({RequestSide.ABORTED}),
    RequestSide.ABORTED: frozenset(),
}

RESPONSE_MOVES: dict[ResponseSide, frozenset[ResponseSide]] = {
    ResponseSide.WAITING: frozenset({ResponseSide.STARTED, ResponseSide.ABORTED, ResponseSide.TUNNEL}),
    ResponseSide.STARTED: frozenset({ResponseSide.DONE, ResponseSide.ABORTED}),
    ResponseSide.TUNNEL: frozenset({ResponseSide.DONE, ResponseSide.ABORTED}),
    ResponseSide.DONE: frozenset(),
    ResponseSide.ABORTED: frozenset(),
}


class Wait(IntEnum):
    """Whom an exchange is waiting for; decides what an expired deadline means."""

    NOBODY = 0  # a plugin, or the resolver: they have limits of their own
    CLIENT_BODY = 1
    CONNECT = 2
    TARGET_READS = 3  # the target does not take the request's body
    TARGET_ANSWERS = 4
    CLIENT_READS = 5  # the client does not take the response
