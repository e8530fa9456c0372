"""What differs between two configurations, whatever their texts look like."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dbless_gateway.cli.main import main

HEAD = '_format_version: "3.0"\n'
OLD = (
    HEAD
    + """
services:
  - name: s
    url: http://h:80/p
    tags: [a, b]
    routes:
      - {name: r, paths: [/a/]}
      - {methods: [GET]}
consumers:
  - username: a
    keyauth_credentials: [{key: hunter-2}, {}]
upstreams:
  - name: u
    targets: [{target: t}]
plugins: [{name: rate-limiting, config: {minute: 1, policy: local}}]
"""
)
# The same again: another order, other words, ids, times.
SAME = (
    HEAD
    + """
plugins:
  - {name: rate-limiting, enabled: true, config: {policy: local, minute: 1, limit_by: consumer}}
upstreams: [{name: u, slots: 10000}]
targets: [{upstream: u, target: "t:8000", weight: 100}]
consumers:
  - {username: a, id: 2f6c7a10-0c1b-4e0e-9d1f-7a5b0a1c0001}
keyauth_credentials: [{consumer: a, key: hunter-2}, {consumer: a}]
routes:
  - {methods: [GET], service: s, created_at: 7}
  - {service: s, name: r, paths: [/a/], protocols: [https, http]}
services: [{tags: [b, a], name: s, host: h, port: 80, path: /p, protocol: http}]
"""
)


class Sides:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def run(self, old: str, new: str, *flags: str) -> tuple[int, str]:
        names = []
        for name, text in (("old.yaml", old), ("new.yaml", new)):
            if "\n" in text:
                (self.folder / name).write_text(text)
                names.append(str(self.folder / name))
            else:
                names.append(text)
        code = main(["diff", *names, *flags])
        captured = self._capsys.readouterr()
        text = captured.out + captured.err
        assert "hunter" not in text
        return code, text


@pytest.fixture
def sides(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sides:
    monkeypatch.chdir(tmp_path)
    return Sides(tmp_path, capsys)


def test_same_meaning(sides: Sides) -> None:
    assert sides.run(OLD, SAME, "--exit-code") == (0, "Summary:\n  Created: 0\n  Updated: 0\n  Deleted: 0\n")


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("path", "PATH", []),
        ("http://h:80/p", "http://h:81/p", ["updating service s", "  - port: 80", "  + port: 81"]),
        ("/a/", "/b/", ["updating route r", '  - paths: ["/a/"]', '  + paths: ["/b/"]']),
        ("name: r,", "name: q,", ["creating route q", "deleting route r"]),
        (
            "minute: 1",
            "minute: 2",
            ["updating plugin rate-limiting (global)", "  - config.minute: 1", "  + config.minute: 2"],
        ),
        (
            "target: t",
            "target: t2",
            ["creating target t2:8000 for upstream u", "deleting target t:8000 for upstream u"],
        ),
        (
            "hunter-2",
            "hunter-3",
            ["updating key-auth #1 for consumer a", '  - key: "***"', '  + key: "*** (changed)"'],
        ),
        (
            "methods: [GET]",
            "methods: [PUT]",
            ["updating route #1 of service s", '  - methods: ["GET"]', '  + methods: ["PUT"]'],
        ),
    ],
)
def test_text(sides: Sides, old: str, new: str, lines: list[str]) -> None:
    printed = sides.run(OLD, OLD.replace(old, new))[1]

    assert printed.splitlines()[:-4] == lines


def test_json(sides: Sides) -> None:
    new = OLD.replace("name: u", "name: u2").replace("/a/", "/b/")
    report = json.loads(sides.run(OLD, new, "--format", "json")[1])

    assert report["summary"] == {"creating": 2, "updating": 1, "deleting": 2, "total": 5}
    (change,) = report["changes"]["updating"]
    assert (change["kind"], change["name"]) == ("route", "r")
    assert change["body"]["old"]["paths"] == ["/a/"]
    assert change["body"]["new"]["paths"] == ["/b/"]
    assert {change["body"]["old"] for change in report["changes"]["creating"]} == {None}


def test_values_of_variables_are_hidden(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECK_HOST", "hunter-host")
    text = OLD.replace("http://h:80/p", 'http://${{ env "DECK_HOST" }}/p')

    assert '  + host: "***"' in sides.run(OLD, text)[1]


def test_names_that_cannot_be_shown(sides: Sides) -> None:
    new = sides.folder / "new.json"
    new.write_text('{"_format_version": "3.0", "consumers": [{"username": "\\u001b[31m"}]}')

    assert "creating consumer \\x1b[31m" in sides.run(HEAD + "consumers: []\n", str(new))[1]


def test_exit_codes(sides: Sides) -> None:
    changed = OLD.replace("/a/", "/b/")
    assert sides.run(OLD, changed)[0] == 0
    assert sides.run(OLD, changed, "--exit-code")[0] == 1


@pytest.mark.parametrize(
    ("side", "text"),
    [
        ("nowhere.yaml", "cannot read this file"),
        ("git:HEAD", "is not git:REF:path"),
        ("git:--output=x:kong.yaml", "is not git:REF:path"),
        ("git:HEAD:nowhere.yaml", "git:HEAD:nowhere.yaml: fatal"),
        ("services: [\n", "has errors:"),
    ],
)
def test_trouble(sides: Sides, side: str, text: str) -> None:
    code, printed = sides.run(OLD, side)

    assert code == 2
    assert text in printed


def test_without_git(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sides.folder))
    code, printed = sides.run(OLD, "git:HEAD:kong.yaml")

    assert code == 2
    assert "No such file" in printed


def test_git(sides: Sides) -> None:
    """A path is looked up from here, not from the top of the repository."""
    here = sides.folder
    (here / "old.yaml").write_text(OLD)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (
        ["init", "-q", ".."],
        ["add", "old.yaml"],
        [*identity, "commit", "-q", "-m", "x", "--no-gpg-sign"],
    ):
        subprocess.run(["git", *command], cwd=here, check=True, capture_output=True)

    assert "  + port: 81\n" in sides.run("git:HEAD:old.yaml", OLD.replace("h:80", "h:81"))[1]
