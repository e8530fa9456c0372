"""Old formats to 3.0: what is changed, what is left to a person, and that both texts mean the same."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbless_gateway.cli.main import main
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from tests.support.gateway import REPOSITORY

LEGACY = REPOSITORY / "tests" / "compat" / "files" / "legacy-2.1.yaml"

OLD = r"""_format_version: "2.1"
# The users.
services:
  - name: users # us
    host: h
    routes:
      - name: r
        paths: [/plain, "/users/\\d+", /a%2Db] # three
plugins:
  - name: rate-limiting
    config: {minute: 5, policy: redis, redis_host: r, redis_port: 1}
  - name: response-ratelimiting
    config:
      limits: {a: {minute: 1}}
      policy: redis
      redis_host: r
"""


def run(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    code = main(["convert", "--to", "3.0", "-"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_converted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(OLD, capsys, monkeypatch)

    assert code == 0
    assert out.startswith('_format_version: "3.0"\n# The users.\nservices:\n  - name: users # us\n')
    assert r'paths: [/plain, "~/users/\\d+", /a-b]' in out
    assert "# three" in out
    assert "redis: {host: r, port: 1}" in out
    assert "-:8: changed: `/users/\\d+` is now `~/users/\\d+`" in err
    assert "-:8: changed: `/a%2Db` is now `/a-b`" in err
    assert "left to you" not in err


def entities(text: str) -> Entities:
    loaded = load([Source("kong.yaml", text)], LoadOptions(now=1.0))
    assert loaded.entities is not None, [problem.headline() for problem in loaded.problems]
    without_places: dict[str, Any] = {
        name: tuple(replace(item, where=None) for item in getattr(loaded.entities, name))
        for name in ("services", "routes", "plugins")
    }
    return replace(loaded.entities, hash="", **without_places)


@pytest.mark.parametrize("text", [OLD, LEGACY.read_text()], ids=["small", "real"])
def test_both_mean_the_same(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = run(text, capsys, monkeypatch)

    assert entities(out) == entities(text)
    converted = load([Source("kong.yaml", out)], LoadOptions())
    assert [problem.code for problem in converted.problems] == []


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("routes: [{paths: ['${{ env \"DECK_PATH\" }}']}]", "a variable gives this path"),
        ("routes: [{paths: ['/a(?!b)']}]", "not possible with RE2"),
        ("_plugin_configs: {a: {b: 1}}", "left as they are"),
    ],
)
def test_left_to_a_person(
    text: str, note: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run(f'_format_version: "1.1"\n{text}\n', capsys, monkeypatch)

    assert code == 1
    assert '"3.0"' in out
    assert "-:2: left to you: " in err
    assert note in err


def test_a_comment_that_is_lost_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = OLD.replace("redis_host: r\n", "redis_host: r # there\n      redis_port: 2 # too\n")
    code, out, err = run(text, capsys, monkeypatch)

    assert code == (0 if "# there" in out else 1)
    assert ("# there" in out) != ("this comment is lost: # there" in err)


def test_anchors_are_changed_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        '_format_version: "2.1"\nroutes:\n  - name: a\n    paths: &p ["/x/\\\\d"]\n  - {name: b, paths: *p}\n'
    )
    _, out, err = run(text, capsys, monkeypatch)

    assert out.count("~/x") == 1
    assert err.count("is now `~/x") == 1


def test_merged_fields(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        '_format_version: "2.1"\n_ignore:\n  - &r {paths: ["/x/(a|b)"], strip_path: false}\n'
        "routes:\n  - {name: a, <<: *r}\n  - {name: b, <<: *r}\n"
    )
    _, out, _ = run(text, capsys, monkeypatch)

    assert entities(out) == entities(text)


def test_current_files_stay(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = '_format_version: "3.0"\nroutes:\n  - name: r\n    paths: ["/a.*"]\n'

    assert run(text, capsys, monkeypatch) == (0, text, "")


@pytest.mark.parametrize(
    ("version", "path"), [("2.1", "~/a.*"), ("3.0", "/a.*"), ("'3.0'", "/a.*"), ("", "~/a.*")]
)
def test_what_the_version_means(
    version: str, path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unquoted version is a number, and still says which rules its paths follow."""
    head = f"_format_version: {version}\n" if version else ""
    _, out, _ = run(f"{head}routes:\n  - name: r\n    paths: ['/a.*']\n", capsys, monkeypatch)

    loaded = load([Source("kong.yaml", out)], LoadOptions())
    assert loaded.entities is not None, out
    assert loaded.entities.routes[0].paths == (path,)


def test_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"_format_version": "2.1", "routes": [{"paths": ["/a/.*"]}]}'
    code, out, _ = run(text, capsys, monkeypatch)

    assert code == 0
    assert '"~/a/.*"' in out
    assert '"3.0"' in out


def test_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(OLD)

    assert main(["convert", "--write", str(file)]) == 0
    assert '_format_version: "3.0"' in file.read_text()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["", "[]", "a: [", "\0", "{"])
def test_not_convertible(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run(text, capsys, monkeypatch)

    assert (code, out) == (2, "")
    assert err.startswith("dbless-gateway convert: -: ")
