"""TLS with clients: one context for all listeners, which takes certificates from the current configuration.

The context stays for the life of the worker. So a reload drops nobody: connections that are open go on as
they began, tickets that were given stay good, and the next handshake finds the new certificates.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable

from dbless_gateway.snapshot.certificates import ServerCertificates, TlsPolicy, server_context
from dbless_gateway.snapshot.key_pairs import KeyPair


def client_context(
    policy: TlsPolicy, default_pairs: Iterable[KeyPair], certificates: Callable[[], ServerCertificates]
) -> ssl.SSLContext:
    """Make the context; ``certificates`` returns those that are current."""

    def choose(session: ssl.SSLSocket | ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        # Read by the connection for routing; the ssl module does not keep it for servers.
        session.gateway_sni = server_name  # type: ignore[union-attr]
        chosen = certificates().find(server_name)
        if chosen is not None:
            session.context = chosen

    context = server_context(policy, default_pairs)
    context.sni_callback = choose
    return context
