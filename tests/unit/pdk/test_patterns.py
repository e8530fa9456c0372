"""Patterns of a configuration."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.patterns import compile_pattern


def test_search_and_match() -> None:
    pattern = compile_pattern(r"b\d+")

    assert pattern.search("ab12")
    assert not pattern.match("ab12")


def test_what_re2_does_not_know_still_works() -> None:
    assert compile_pattern(r"a(?!b)").search("ac")


def test_what_is_no_pattern() -> None:
    with pytest.raises(ValueError, match="missing"):
        compile_pattern("(")
