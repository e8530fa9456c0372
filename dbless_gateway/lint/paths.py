"""Lints of route paths: prefixes that take more than their author sees, and regexes that are none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbless_gateway.config.drafts import Finding
from dbless_gateway.config.entities import Route
from dbless_gateway.lint.subject import Found, Subject

PREFIX_BOUNDARY = "lint/prefix-boundary"
REGEX_WITHOUT_TILDE = "lint/regex-without-tilde"

# What a plain path may contain and hardly ever does: a group, a repetition, an end.
_LOOKS_LIKE_REGEX = re.compile(r"\(.*\)|[.)][*+]|\$$")
_REGEX_META = re.compile(r"([.^$*+?()\[\]{}|\\])")


def prefix_boundary(subject: Subject) -> Found:
    """Find prefixes that end within a segment."""
    for route, index, path in _prefixes(subject):
        if not path.endswith("/") and _LOOKS_LIKE_REGEX.search(path) is None:
            message = f"the prefix ends within a segment: it also takes `{path}-1` and `{path}x/y`"
            suggestion = f"for whole segments only: `~{_quoted(path)}(?:/|$)`"
            yield route.where, Finding(("paths", index), PREFIX_BOUNDARY, message, suggestion)


def regex_without_tilde(subject: Subject) -> Found:
    """Find prefixes that are written like regular expressions."""
    for route, index, path in _prefixes(subject):
        if _LOOKS_LIKE_REGEX.search(path) is not None:
            message = "looks like a regular expression, but without `~` it is compared literally"
            finding = Finding(("paths", index), REGEX_WITHOUT_TILDE, message, f"write `~{path}`")
            yield route.where, finding


def _prefixes(subject: Subject) -> Iterator[tuple[Route, int, str]]:
    for route in subject.entities.routes:
        for index, path in enumerate(route.paths or ()):
            if not path.startswith("~"):
                yield route, index, path


def _quoted(path: str) -> str:
    return _REGEX_META.sub(r"\\\1", path)
