"""Derived ids: Kong's own vectors."""

from __future__ import annotations

import uuid

import pytest

from dbless_gateway.config.identity import derived_id, keyed_id, namespace
from tests.compat.config.cases import accept


@pytest.mark.parametrize(
    ("collection", "space"),
    [
        ("services", "90050c4f-539a-5bd9-bfb5-2ff1c430ca18"),
        ("routes", "78aafefa-16c7-5598-8955-58dc6264b27a"),
        ("consumers", "7e5adc17-c056-5c54-98c0-7f88774fccf6"),
        ("plugins", "e9b79996-068a-576f-804e-98a685f0a58e"),
        ("upstreams", "0a1e4b48-9c7e-525c-b886-13cc47838983"),
        ("targets", "4a51ee27-eee4-5094-ac5b-88999e7b3335"),
    ],
)
def test_namespaces(collection: str, space: str) -> None:
    assert str(uuid.UUID(bytes=namespace(collection))) == space


def test_vectors() -> None:
    assert derived_id("consumers", "test-consumer-1") == "a73dc9a7-93df-584d-97c0-7f41a1bbce3d"
    assert derived_id("services", "example-service") == "7a267194-6123-5ee0-a1c9-4c1559eb0d95"
    assert keyed_id("plugins", ["key-auth", "", "", ""]) == "6b4f38d1-e026-540b-a5ea-8634739dd2a7"


def test_ids_of_a_whole_file() -> None:
    entities = accept("""
services:
- {name: example-service, host: h, plugins: [{name: key-auth}], routes: [{name: example-route, paths: [/]}]}
upstreams: [{name: up1, targets: [{target: '127.0.0.1:80'}]}]
plugins: [{name: key-auth}]
""")
    assert entities.services[0].id == "7a267194-6123-5ee0-a1c9-4c1559eb0d95"
    assert entities.routes[0].id == "eeb325b8-afd4-5ba2-a113-c34eeb969c1d"
    assert entities.upstreams[0].id == "85b92587-e1f9-522f-9495-6e2d3b1f379e"
    assert entities.targets[0].id == "4d39bbed-ac59-5040-9c41-162dbbe7a19a"
    ids = {plugin.service: plugin.id for plugin in entities.plugins}
    assert ids[None] == "6b4f38d1-e026-540b-a5ea-8634739dd2a7"
    assert ids[entities.services[0].id] == "a1ccf42c-7fce-59d0-a501-839bab28a321"


def test_nameless_entities_keep_their_ids_when_others_change() -> None:
    one = accept("routes: [{paths: [/a]}, {paths: [/b]}]").routes
    two = accept("routes: [{paths: [/new]}, {paths: [/a]}, {paths: [/b], tags: [x]}]").routes
    assert [route.id for route in one] == [route.id for route in two[1:]]


def test_twins_have_ids_of_their_own() -> None:
    one, two = accept("routes: [{paths: [/a]}, {paths: [/a]}]").routes
    assert one.id != two.id


def test_targets_are_told_apart_as_they_are_written() -> None:
    (target,) = accept("upstreams: [{name: up1, targets: [{target: a}]}]").targets
    upstream = "85b92587-e1f9-522f-9495-6e2d3b1f379e"
    assert target.id == keyed_id("targets", [upstream, "a"])
    (flat,) = accept("upstreams: [{name: up1}]\ntargets: [{target: a, upstream: up1}]").targets
    assert flat.id == keyed_id("targets", ["up1", "a"])
