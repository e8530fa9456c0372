"""Certificates towards clients: which one a server name gets, each compiled into a context of its own.

Lookup follows Kong: the exact name, ``*.rest``, ``prefix.*``, ``*``, and else the default certificate, which
is the settings' and so not known here: None stands for it. A client without SNI gets the default, not ``*``.

A context here only lends its certificates: protocols, ciphers and session tickets of a handshake are those of
the context that the listener was made with (``server_context`` makes both kinds, so they agree).
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING

from dbless_gateway.config.entities import Certificate, Sni
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import dataclass
from dbless_gateway.snapshot.key_pairs import KeyPair, load_key_pair
from dbless_gateway.snapshot.plugin_loader import problem_at

if TYPE_CHECKING:
    import ssl

# "Intermediate" of Mozilla's recommendations, as Kong has it.
INTERMEDIATE_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
)

PROTOCOLS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_VERIFY_MODES = {"off": "CERT_NONE", "optional": "CERT_OPTIONAL", "on": "CERT_REQUIRED"}
VERIFY_CLIENT_MODES = tuple(_VERIFY_MODES)


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """What the settings say about TLS with clients."""

    protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str | None = INTERMEDIATE_CIPHERS  # of TLS up to 1.2; None is OpenSSL's choice
    prefers_own_ciphers: bool = False
    session_tickets: bool = True
    dhparam_file: str | None = None
    client_authorities: str | None = None  # PEM
    verify_client: str = "off"  # one of VERIFY_CLIENT_MODES


def server_context(policy: TlsPolicy, pairs: Iterable[KeyPair]) -> ssl.SSLContext:
    """Make a context with these certificates; OpenSSL picks by the kinds of key a client knows."""
    # Here, because most configurations have no certificates, and ``validate`` would wait for it.
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = [ssl.TLSVersion[name.replace(".", "_")] for name in policy.protocols]
    with warnings.catch_warnings():
        # Who sets ssl_protocols to TLSv1 knows.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = min(versions), max(versions)
    if policy.ciphers is not None:
        context.set_ciphers(policy.ciphers)
    if not policy.prefers_own_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if not policy.session_tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    if policy.dhparam_file is not None:
        context.load_dh_params(policy.dhparam_file)
    context.set_alpn_protocols(["http/1.1"])
    if policy.client_authorities is not None:
        context.load_verify_locations(cadata=policy.client_authorities)
        context.verify_mode = ssl.VerifyMode[_VERIFY_MODES[policy.verify_client]]
    for pair in pairs:
        load_key_pair(context, pair)
    return context


class ServerCertificates:
    """The contexts of one configuration, by server name."""

    __slots__ = ("_by_name",)

    def __init__(self, by_name: Mapping[str, ssl.SSLContext]) -> None:
        self._by_name = by_name

    def find(self, server_name: str | None) -> ssl.SSLContext | None:
        """Return the context for a client that asks for this name; None is the default certificate."""
        by_name = self._by_name
        if not by_name or not server_name:
            return None
        name = server_name.lower().removesuffix(".")
        found = by_name.get(name)
        if found is None:
            rest = name.partition(".")[2]
            # "*.com" is nobody's: one dot at least must follow the star's.
            if "." in rest:
                found = by_name.get(f"*.{rest}")
            if found is None and rest:
                found = by_name.get(f"{name.rpartition('.')[0]}.*")
        return found if found is not None else by_name.get("*")


NO_CERTIFICATES = ServerCertificates({})


def compile_certificates(
    certificates: Iterable[Certificate],
    snis: Iterable[Sni],
    policy: TlsPolicy | None,
    problems: list[Problem],
) -> Generator[None, None, ServerCertificates]:
    """Make a context for each certificate that a name leads to; ``policy`` None: nobody speaks TLS here."""
    if policy is None:
        return NO_CERTIFICATES
    names_of: dict[str, list[str]] = {}
    for sni in snis:
        names_of.setdefault(sni.certificate, []).append(sni.name.lower())
    by_name: dict[str, ssl.SSLContext] = {}
    for certificate in certificates:
        if certificate.id not in names_of:
            continue
        try:
            context = server_context(policy, _pairs(certificate))
        except OSError as error:
            problems.append(_problem(certificate, names_of[certificate.id], error))
        else:
            by_name.update(dict.fromkeys(names_of[certificate.id], context))
        yield  # One of them takes half a millisecond.
    return ServerCertificates(by_name)


def _pairs(certificate: Certificate) -> list[KeyPair]:
    pairs = [KeyPair(certificate.cert, certificate.key)]
    if certificate.cert_alt is not None and certificate.key_alt is not None:
        pairs.append(KeyPair(certificate.cert_alt, certificate.key_alt))
    return pairs


def _problem(certificate: Certificate, names: list[str], error: Exception) -> Problem:
    entity = f'certificate "{names[0]}"'
    message = f"TLS cannot use this certificate: {error}"
    return problem_at(certificate.where, "certificate/unusable", entity, message, None)
