"""Lints of entities that nothing leads to."""

from __future__ import annotations

from dbless_gateway.config.drafts import Finding
from dbless_gateway.config.entities import Entities
from dbless_gateway.lint.subject import Found, Subject
from dbless_gateway.routing.classic import is_http

UPSTREAM = "lint/unused-upstream"
CONSUMER = "lint/unused-consumer"
CERTIFICATE = "lint/unused-certificate"
ROUTE = "lint/unserved-route"

# Their Lua can send a request to any upstream.
_CODE_PLUGINS = frozenset({"pre-function", "post-function"})


def upstreams(subject: Subject) -> Found:
    """Find upstreams that no service has as its host."""
    hosts = {service.host for service in subject.entities.services}
    code = _code(subject.entities)
    for upstream in subject.entities.upstreams:
        if upstream.name not in hosts and upstream.name not in code:
            message = f"no service has `host: {upstream.name}`, so nothing is sent to this upstream"
            yield upstream.where, Finding(("name",), UPSTREAM, message)


def _code(entities: Entities) -> str:
    return "\n".join(str(plugin.config) for plugin in entities.plugins if plugin.name in _CODE_PLUGINS)


def consumers(subject: Subject) -> Found:
    """Find consumers that no request can be identified as."""
    entities = subject.entities
    # Being in a group of acl lets nobody in: it is asked only after somebody has been identified.
    known = {credential.consumer for credential in entities.credentials if credential.kind != "acls"}
    anonymous = {plugin.config.get("anonymous") for plugin in entities.plugins}
    for consumer in entities.consumers:
        if consumer.id not in known and not {consumer.id, consumer.username} & anonymous:
            message = (
                "it has no credential and no plugin names it as `anonymous`, so no request is ever its own"
            )
            name = ("username",) if consumer.username is not None else ("custom_id",)
            yield consumer.where, Finding(name, CONSUMER, message)


def certificates(subject: Subject) -> Found:
    """Find certificates without an SNI that nobody uses as a client certificate either."""
    entities = subject.entities
    used = {sni.certificate for sni in entities.snis}
    used |= {service.client_certificate for service in entities.services if service.client_certificate}
    used |= {upstream.client_certificate for upstream in entities.upstreams if upstream.client_certificate}
    for certificate in entities.certificates:
        if certificate.id not in used:
            message = "it has no SNI, and no service or upstream shows it as `client_certificate`"
            yield certificate.where, Finding((), CERTIFICATE, message)


def routes(subject: Subject) -> Found:
    """Find routes for plain connections, which no listener takes."""
    for route in subject.entities.routes:
        if not is_http(route):
            message = f"nothing listens for {' or '.join(route.protocols)}: only HTTP is proxied"
            yield route.where, Finding(("protocols",), ROUTE, message)
