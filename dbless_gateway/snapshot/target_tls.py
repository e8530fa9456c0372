"""TLS towards targets: one context for each kind of trust that the services of a configuration ask for.

Making a context costs a millisecond and more (it reads the system's certificates), so services with the same trust
share one. What follows Kong: no verification unless ``tls_verify`` is true, only ``ca_certificates`` when given.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from dbless_gateway.config.entities import CaCertificate, Certificate, Service, Upstream
from dbless_gateway.snapshot.key_pairs import KeyPair, load_key_pair
from dbless_gateway.snapshot.model import TargetTls

_TLS_PROTOCOLS = frozenset(("https", "grpcs", "tls"))

Trust = tuple[bool, tuple[str, ...], str | None]


class TargetTlsContexts:
    """Contexts of one configuration, by trust."""

    __slots__ = ("_authorities", "_certificates", "_contexts", "_trusted_file")

    def __init__(
        self,
        certificates: Mapping[str, Certificate],
        authorities: Mapping[str, CaCertificate],
        trusted_file: str | None,
    ) -> None:
        """``trusted_file``: PEM file for services without ``ca_certificates``; None is the system's store."""
        self._certificates = certificates
        self._authorities = authorities
        self._trusted_file = trusted_file
        self._contexts: dict[Trust, TargetTls] = {}

    def for_service(self, service: Service, upstream: Upstream | None) -> TargetTls | None:
        """Return how to talk TLS to this service's targets; None when it does not."""
        if service.protocol not in _TLS_PROTOCOLS:
            return None
        certificate_id = service.client_certificate or (upstream.client_certificate if upstream else None)
        trust = (bool(service.tls_verify), service.ca_certificates or (), certificate_id)
        found = self._contexts.get(trust)
        if found is None:
            found = self._contexts[trust] = TargetTls(self._make(trust), trust)
        return found

    def _make(self, trust: Trust) -> ssl.SSLContext:
        verify, authority_ids, certificate_id = trust
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authority_ids:
            for authority_id in authority_ids:
                context.load_verify_locations(cadata=self._authorities[authority_id].cert)
        elif self._trusted_file:
            context.load_verify_locations(cafile=self._trusted_file)
        else:
            context.load_default_certs()
        if certificate_id is not None:
            certificate = self._certificates[certificate_id]
            load_key_pair(context, KeyPair(certificate.cert, certificate.key))
        return context
