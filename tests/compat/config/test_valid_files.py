"""Configurations as people have them: they load, with exactly the warnings that they deserve."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source

FOLDER = Path(__file__).parent / "valid"
ENVIRON = {
    "DECK_HOST": "payments.internal",
    "DECK_PORT": "8443",
    "DECK_ON": "true",
    "DECK_KEY": "k\"'{}\n- x",
}
WARNINGS = {"old-format.yaml": {"plugin/deprecated": 7}, "everything.yaml": {"vault/unresolved": 2}}


def _load(name: str) -> tuple[Entities, Counter[str]]:
    flavor = "expressions" if name == "expressions.yaml" else "traditional_compatible"
    loaded = load([Source(str(FOLDER / name))], LoadOptions(environ=ENVIRON, router_flavor=flavor))
    assert loaded.entities is not None, [problem.headline() for problem in loaded.problems]
    return loaded.entities, Counter(problem.code for problem in loaded.problems)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_loads(name: str) -> None:
    _, warnings = _load(name)
    assert warnings == WARNINGS.get(name, {})


def test_everything() -> None:
    entities, _ = _load("everything.yaml")
    for name in entities.__match_args__:
        if name not in {"ca_certificates", "plugin_code"}:
            assert getattr(entities, name), name
    assert {credential.kind for credential in entities.credentials} == {
        "keyauth_credentials",
        "basicauth_credentials",
        "hmacauth_credentials",
        "jwt_secrets",
        "acls",
        "oauth2_credentials",
    }


def test_old_format() -> None:
    entities, _ = _load("old-format.yaml")
    assert entities.routes[0].paths == (
        r"~/users/(?<id>\d+)/profile",
        "/users/list",
        r"~/files/[a-z]+\.pdf$",
    )
    configs = {plugin.name: plugin.config for plugin in entities.plugins}
    assert configs["acl"]["allow"] == ["staff"]
    assert configs["rate-limiting"]["redis"]["port"] == 6380
    assert configs["http-log"]["headers"] == {"x-source": "gateway, legacy"}


def test_deck() -> None:
    entities, _ = _load("deck.yaml")
    (service,) = entities.services
    assert (service.host, service.port, service.protocol) == ("payments.internal", 8443, "https")
    assert service.tags == ("team-payments", "managed")
    assert entities.targets[0].weight == 10
    limits, logging = sorted(entities.plugins, key=lambda plugin: plugin.name, reverse=True)
    assert (limits.config["minute"], limits.config["limit_by"]) == (10, "consumer")
    assert logging.config["http_endpoint"] == "http://payments.internal:8080/payments"
    # Quotes, braces and line breaks in a secret do not change the structure of the file.
    assert entities.credentials[0].fields["key"] == ENVIRON["DECK_KEY"]


def test_anchors() -> None:
    entities, _ = _load("anchors.yaml")
    one, two = entities.services
    assert (one.port, two.port, two.host, two.read_timeout) == (8080, 9090, "backend.internal", 300000)
    minutes = [plugin.config["minute"] for plugin in entities.plugins if plugin.name == "rate-limiting"]
    assert minutes == [60, 5]


def test_teams_are_one_configuration() -> None:
    entities, _ = _load("teams")
    assert {route.name for route in entities.routes} == {"catalog", "orders"}
    orders = next(service for service in entities.services if service.name == "orders")
    assert orders.tags == ("team-orders",)
    assert [route.service for route in entities.routes if route.name == "orders"] == [orders.id]
    assert entities.targets[0].upstream == entities.upstreams[0].id
