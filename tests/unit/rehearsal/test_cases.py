"""Test files become cases, or problems with the place of the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbless_gateway.config.load import LoadOptions
from dbless_gateway.config.source import Source
from dbless_gateway.rehearsal.cases import Case, read_cases

OPTIONS = LoadOptions(environ={"DECK_KEY": "k9"})


def read(text: str) -> tuple[list[Case], list[str]]:
    cases, problems = read_cases([Source("tests.yaml", text)], OPTIONS)
    return cases, [problem.headline() for problem in problems]


def test_a_short_case() -> None:
    (case,), problems = read(
        "tests:\n  - name: a\n    request: get  http://a.test/x\n    expect: {status: 200}\n"
    )

    assert problems == []
    assert (case.file, case.line, case.name, case.times, case.at_s) == ("tests.yaml", 2, "a", 1, None)
    assert (case.question.method, case.question.url) == ("GET", "http://a.test/x")
    assert case.answer.status == 200
    assert case.lines == {"status": 4}


def test_a_long_case() -> None:
    text = """tests:
- name: a
  request:
    method: POST
    url: https://a.test/x
    headers: {apikey: '${{ env "DECK_KEY" }}', x-many: [a, 1, true]}
    body: hello
    client_ip: 192.0.2.1
    sni: b.test
  times: 3
  at: 2026-01-31T12:00:00
  target_answers: {status: 503, headers: {x-a: 1}, body: no, refuses: false}
  expect:
    route: null
    target:
      headers: {x-b: null}
      path: ~^/x
"""
    (case,), problems = read(text.replace("body: no,", "body: 'no',"))

    assert problems == []
    assert case.question.headers == (("apikey", "k9"), ("x-many", "a"), ("x-many", "1"), ("x-many", "true"))
    assert (case.question.body, case.question.client_ip, case.question.sni) == (
        b"hello",
        "192.0.2.1",
        "b.test",
    )
    assert (case.times, case.at_s) == (3, 1769860800.0)
    assert (case.answer.status, case.answer.headers, case.answer.body) == (503, (("x-a", "1"),), b"no")
    assert case.lines == {"route": 14, "target": 15, "target.headers": 16, "target.path": 17}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("tests: []", "1:8", "tests"),
        ("test: []", "1:1", "required field missing"),
        ("tests: [{name: a, request: GET /, expect: {}}]", "1:43", "expect"),
        ("tests: [{name: a, request: GET /, expect: {rout: a}}]", "1:44", "unknown field"),
        ("tests: [{name: a, request: GET, expect: {route: a}}]", "1:28", "request"),
        (
            "tests: [{name: a, request: GET x, expect: {route: a}}]",
            "1:28",
            "neither http://HOST/PATH nor a path",
        ),
        ("tests: [{name: a, request: {url: /, client_ip: x}, expect: {route: a}}]", "1:28", "no IP address"),
        ("tests: [{name: a, request: GET /, times: 0, expect: {route: a}}]", "1:42", "times"),
        (
            "tests: [{name: a, request: GET /, at: noon, expect: {route: a}}]",
            "1:39",
            "expected a time such as",
        ),
        ("tests: [{name: a, request: GET /, expect: {body: '~('}}]", "1:50", "invalid regex"),
        ("tests: [{name: a, request: GET /, expect: {target: {path: '~['}}}]", "1:59", "invalid regex"),
        ("tests: [", "1:9", ""),
    ],
)
def test_mistakes_have_a_place(text: str, place: str, message: str) -> None:
    cases, problems = read(text)

    assert cases == []
    assert problems[0].startswith(f"tests.yaml:{place}: error[")
    assert message in problems[0]


def test_one_mistake_does_not_hide_the_next_case() -> None:
    text = "tests:\n" + "".join(f"- {{name: a, request: GET {url}, expect: {{route: a}}}}\n" for url in "xy")

    assert len(read(text)[1]) == 2


def test_folders_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("tests: [{name: a, request: GET /, expect: {route: a}}]")
    (tmp_path / "b.json").write_text(
        '{"tests": [{"name": "b", "request": "GET /", "expect": {"route": "a"}}]}'
    )

    cases, problems = read_cases([Source(str(tmp_path)), Source(str(tmp_path / "none.yaml"))], OPTIONS)

    assert [case.name for case in cases] == ["a", "b"]
    assert [problem.code for problem in problems] == ["file/unreadable"]
