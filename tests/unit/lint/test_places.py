"""Problems of the compiler get the place of their field."""

from __future__ import annotations

import pytest

from dbless_gateway.lint.places import Places
from dbless_gateway.snapshot.plugin_loader import problem_at
from tests.support.findings import judged

TEXT = """
services:
  - name: s
    host: h
    plugins:
      - name: rate-limiting
        config:
          minute: 5
"""


@pytest.mark.parametrize(
    ("message", "path", "place", "left"),
    [
        ("config.minute: too few", "services[0].plugins[0].config.minute", (9, 19), "too few"),
        ("config: contradicts itself", "services[0].plugins[0].config", (9, 11), "contradicts itself"),
        ("no field: just words", "services[0].plugins[0]", (7, 9), "no field: just words"),
        ("nothing at all", "services[0].plugins[0]", (7, 9), "nothing at all"),
    ],
)
def test_refine(message: str, path: str, place: tuple[int, int], left: str) -> None:
    verdict = judged(TEXT)
    assert verdict.loaded.entities is not None
    plugin = verdict.loaded.entities.plugins[0]
    places = Places(verdict.loaded.documents)
    found = places.refine(problem_at(plugin.where, "plugin/config", "plugin", message, None))

    assert (found.path, found.message) == (path, left)
    assert (found.line, found.column) == place
    assert found.entity.startswith('service "s" > plugin "rate-limiting"')


def test_a_problem_of_nowhere_stays_as_it_is() -> None:
    verdict = judged(TEXT)
    assert verdict.loaded.entities is not None
    where = verdict.loaded.entities.plugins[0].where._replace(line=99)
    problem = problem_at(where, "plugin/config", "plugin", "config.minute: x", None)

    assert verdict.places.refine(problem) is problem
