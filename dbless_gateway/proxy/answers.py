"""Replies that the gateway makes itself: a failure in words, a redirect to https."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbless_gateway.pdk.errors import error_reply, is_grpc, server_error
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.proxy import failures
from dbless_gateway.proxy.failures import Failure

if TYPE_CHECKING:
    from dbless_gateway.proxy.exchange import Exchange

_FAILURE_HEADERS: dict[str, tuple[tuple[str, str], ...]] = {
    failures.NEEDS_HTTP2.name: (("Connection", "Upgrade"), ("Upgrade", "HTTP/2")),
    failures.NEEDS_HTTPS.name: (("Connection", "Upgrade"), ("Upgrade", "TLS/1.2, HTTP/1.1")),
}
_REDIRECT_TITLES = {
    301: "Moved Permanently",
    302: "Found",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
}


def failure_reply(exchange: Exchange, failure: Failure) -> Reply:
    """Return the answer for a failure, in the form that this client prefers."""
    accept = exchange.headers.get("accept")
    content_type = exchange.headers.get("content-type")
    headers = _FAILURE_HEADERS.get(failure.name, ())
    if failure.generic:
        return server_error(
            failure.status,
            failure.message,
            accept=accept,
            content_type=content_type,
            default_type=exchange.gateway.options.error_default_type,
            request_id=exchange.request_id,
            headers=headers,
        )
    return error_reply(
        failure.status,
        failure.message,
        accept=accept,
        request_id=exchange.request_id,
        headers=headers,
        grpc=is_grpc(content_type),
    )


def https_redirect(exchange: Exchange, status: int) -> Reply:
    """Return the way to the same URL over https; the body is the web server's short page."""
    target = exchange.head.target.decode("latin-1")
    title = f"{status} {_REDIRECT_TITLES[status]}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    location = f"https://{exchange.forwarded_host}{target}"
    return Reply(status, page.encode(), (("Content-Type", "text/html"), ("Location", location)))
