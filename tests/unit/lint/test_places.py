"""Problems of the compiler get the place of their field."""

from __future__ import annotations

import pytest

from dbless_gateway.config.entities import Where
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


PLUGIN = Where("kong.yaml", 7, 9)


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
    found = judged(TEXT).places.refine(problem_at(PLUGIN, "plugin/config", "plugin", message, None), {})

    assert (found.path, found.message) == (path, left)
    assert (found.line, found.column) == place
    assert found.entity.startswith('service "s" > plugin "rate-limiting"')


def test_a_problem_of_nowhere_stays_as_it_is() -> None:
    problem = problem_at(PLUGIN._replace(line=99), "plugin/config", "plugin", "config.minute: x", None)

    assert judged(TEXT).places.refine(problem, {}) is problem


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ('expression: http.host == "a" && http.pth == "/"', (8, 41)),
        ('expression: >-\n          http.host == "a" &&\n          http.pth == "/"', (10, 11)),
        ('expression: "http.path ~ \\"^/(?=a)\\""', (8, 38)),
        ("headers: {x: ['~*it''s(?=a)']}", (8, 31)),
    ],
)
def test_the_character_that_is_wrong(field: str, place: tuple[int, int]) -> None:
    text = f"""
services:
  - name: s
    host: h
    routes:
      - name: r
        {field}
"""
    flavor = "expressions" if field.startswith("expression") else "traditional_compatible"
    problem = judged(text, flavor=flavor).problems[0]

    assert (problem.line, problem.column) == place
    assert problem.offset is None
