"""When the certificates of a configuration and of the listeners expire; asked for in the loader process.

Reading thousands of certificates takes a while, and nobody who serves needs what they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dbless_gateway.config.certificates import expires_at
from dbless_gateway.config.entities import Entities
from dbless_gateway.runtime.report import CertificateExpiry

NamedTexts = Sequence[tuple[str, str]]


def expiries(revealed: Entities, listeners: NamedTexts) -> tuple[CertificateExpiry, ...]:
    """Return when each certificate expires, the first to do so first; secrets must have been put in."""
    names: dict[str, str] = {}
    for sni in revealed.snis:
        names.setdefault(sni.certificate, sni.name)
    found = [*_listeners(listeners), *_entities(revealed, names)]
    return tuple(sorted(found, key=lambda expiry: (expiry.expires_at, expiry.name)))


def _listeners(listeners: NamedTexts) -> Iterator[CertificateExpiry]:
    for name, text in listeners:
        yield from _read("listener", name, "", text)


def _entities(revealed: Entities, names: Mapping[str, str]) -> Iterator[CertificateExpiry]:
    for certificate in revealed.certificates:
        texts = [text for text in (certificate.cert, certificate.cert_alt) if text]
        yield from _read("certificate", certificate.id, names.get(certificate.id, ""), *texts)
    for authority in revealed.ca_certificates:
        yield from _read("ca_certificate", authority.id, "", authority.cert)


def _read(kind: str, name: str, sni: str, *texts: str) -> Iterator[CertificateExpiry]:
    try:
        end = min(expires_at(text) for text in texts)
    except ValueError:
        return  # What a reference stands for can be anything, and its user tells.
    yield CertificateExpiry(kind, name, sni, end.timestamp())
