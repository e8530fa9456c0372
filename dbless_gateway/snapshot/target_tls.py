"""TLS towards targets: one context for each kind of trust that the services of a configuration ask for.

Services with the same trust share a context, so 2,000 of them cost as much as one. What follows Kong: no
verification unless ``tls_verify`` is true, only ``ca_certificates`` when given. Trust is named by what
certificates say and not by their ids: a key that changes under its id makes new connections.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from dbless_gateway.config.entities import CaCertificate, Certificate, Service, Upstream
from dbless_gateway.config.records import dataclass
from dbless_gateway.snapshot.key_pairs import KeyPair, load_key_pair
from dbless_gateway.snapshot.plan import TargetTls

if TYPE_CHECKING:
    import ssl

_TLS_PROTOCOLS = frozenset(("https", "grpcs", "tls"))


@dataclass(frozen=True, slots=True)
class TargetTlsPolicy:
    """What the settings say for services that say nothing."""

    verify: bool = False  # nginx_proxy_proxy_ssl_verify
    depth: int = 1  # nginx_proxy_proxy_ssl_verify_depth
    trusted_file: str | None = None  # for services without ``ca_certificates``; None: the system's store
    client_pair: KeyPair | None = None  # client_ssl: shown by services without ``client_certificate``


class TargetTlsContexts:
    """Contexts of one configuration, by trust."""

    __slots__ = ("_authorities", "_certificates", "_contexts", "_made", "_policy")

    def __init__(
        self,
        certificates: Mapping[str, Certificate],
        authorities: Mapping[str, CaCertificate],
        policy: TargetTlsPolicy,
    ) -> None:
        self._certificates = certificates
        self._authorities = authorities
        self._policy = policy
        # By what entities say, which is quick to compare; then by what it comes to.
        self._made: dict[tuple[bool, int, tuple[str, ...], str | None], TargetTls] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    def for_service(self, service: Service, upstream: Upstream | None) -> TargetTls | None:
        """Return how to talk TLS to this service's targets; None when it does not."""
        if service.protocol not in _TLS_PROTOCOLS:
            return None
        policy = self._policy
        certificate_id = service.client_certificate or (upstream.client_certificate if upstream else None)
        verify = policy.verify if service.tls_verify is None else service.tls_verify
        depth = policy.depth if service.tls_verify_depth is None else service.tls_verify_depth
        asked = (verify, depth, service.ca_certificates or (), certificate_id)
        found = self._made.get(asked)
        if found is None:
            found = self._made[asked] = self._make(*asked)
        return found

    def _make(
        self, verify: bool, depth: int, authority_ids: tuple[str, ...], certificate_id: str | None
    ) -> TargetTls:
        authorities = [self._authorities[id].cert for id in authority_ids] if verify else []
        pair = self._policy.client_pair
        if certificate_id is not None:
            certificate = self._certificates[certificate_id]
            pair = KeyPair(certificate.cert, certificate.key)
        said = "\0".join((str(verify), *sorted(authorities), *(pair or ())))
        digest = sha256(said.encode()).hexdigest()
        context = self._contexts.get(digest)
        if context is None:
            context = self._contexts[digest] = _context(verify, authorities, self._policy.trusted_file, pair)
        limit = depth if verify else None
        return TargetTls(context, (digest, limit), limit)


def _context(
    verify: bool, authorities: list[str], trusted_file: str | None, pair: KeyPair | None
) -> ssl.SSLContext:
    # Here, because ``validate`` would wait for it, and many configurations have no such targets.
    import ssl

    from dbless_gateway.snapshot.tls_session import TlsSession

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslobject_class = TlsSession
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authorities:
        for authority in authorities:
            context.load_verify_locations(cadata=authority)
    elif trusted_file:
        context.load_verify_locations(cafile=trusted_file)
    else:
        _trust_system(context)
    if pair is not None:
        load_key_pair(context, pair)
    return context


def _trust_system(context: ssl.SSLContext) -> None:
    """Trust the system's authorities; from their folder, since reading all of them takes 50 ms and more."""
    import ssl

    paths = ssl.get_default_verify_paths()
    folder = paths.capath
    if os.environ.get(paths.openssl_cafile_env) is None and folder is not None and _is_hashed(folder):
        context.load_verify_locations(capath=folder)
    else:
        context.load_default_certs()


def _is_hashed(folder: str) -> bool:
    """Tell whether OpenSSL can find certificates there one by one."""
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(".0") for entry in entries)


def is_chain_too_long(session: ssl.SSLObject, depth: int) -> bool:
    """Tell whether there are more authorities between a target's certificate and a trusted one than allowed.

    The ssl module has no setting for it, so the chain is looked at when it has been verified. Its method
    became public with Python 3.13.
    """
    public: Any = getattr(session, "get_verified_chain", None)
    if public is None:
        public = session._sslobj.get_verified_chain  # type: ignore[attr-defined]
    chain = public()
    return chain is not None and len(chain) > depth + 2
