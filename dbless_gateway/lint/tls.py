"""Lints of TLS: services that anybody could pose as, certificates at their end."""

from __future__ import annotations

from datetime import UTC, datetime

from dbless_gateway.config.certificates import expiry_warning
from dbless_gateway.config.drafts import Finding
from dbless_gateway.lint.subject import Found, Subject
from dbless_gateway.snapshot.secrets import reveal

UNVERIFIED = "lint/tls-unverified"

EXPIRES = "lint/certificate-expires"

_VERIFIABLE = frozenset({"https", "tls"})


def unverified(subject: Subject) -> Found:
    """Find services that speak TLS and do not look at the certificate."""
    for service in subject.entities.services:
        if service.protocol not in _VERIFIABLE or service.tls_verify:
            continue
        draft = subject.places.of(service)
        field = next(
            (
                name
                for name in ("tls_verify", "url", "protocol")
                if draft.document.value(draft.node, (name,)) is not None
            ),
            None,
        )
        message = f"the service is spoken to with {service.protocol}, but its certificate is not verified"
        path = (field,) if field is not None else ()
        yield draft, Finding(path, UNVERIFIED, message, "set `tls_verify: true`")


def expiring(subject: Subject) -> Found:
    """Find certificates that have expired or soon will."""
    now = datetime.now(UTC)
    for certificate in reveal(subject.entities).entities.certificates:
        for field, pem in (("cert", certificate.cert), ("cert_alt", certificate.cert_alt)):
            message = expiry_warning(pem, now) if pem is not None else None
            if message is not None:
                yield subject.places.of(certificate), Finding((field,), EXPIRES, message)
