"""Secrets in place of the references to them, for the compiler alone.

Everything that shows a configuration reads entities, which have references only. What is made here lives for
one compile and is handed to plugins and to OpenSSL. A secret may be missing: then its text is empty, a
certificate without its parts is taken out together with all mention of it, and ``lacking`` names the plugins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dbless_gateway.config.entities import Certificate, Entities, Secret
from dbless_gateway.config.masking import masked_text
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import replace

Path = Sequence[str | int]


class Revealed(NamedTuple):
    """A configuration with its secrets."""

    entities: Entities
    lacking: frozenset[str]  # ids of entities with a secret that is missing
    values: tuple[str, ...]  # to be shown to nobody


def reveal(entities: Entities) -> Revealed:
    """Put the secrets in."""
    if not entities.secrets:
        return Revealed(entities, frozenset(), ())
    by_entity: dict[str, list[Secret]] = {}
    for secret in entities.secrets:
        by_entity.setdefault(secret.entity, []).append(secret)
    plugins = tuple(
        replace(plugin, config=_filled({"config": plugin.config}, by_entity[plugin.id])["config"])
        if plugin.id in by_entity
        else plugin
        for plugin in entities.plugins
    )
    certificates = [_certificate(item, by_entity.get(item.id, ())) for item in entities.certificates]
    return Revealed(
        _with_certificates(replace(entities, plugins=plugins), certificates),
        frozenset(secret.entity for secret in entities.secrets if not secret.value),
        tuple({secret.value for secret in entities.secrets if secret.value}),
    )


def without_secrets(problem: Problem, values: Sequence[str]) -> Problem:
    """Return a problem that quotes no secret."""
    return replace(
        problem, message=masked_text(problem.message, values), entity=masked_text(problem.entity, values)
    )


def _filled(values: Mapping[str, Any], secrets: Sequence[Secret]) -> Mapping[str, Any]:
    for secret in secrets:
        values = _put(values, secret.path, secret.value)
    return values


def _put(container: Any, path: Path, value: str) -> Any:
    """Return a copy of a container with another value at ``path``."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(container, dict):
        return {**container, step: _put(container[step], rest, value)}
    return type(container)(
        _put(item, rest, value) if index == step else item for index, item in enumerate(container)
    )


def _certificate(certificate: Certificate, secrets: Sequence[Secret]) -> Certificate:
    given: dict[str, Any] = {str(secret.path[0]): secret.value for secret in secrets}
    if not secrets:
        return certificate
    certificate = replace(certificate, **given)
    if not (certificate.cert_alt and certificate.key_alt):
        certificate = replace(certificate, cert_alt=None, key_alt=None)
    return certificate


def _with_certificates(entities: Entities, certificates: Sequence[Certificate]) -> Entities:
    """Return the configuration with those of the certificates that are whole."""
    whole = tuple(item for item in certificates if item.cert and item.key)
    if len(whole) == len(certificates):
        return replace(entities, certificates=whole)
    gone = {item.id for item in certificates if not (item.cert and item.key)}
    return replace(
        entities,
        certificates=whole,
        snis=tuple(sni for sni in entities.snis if sni.certificate not in gone),
        services=tuple(
            replace(item, client_certificate=None) if item.client_certificate in gone else item
            for item in entities.services
        ),
        upstreams=tuple(
            replace(item, client_certificate=None) if item.client_certificate in gone else item
            for item in entities.upstreams
        ),
    )
