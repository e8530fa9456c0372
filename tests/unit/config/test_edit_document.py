"""Changes of a text, each shown as the whole text before and after."""

from __future__ import annotations

import json

import pytest

from dbless_gateway.config.edit import NotEditable
from dbless_gateway.config.edit_document import ROUND_TRIP_MAX_BYTES, edit
from dbless_gateway.config.edit_steps import Add, Drop, Put, Step

TEXT = """\
# top
services:
  - name: a # the first
    # where it is
    host: a.test
    routes:
      - name: r # a route
        paths: [/r]

  # the second
  - name: b
    host: b.test
    tags:
      - x  # why
# end
"""


@pytest.mark.parametrize(
    ("steps", "old", "new"),
    [
        ([Put(("services", 0), "host", "c.test")], "    host: a.test\n", "    host: c.test\n"),
        ([Put(("services", 0), "name", "c")], "  - name: a # the", "  - name: c # the"),
        ([Put(("services", 0), "port", 1)], "    host: a.test\n", "    host: a.test\n    port: 1\n"),
        (
            [Put(("services", 0), "port", 1), Put(("services", 0), "retries", 2)],
            "    host: a.test\n",
            "    host: a.test\n    port: 1\n    retries: 2\n",
        ),
        ([Put(("services", 0, "routes", 0), "paths", ["/s"])], "paths: [/r]\n", "paths:\n          - /s\n"),
        ([Put(("services", 1), "tags", None)], "tags:\n      - x  # why\n", "tags: null\n"),
        ([Put(("services", 1), "name", "on")], "name: b\n", "name: 'on'\n"),
        ([Put(("services", 1), "name", "a\nb\n")], "name: b\n", "name: |\n      a\n      b\n"),
        ([Put((), "consumers", [{"username": "u"}])], "# end\n", "consumers:\n  - username: u\n# end\n"),
        ([Add((), "consumers", {"username": "u"})], "# end\n", "consumers:\n  - username: u\n# end\n"),
        ([Add((), "services", {"name": "c", "host": "h"})], "# end\n", "  - name: c\n    host: h\n# end\n"),
        (
            [Add(("services", 0), "routes", {"paths": ["/x"]})],
            "        paths: [/r]\n",
            "        paths: [/r]\n      - paths:\n          - /x\n",
        ),
        ([Add(("services", 1), "tags", "y")], "- x  # why\n", "- x  # why\n      - y\n"),
        ([Drop(("services", 1, "tags"))], "    tags:\n      - x  # why\n", ""),
        ([Drop(("services", 1, "tags", 0))], "    tags:\n      - x  # why\n", ""),
        ([Drop(("services", 1, "host"))], "    host: b.test\n", ""),
        ([Drop(("services", 1, "name"))], "  - name: b\n    host", "  - host"),
        (
            [Drop(("services", 0, "routes", 0))],
            "    routes:\n      - name: r # a route\n        paths: [/r]\n",
            "",
        ),
        ([Drop(("services", 1))], "  - name: b\n    host: b.test\n    tags:\n      - x  # why\n", ""),
        (
            [Drop(("services", 1)), Add((), "services", {"name": "d"})],
            "  - name: b\n    host: b.test\n    tags:\n      - x  # why\n",
            "  - name: d\n",
        ),
        ([], "# top\n", "# top\n"),
    ],
)
def test_only_what_changes_changes(steps: list[Step], old: str, new: str) -> None:
    assert TEXT.count(old) == 1
    assert edit(TEXT, steps, is_json=False) == TEXT.replace(old, new)


def test_lists_are_written_as_the_file_writes_them() -> None:
    text = "services:\n- name: a\n  tags:\n  - x\n"
    assert edit(text, [Add((), "upstreams", {"name": "u", "tags": ["t"]})], is_json=False) == (
        text + "upstreams:\n- name: u\n  tags:\n  - t\n"
    )
    assert edit(text, [Add(("services", 0), "tags", "y")], is_json=False) == text + "  - y\n"


def test_a_last_line_may_lack_its_end() -> None:
    assert edit("services: []", [Add((), "services", {"name": "a"})], is_json=False) == (
        "services:\n  - name: a"
    )
    assert edit("a: 1", [Put((), "b", 2)], is_json=False) == "a: 1\nb: 2\n"


def test_flow_style_goes_through_a_round_trip() -> None:
    text = "# c\nservices: [{name: a, host: h}] # d\n"
    after = edit(text, [Put(("services", 0), "port", 1)], is_json=False)
    assert after == "# c\nservices: [{name: a, host: h, port: 1}] # d\n"


def test_what_is_shared_by_an_anchor_is_refused() -> None:
    text = "_x: &x {name: a}\nservices:\n  - *x\nconsumers:\n  - *x\n"
    with pytest.raises(NotEditable):
        edit(text, [Put(("services", 0), "name", "b")], is_json=False)


def test_a_large_file_has_no_round_trip() -> None:
    text = "services: [{name: a}]\n" + "# x\n" * (ROUND_TRIP_MAX_BYTES // 4)
    with pytest.raises(NotEditable, match="of this size"):
        edit(text, [Put(("services", 0), "name", "b")], is_json=False)


def test_json_stays_json() -> None:
    text = json.dumps({"services": [{"name": "a", "tags": ["x"]}]})
    after = edit(text, [Put(("services", 0), "name", "b"), Drop(("services", 0, "tags", 0))], is_json=True)
    assert json.loads(after) == {"services": [{"name": "b"}]}
