"""Answers that are not the target's: error bodies in four formats, JSON exits and the server's own pages.

Plugins and the proxy word their errors with the same functions, so apart from ``refuse`` they know no
Context: everything that decides about the form of an answer is an argument. Three producers exist, as in
Kong:

``refuse``, ``error_reply``     an error raised on purpose: by Accept, else JSON; gRPC gets the canonical
name.
``server_error``                the server itself could not handle a request: by Accept, else by its own type.
``exit_json``, ``exit_empty``   a plain exit: no negotiation, no request id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.reply import Reply

Headers = Iterable[tuple[str, str]]

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"
PLAIN_TYPE = "text/plain; charset=utf-8"
XML_TYPE = "application/xml; charset=utf-8"

MESSAGES = {
    400: "Bad request",
    401: "Unauthorized",
    402: "Payment required",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    407: "Proxy authentication required",
    408: "Request timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length required",
    412: "Precondition failed",
    413: "Payload too large",
    414: "URI too long",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    417: "Expectation failed",
    418: "I'm a teapot",
    421: "Misdirected request",
    422: "Unprocessable entity",
    423: "Locked",
    424: "Failed dependency",
    425: "Too early",
    426: "Upgrade required",
    428: "Precondition required",
    429: "Too many requests",
    431: "Request header fields too large",
    451: "Unavailable for legal reasons",
    494: "Request header or cookie too large",
    500: "An unexpected error occurred",
    501: "Not implemented",
    502: "An invalid response was received from the upstream server",
    503: "The upstream server is currently unavailable",
    504: "The upstream server is timing out",
    505: "HTTP version not supported",
    506: "Variant also negotiates",
    507: "Insufficient storage",
    508: "Loop detected",
    510: "Not extended",
    511: "Network authentication required",
}

_TEMPLATES = {
    JSON_TYPE: '{\n  "message":"%s",\n  "request_id":"%s"\n}',
    PLAIN_TYPE: "%s\nrequest_id: %s\n",
    XML_TYPE: (
        '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>%s</message>\n'
        "  <requestid>%s</requestid>\n</error>\n"
    ),
    HTML_TYPE: (
        '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n  </head>\n'
        "  <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n    <p>request_id: %s</p>\n  </body>\n</html>\n"
    ),
}

# What each name in an Accept header gets; anything else gets JSON.
_OFFERS = {
    "text/html": HTML_TYPE,
    "text/plain": PLAIN_TYPE,
    "text/*": PLAIN_TYPE,
    "application/xml": XML_TYPE,
}

_GRPC_STATUS = {
    200: 0,
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    409: 6,
    429: 8,
    499: 1,
    500: 13,
    501: 12,
    503: 14,
    504: 4,
}
_GRPC_STATUS_BY_CLASS = {2: 0, 4: 3, 5: 13}
_GRPC_UNKNOWN = 2
_GRPC_NAMES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)

# A plain exit without a body is answered in one of two ways with a body, see exit_empty; all others stay
# empty.
_GENERIC_PAGES = frozenset({400, 404, 405, 411, 412, 413, 414, 417, 494, 500, 502, 503, 504})
_SHORT_PAGES = {
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    401: "Authorization Required",
    402: "Payment Required",
    403: "Forbidden",
    416: "Requested Range Not Satisfiable",
    421: "Misdirected Request",
    429: "Too Many Requests",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}


def message_for(status: int) -> str:
    """Return the text that stands for a status when nobody gave one."""
    return MESSAGES.get(status) or f"The upstream server responded with {status}"


def is_grpc(content_type: str | None) -> bool:
    """Tell a gRPC call by its content type."""
    return content_type is not None and content_type.startswith("application/grpc")


def grpc_status_for(status: int) -> int:
    """Return the gRPC status that says the same as an HTTP status."""
    code = _GRPC_STATUS.get(status)
    return _GRPC_STATUS_BY_CLASS.get(status // 100, _GRPC_UNKNOWN) if code is None else code


def negotiate(accept: str) -> str:
    """Return the content type for an Accept header: the highest q wins, the first of equals."""
    if "," not in accept and ";" not in accept:
        return _OFFERS.get(accept.strip().lower(), JSON_TYPE)
    best, best_quality = "", -1.0
    for entry in accept.split(","):
        name, _, parameters = entry.partition(";")
        quality = _quality(parameters)
        if quality > best_quality:
            best, best_quality = name.strip().lower(), quality
    return _OFFERS.get(best, JSON_TYPE)


def refuse(
    ctx: Context, status: int, message: str | None = None, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """Return an error to the client of this exchange: what plugins use."""
    return error_reply(
        status,
        message,
        accept=ctx.headers.get("accept"),
        request_id=ctx.request_id,
        headers=headers,
        grpc=is_grpc(ctx.headers.get("content-type")),
    )


def error_reply(
    status: int,
    message: str | None = None,
    *,
    accept: str | None,
    request_id: str,
    headers: Headers = (),
    grpc: bool = False,
) -> Reply:
    """Return an error in the format that the client prefers; the message is put into the body as it is."""
    if grpc:
        return _grpc_reply(status, _GRPC_NAMES[grpc_status_for(status)], headers)
    content_type = JSON_TYPE if accept is None else negotiate(accept)
    return _formatted(status, message, content_type, request_id, headers)


def server_error(
    status: int,
    message: str | None = None,
    *,
    accept: str | None,
    content_type: str | None,
    default_type: str = "text/plain",
    request_id: str,
    headers: Headers = (),
) -> Reply:
    """Return the page for a request that the server itself refuses or cannot finish.

    Without Accept the request's own ``content_type`` decides, else ``default_type`` (setting
    ``error_default_type``).
    """
    text = message or message_for(status)
    sent = 400 if status == 494 else status
    if is_grpc(content_type):
        return _grpc_reply(sent, text, headers)
    return _formatted(sent, text, negotiate(accept or content_type or default_type), request_id, headers)


def exit_json(status: int, value: Any, headers: Headers = (), *, grpc: bool = False) -> Reply:
    """Return a value as compact JSON, whatever the client accepts."""
    if grpc:
        text = value.get("message") if isinstance(value, dict) else None
        return _grpc_reply(status, text or _GRPC_NAMES[grpc_status_for(status)], headers)
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Reply(status, body, _with_type(JSON_TYPE, headers))


def exit_empty(ctx: Context, status: int, headers: Headers = ()) -> Reply:
    """Return an exit that has no body of its own: for many statuses the server then supplies its page."""
    content_type = ctx.headers.get("content-type")
    if is_grpc(content_type):
        return _grpc_reply(status, _GRPC_NAMES[grpc_status_for(status)], headers)
    if status in _GENERIC_PAGES:
        return server_error(
            status,
            accept=ctx.headers.get("accept"),
            content_type=content_type,
            request_id=ctx.request_id,
            headers=headers,
        )
    if status in _SHORT_PAGES:
        title = f"{status} {_SHORT_PAGES[status]}"
        page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
        return Reply(status, page.encode(), _with_type("text/html", headers))
    return Reply(status, b"", tuple(headers))


def _formatted(
    status: int, message: str | None, content_type: str, request_id: str, headers: Headers
) -> Reply:
    body = _TEMPLATES[content_type] % (message or message_for(status), request_id)
    return Reply(status, body.encode(), (("Content-Type", content_type), *headers))


def _grpc_reply(status: int, message: str, headers: Headers) -> Reply:
    grpc_headers = (("grpc-status", str(grpc_status_for(status))), ("grpc-message", message))
    return Reply(status, b"", (*grpc_headers, *headers))


def _with_type(content_type: str, headers: Headers) -> tuple[tuple[str, str], ...]:
    given = tuple(headers)
    if any(name.lower() == "content-type" for name, _ in given):
        return given
    return (("Content-Type", content_type), *given)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
