"""Prefixes that take more than they seem to, and regexes that are none."""

from __future__ import annotations

import re

import pytest

from dbless_gateway.lint.paths import PREFIX_BOUNDARY, REGEX_WITHOUT_TILDE
from tests.support.findings import findings

ROUTE = "routes: [{name: r, paths: ['%s']}]"


@pytest.mark.parametrize("path", ["/test", "/a/b.c", "/a-"])
def test_prefix_inside_a_segment(path: str) -> None:
    (found,) = findings(ROUTE % path, PREFIX_BOUNDARY)

    assert found.path == "routes[0].paths[0]"
    assert found.entity == 'route "r" > paths[0]'
    assert f"`{path}-1`" in found.message
    assert found.severity == "warning"


@pytest.mark.parametrize("path", ["/", "/test/", "~/test", "/test/(.*)"])
def test_prefix_at_a_boundary(path: str) -> None:
    assert findings(ROUTE % path, PREFIX_BOUNDARY) == []


@pytest.mark.parametrize("path", ["/test", "/a.b", "/a+b"])
def test_suggested_path_takes_whole_segments_only(path: str) -> None:
    (found,) = findings(ROUTE % path, PREFIX_BOUNDARY)
    suggested = found.suggestion.split("`")[1] if found.suggestion else ""

    assert suggested.startswith("~")
    pattern = re.compile(suggested[1:])
    assert pattern.match(path)
    assert pattern.match(f"{path}/x")
    assert not pattern.match(f"{path}-1")
    assert findings(ROUTE % suggested, PREFIX_BOUNDARY) == []


@pytest.mark.parametrize("path", ["/users/(.*)", "/users$", "/a.*", "/a.+/b"])
def test_regex_that_is_none(path: str) -> None:
    (found,) = findings(ROUTE % path, REGEX_WITHOUT_TILDE)

    assert found.suggestion == f"write `~{path}`"


@pytest.mark.parametrize("path", ["/users", "/a.b", "~/users/(.*)$", "/c++", "/price$list"])
def test_plain_path(path: str) -> None:
    assert findings(ROUTE % path, REGEX_WITHOUT_TILDE) == []


def test_old_formats_mean_regexes() -> None:
    text = '_format_version: "2.1"\nroutes: [{name: r, paths: ["/users/(.*)"]}]'
    assert findings(text, REGEX_WITHOUT_TILDE) == []
