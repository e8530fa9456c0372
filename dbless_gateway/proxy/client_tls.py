"""TLS with clients: one context for all listeners, which takes certificates from the current configuration.

The context stays for the life of the worker. So a reload drops nobody: connections that are open go on as
they began, tickets that were given stay good, and the next handshake finds the new certificates.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable

from dbless_gateway.pdk.errors import HTML_TYPE
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.snapshot.certificates import ServerCertificates, TlsPolicy, server_context
from dbless_gateway.snapshot.key_pairs import KeyPair

# A page as nginx has one, since that is what answers here with Kong; the words are what people search for.
PLAIN_HTTP_PAGE = Reply(
    400,
    b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n"
    b"<body>\r\n<h1>400 Bad Request</h1>\r\n<p>The plain HTTP request was sent to HTTPS port</p>\r\n"
    b"</body>\r\n</html>\r\n",
    (("Content-Type", HTML_TYPE),),
)


class ClientSession(ssl.SSLObject):
    """TLS with one client."""

    # The name that the client asked for, for routing; the ssl module does not keep it for servers.
    gateway_sni: str | None = None


def client_context(
    policy: TlsPolicy, default_pairs: Iterable[KeyPair], certificates: Callable[[], ServerCertificates]
) -> ssl.SSLContext:
    """Make the context; ``certificates`` returns those that are current."""

    def choose(session: ssl.SSLSocket | ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        assert isinstance(session, ClientSession)
        session.gateway_sni = server_name
        chosen = certificates().find(server_name)
        if chosen is not None:
            session.context = chosen

    context = server_context(policy, default_pairs)
    context.sslobject_class = ClientSession
    context.sni_callback = choose
    return context
