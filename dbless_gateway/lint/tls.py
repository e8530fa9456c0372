"""A lint of services: TLS that anybody could answer."""

from __future__ import annotations

from dbless_gateway.config.drafts import Finding
from dbless_gateway.lint.subject import Found, Subject

UNVERIFIED = "lint/tls-unverified"

_VERIFIABLE = frozenset({"https", "tls"})


def unverified(subject: Subject) -> Found:
    """Find services that speak TLS and do not look at the certificate."""
    for service in subject.entities.services:
        if service.protocol not in _VERIFIABLE or service.tls_verify:
            continue
        draft = subject.places.of(service)
        field = next(
            (name for name in ("tls_verify", "url", "protocol") if draft.fields.get(name) is not None), None
        )
        message = f"the service is spoken to with {service.protocol}, but its certificate is not verified"
        path = (field,) if field is not None else ()
        yield draft, Finding(path, UNVERIFIED, message, "set `tls_verify: true`")
