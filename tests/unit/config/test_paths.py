"""The normal form of paths, and paths of old formats."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.config.paths import migrate_path, normalize_path


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("/a/%2e%2e/b", "/b"),
        ("/a//b", "/a/b"),
        ("/%7Efoo", "/~foo"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/%C3%A4", "/ä"),
        ("/foo%20bar", "/foo bar"),
        ("/%99", "/%99"),
        ("/a/./b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/../a", "/a"),
        ("/a/b/../../..", "/"),
        ("/...", "/..."),
        ("/.a", "/.a"),
        ("/a%", "/a%"),
    ],
)
def test_normal_form(path: str, normal: str) -> None:
    assert normalize_path(path) == normal


@given(st.text(alphabet=string.ascii_lowercase + "/.~-_").map("/".__add__))
def test_a_normal_path_stays(path: str) -> None:
    normal = normalize_path(path)
    assert normalize_path(normal) == normal
    assert normal.startswith("/")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/a/b", "/a/b"),
        ("/a//b/%7e", "/a/b/~"),
        ("/a.b", "/a.b"),
        ("/a(b)", "~/a(b)"),
        (r"/\d+", r"~/\d+"),
        ("/(a)%2E", r"~/(a)\."),
        ("/(a)%2fb", "~/(a)%2Fb"),
        ("/(a)%7B", r"~/(a)\{"),
        ("/(a)%61", "~/(a)a"),
    ],
)
def test_migration(old: str, new: str) -> None:
    assert migrate_path(old) == new
