"""The commands that rewrite files: whatever the file, they keep its meaning or refuse, and never raise."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbless_gateway.config.edit import NotEditable, data_of, reformat
from dbless_gateway.config.edit_version import convert
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from tests.property.test_validate_starts import REAL, damaged_files, edit, relaxed

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-99, 99), st.text("ab:#'\"-{}[]&*!|>%@`,? \n\t~é", max_size=12)
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc#:", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@st.composite
def old_files(draw: Callable[..., Any]) -> str:
    chance = random.Random(draw(st.integers(0, 2**32)))
    document = yaml.safe_load(draw(st.sampled_from(REAL)))
    document["_format_version"] = draw(st.sampled_from(["1.1", "2.1"]))
    for _ in range(draw(st.integers(0, 3))):
        edit(document, chance)
    return yaml.safe_dump(document, sort_keys=False).encode("utf-8", "ignore").decode()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, st.booleans(), st.integers(1, 6))
def test_layout_keeps_every_value(document: Any, flow: bool, indent: int) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow, indent=indent, allow_unicode=True)
    try:
        after = reformat(text, is_json=False)
    except NotEditable:
        return
    assert data_of(after, is_json=False) == data_of(text, is_json=False)


@relaxed
@given(damaged_files())
def test_damaged_files_are_refused_or_kept(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    for rewrite in (lambda: reformat(text, is_json=False), lambda: convert(text, is_json=False)):
        with suppress(NotEditable):
            rewrite()


@relaxed
@given(old_files())
def test_a_converted_file_means_the_same(text: str) -> None:
    before = load([Source("kong.yaml", text)], LoadOptions(environ={}, now=1.0, seed=b"x"))
    try:
        converted = convert(text, is_json=False)
    except NotEditable:
        return
    if before.entities is None:
        return
    after = load([Source("kong.yaml", converted.text)], LoadOptions(environ={}, now=1.0, seed=b"x"))
    assert after.entities is not None, [problem.headline() for problem in after.problems]
    assert [route.paths for route in after.entities.routes] == [
        route.paths for route in before.entities.routes
    ]
    assert [plugin.config for plugin in after.entities.plugins] == [
        plugin.config for plugin in before.entities.plugins
    ]
