"""Entities as documents: nesting, names, masks."""

from __future__ import annotations

from typing import Any

from dbless_gateway.config.export import export
from dbless_gateway.config.masking import MASK
from tests.compat.config.cases import accept

TEXT = """
services: [{name: s, host: h, routes: [{name: r, paths: [/]}]}]
consumers: [{username: c, keyauth_credentials: [{key: k}], groups: [{name: g}]}]
consumer_groups: [{name: g}]
plugins:
- {name: rate-limiting, service: s, consumer: c, config: {minute: 5, redis: {password: secret}}}
- {name: http-log, route: r, config: {http_endpoint: 'http://u:p@h'}}
upstreams: [{name: u, targets: [{target: a}]}]
certificates: [{cert: '{vault://env/c}', key: '{vault://env/k}', snis: [{name: x}]}]
"""


def _document(**options: Any) -> dict[str, Any]:
    return export(accept(TEXT), **options)


def test_nested() -> None:
    document = _document()
    assert document["services"][0]["routes"][0]["plugins"][0]["name"] == "http-log"
    assert document["consumers"][0]["keyauth_credentials"][0]["key"] == "k"
    assert document["consumers"][0]["groups"] == [{"name": "g"}]
    assert document["upstreams"][0]["targets"][0]["target"] == "a:8000"
    assert document["certificates"][0]["snis"][0]["name"] == "x"
    (both,) = document["plugins"]
    assert (both["service"], both["consumer"]) == ("s", "c")
    assert "routes" not in document


def test_flat() -> None:
    document = _document(nested=False)
    assert document["routes"][0]["service"] == document["services"][0]["id"]
    assert document["keyauth_credentials"][0]["consumer"] == document["consumers"][0]["id"]
    assert len(document["plugins"]) == 2
    (pair,) = document["consumer_group_consumers"]
    assert pair["consumer_group"] == document["consumer_groups"][0]["id"]


def test_secrets_are_masked_and_references_are_not() -> None:
    document = _document(nested=False, mask_secrets=True)
    assert document["keyauth_credentials"][0]["key"] == MASK
    assert document["certificates"][0]["key"] == "{vault://env/k}"
    configs = {plugin["name"]: plugin["config"] for plugin in document["plugins"]}
    assert configs["rate-limiting"]["redis"]["password"] == MASK
    assert configs["http-log"]["http_endpoint"] == MASK
    assert "secret" not in repr(document["plugins"])


def test_masking_leaves_the_entities_alone() -> None:
    entities = accept(TEXT)
    export(entities, mask_secrets=True)
    assert entities.credentials[0].fields["key"] == "k"
    assert entities.plugins[0].config["redis"]["password"] == "secret"
