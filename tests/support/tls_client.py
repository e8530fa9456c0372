"""A client that speaks TLS with the gateway and looks at what it is shown."""

from __future__ import annotations

import ssl

from cryptography import x509

from dbless_gateway.snapshot.key_pairs import KeyPair, load_key_pair
from tests.support.authority import Pem
from tests.support.client import Client


def trusting(authority: str | None, client: Pem | None = None) -> ssl.SSLContext:
    """Return the context of a client that trusts this authority; None: anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authority)
    if client is not None:
        load_key_pair(context, KeyPair(*client))
    return context


class TlsClient(Client):
    """A TLS connection to the gateway; ``name`` is the server name that it asks for."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        name: str | None = None,
        session: ssl.SSLSession | None = None,
        preface: bytes = b"",
    ) -> None:
        """``preface`` goes before the handshake."""
        super().__init__(port)
        try:
            self.socket.sendall(preface)
            self.tls = context.wrap_socket(self.socket, server_hostname=name, session=session)
        except BaseException:
            self.socket.close()
            raise
        self.socket = self.tls

    def common_name(self) -> str:
        """Return the common name in the certificate that the gateway shows."""
        shown = self.tls.getpeercert(binary_form=True)
        assert shown is not None
        subject = x509.load_der_x509_certificate(shown).subject
        return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
