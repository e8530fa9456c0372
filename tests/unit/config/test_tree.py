"""Nested entities taken apart: order, parents, limits."""

from __future__ import annotations

import pytest

from dbless_gateway.config import tree
from dbless_gateway.config.drafts import Draft, Report
from dbless_gateway.config.positions import read_yaml
from dbless_gateway.config.schemas import load_schemas

TEXT = """
services:
- name: a
  plugins: [{name: x}]
  routes: [{name: r, plugins: [{name: y}]}]
consumers: [{username: c, acls: [{group: g}]}]
plugins: [{name: z}]
"""


def _drafts(text: str) -> tuple[list[Draft], Report]:
    document, _ = read_yaml(text, "f")
    report = Report()
    return list(tree.collect_drafts(document, load_schemas(), report)), report


def test_parents_come_first_and_own_their_children() -> None:
    drafts, _ = _drafts(TEXT)
    shown = [
        (draft.kind, draft.parent.kind if draft.parent else None, draft.parent_field) for draft in drafts
    ]
    assert shown == [
        ("service", None, None),
        ("route", "service", "service"),
        ("plugin", "route", "route"),
        ("plugin", "service", "service"),
        ("consumer", None, None),
        ("acl", "consumer", "consumer"),
        ("plugin", None, None),
    ]
    assert all(not {"routes", "plugins", "acls"} & set(draft.fields) for draft in drafts)


def test_paths_follow_the_nesting() -> None:
    drafts, _ = _drafts(TEXT)
    assert drafts[2].path() == ("services", 0, "routes", 0, "plugins", 0)


def test_the_number_of_entities_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_ENTITIES", 2)
    drafts, report = _drafts("services: [{}, {}, {}, {}]")
    assert len(drafts) == 2
    assert [problem.code for problem in report.problems] == ["format/too-many"]
