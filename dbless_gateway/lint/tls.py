"""Lints of TLS: services that anybody could pose as, certificates at their end."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from dbless_gateway.config.certificates import expiry_warning
from dbless_gateway.config.drafts import Draft, Finding
from dbless_gateway.lint.places import Places
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
        yield service.where, partial(_unverified, service.protocol)


def _unverified(protocol: str, draft: Draft, _: Places) -> Finding:
    """Return the finding at the field of the file that asks for it."""
    fields = (
        name
        for name in ("tls_verify", "url", "protocol")
        if draft.document.value(draft.node, (name,)) is not None
    )
    field = next(fields, None)
    message = f"the service is spoken to with {protocol}, but its certificate is not verified"
    return Finding((field,) if field is not None else (), UNVERIFIED, message, "set `tls_verify: true`")


def expiring(subject: Subject) -> Found:
    """Find certificates that have expired or soon will."""
    now = datetime.now(UTC)
    for certificate in reveal(subject.entities).entities.certificates:
        for field, pem in (("cert", certificate.cert), ("cert_alt", certificate.cert_alt)):
            message = expiry_warning(pem, now) if pem is not None else None
            if message is not None:
                yield certificate.where, Finding((field,), EXPIRES, message)
