"""TLS with clients: one context for all listeners, which takes certificates from the current configuration.

The context stays for the life of the worker. So a reload drops nobody: connections that are open go on as
they began, tickets that were given stay good, and the next handshake finds the new certificates.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable
from typing import Any, cast

from dbless_gateway.pdk.errors import HTML_TYPE
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.snapshot.certificates import ServerCertificates, TlsPolicy, server_context
from dbless_gateway.snapshot.key_pairs import KeyPair
from dbless_gateway.snapshot.tls_session import TlsSession

# OpenSSL knows requests by their first bytes, but these methods only: GET, HEAD, POST, PUT, and CONNECT.
_HTTP_REASONS = frozenset(("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"))
# Any other method is an odd version for it. It has taken five bytes by then; what follows tells.
_ODD_REASON = "WRONG_VERSION_NUMBER"
_REST_OF_LINE = re.compile(rb"[A-Z]* ?[^ \r\n]+ HTTP/1\.[01]\r?\n")

# A page as nginx has one, since that is what answers here with Kong; the words are what people search for.
PLAIN_HTTP_PAGE = Reply(
    400,
    b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n"
    b"<body>\r\n<h1>400 Bad Request</h1>\r\n<p>The plain HTTP request was sent to HTTPS port</p>\r\n"
    b"</body>\r\n</html>\r\n",
    (("Content-Type", HTML_TYPE),),
)


class ClientSession(TlsSession):
    """TLS with one client."""

    # The name that the client asked for, for routing; the ssl module does not keep it for servers.
    gateway_sni: str | None = None
    # Only of a client that speaks HTTP without TLS.
    plain_outlet: ssl.MemoryBIO | None = None
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        """Go on with the handshake; it succeeds for a client without TLS, too."""
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason not in _HTTP_REASONS and not (
                error.reason == _ODD_REASON and _REST_OF_LINE.match(self._incoming.read())
            ):
                raise
            self.plain_outlet = self._outgoing

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the client's certificate; the loop asks for it after every handshake."""
        return super().getpeercert(binary_form) if self.plain_outlet is None else None


class _ListenerContext(ssl.SSLContext):
    sslobject_class = ClientSession

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **named: Any
    ) -> ClientSession:
        session = cast(ClientSession, super().wrap_bio(incoming, outgoing, *arguments, **named))
        session._incoming, session._outgoing = incoming, outgoing
        return session


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

    context = server_context(policy, default_pairs, _ListenerContext)
    context.sni_callback = choose
    return context
