"""What is compiled of a configuration with mistakes: what would be the same without them."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.load import Loaded
from tests.compat.config.cases import load_text
from tests.support.findings import judged

CASES = [
    ("a good file has only its whole", "services: [{name: s, host: h}]", None),
    ("a mistake costs its entity", "services: [{name: s}, {name: t, host: h}]", {"t"}),
    ("a route stands alone", "services: [{name: s, routes: [{name: r, paths: [/]}]}]", {"r"}),
    ("a target does not", "upstreams: [{name: u, slots: 1, targets: [{target: a}]}]", set()),
    ("a plugin stands alone", "routes: [{name: r, plugins: [{name: cors, instance_name: p}]}]", {"p"}),
    ("unless who asks is wrong", "consumers: [{}]\nplugins: [{name: cors, instance_name: p}]", set()),
    ("of clashing ones the first stays", "services: [{name: s, host: h}, {name: s, host: i}]", {"s"}),
    ("nothing with a variable that is missing", 'services: [{name: s, host: "${{ env \'DECK_NO\' }}"}]', set()),
]  # fmt: skip


def _names(loaded: Loaded) -> set[str] | None:
    sound = loaded.sound
    if sound is None:
        return None
    entities: list[Any] = [*sound.services, *sound.routes, *sound.upstreams]
    return {entity.name for entity in entities} | {str(plugin.instance_name) for plugin in sound.plugins}


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_sound_part(text: str, expected: set[str] | None) -> None:
    loaded = load_text(text)

    assert (loaded.entities is None) == (expected is not None)
    assert _names(loaded) == expected


def test_a_service_without_its_authority_is_left_out() -> None:
    authority = "0b1b3b6e-0d3b-4f1e-9d8a-0e7b0d7a4b11"
    text = f"""
services: [{{name: s, url: https://h, ca_certificates: [{authority}]}}, {{name: t, host: h}}]
ca_certificates: [{{id: {authority}, cert: x}}]
"""
    assert _names(load_text(text)) == {"t"}


def test_all_problems_come_at_once() -> None:
    """Of the schema, of references, of a plugin, and what only the router knows."""
    text = """
services: [{name: s, routes: [{paths: [/a/], headers: {x: ['~*(']}}]}]
routes: [{service: nope, paths: [/b/]}, {paths: [/c/], plugins: [{name: opentelemetry, config: {}}]}]
plugins: [{name: grpc-web}]
"""
    problems = judged(text).problems
    assert [(problem.code, problem.path) for problem in problems if problem.code != "plugin/deprecated"] == [
        ("schema/required", "services[0].host"),
        ("schema/regex", "services[0].routes[0].headers.x[0]"),
        ("reference/missing", "routes[0].service"),
        ("rule/one-of", "routes[1].plugins[0].config"),
        ("plugin/not-run", "plugins[0]"),
    ]
