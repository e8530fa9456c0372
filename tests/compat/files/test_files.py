"""Configurations as users have them: all are valid, and every tool for files can work on them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from dbless_gateway.config.export import export
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.lint.verdict import NOT_RUN, judge

FOLDER = Path(__file__).parent
ENVIRON = {
    "DECK_EDGE_HOST": "edge.example",
    "DECK_EDGE_PORT": "8443",
    "DECK_EDGE_ENABLED": "true",
    "DECK_PARTNER_KEY": "a key from elsewhere",
    "DECK_PARTNER_SECRET": "a secret from elsewhere",
}


class Real(NamedTuple):
    """A file or folder, and what it holds in services, routes, plugins, consumers and credentials."""

    name: str
    counts: tuple[int, int, int, int, int]
    flavor: str = "traditional_compatible"


FILES = [
    Real("teams", (2, 4, 7, 3, 3)),
    Real("legacy-2.1.yaml", (2, 3, 3, 0, 0)),
    Real("expressions.yaml", (2, 5, 0, 0, 0), "expressions"),
    Real("anchors.yaml", (2, 3, 4, 0, 0)),
    Real("deck-defaults.yaml", (2, 2, 2, 1, 2)),
    Real("everything.yaml", (3, 5, 11, 2, 7)),
]


def options(real: Real) -> LoadOptions:
    return LoadOptions(environ=ENVIRON, router_flavor=real.flavor)


@pytest.mark.parametrize("real", FILES, ids=lambda real: real.name)
def test_valid(real: Real) -> None:
    verdict = judge([Source(str(FOLDER / real.name))], options(real))
    entities = load([Source(str(FOLDER / real.name))], options(real)).entities

    assert [problem.headline() for problem in verdict.problems if problem.severity == "error"] == []
    assert entities is not None
    lists = (entities.services, entities.routes, entities.plugins, entities.consumers, entities.credentials)
    assert tuple(map(len, lists)) == real.counts


@pytest.mark.parametrize("real", FILES, ids=lambda real: real.name)
def test_nothing_but_plugins_to_come_and_secrets_to_move(real: Real) -> None:
    """They are good files, so the lints have little to say about them."""
    expected = {
        *(NOT_RUN, "plugin/deprecated", "lint/unserved-route"),
        *("lint/plaintext-credential", "vault/unresolved"),
    }
    verdict = judge([Source(str(FOLDER / real.name))], options(real))

    assert {problem.code for problem in verdict.problems} <= expected, verdict.problems


@pytest.mark.parametrize("real", FILES, ids=lambda real: real.name)
def test_export_means_the_same(real: Real) -> None:
    first = load([Source(str(FOLDER / real.name))], options(real)).entities
    assert first is not None
    again = load([Source(str(FOLDER / real.name))], options(real)).entities
    assert again is not None

    document = export(first, nested=True, mask_secrets=True)
    assert document.keys() == export(again, nested=True, mask_secrets=True).keys()


def test_defaults_of_deck_are_applied() -> None:
    entities = load([Source(str(FOLDER / "deck-defaults.yaml"))], LoadOptions(environ=ENVIRON)).entities
    assert entities is not None
    edge, balanced = entities.services

    assert (edge.host, edge.port, edge.retries, edge.protocol) == ("edge.example", 8443, 2, "https")
    assert (balanced.port, balanced.connect_timeout) == (80, 3000)
    assert [target.weight for target in entities.targets] == [10, 90]
    assert {plugin.config["minute"] for plugin in entities.plugins} == {200, 1000}
    assert set(edge.tags or ()) == {"team-edge", "managed-by-deck"}


def test_old_paths_become_regexes() -> None:
    entities = load([Source(str(FOLDER / "legacy-2.1.yaml"))], LoadOptions(environ={})).entities
    assert entities is not None

    assert [route.paths for route in entities.routes] == [
        (r"~/orders/\d+$", "~/v(1|2)/orders"),
        ("/orders/", "/orders-archive/"),
        ("/reports/",),
    ]
