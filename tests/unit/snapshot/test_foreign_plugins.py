"""Plugins from folders: what is taken, what is refused and where, and when code runs anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbless_gateway.config.entities import PluginCode
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.config.slices import Assembler, to_slices
from dbless_gateway.config.source import Source
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.snapshot.chains import Instance
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.foreign_plugins import (
    ForeignPlugins,
    PluginFault,
    PluginSettings,
    bring_in,
    find_foreign,
    prepare,
    run,
)
from dbless_gateway.snapshot.plugin_loader import find_module, make_instance
from tests.support.exchange_script import make_plugin
from tests.support.foreign_plugins import forgetting_plugins

GOOD = '''"""Say hello."""
from dataclasses import dataclass

NAME = "say-hello"
PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Config:
    text: str = "hello"


class Handler:
    def __init__(self, config, env):
        self.text = config.text

    def access(self, ctx):
        ctx.set_response_header("X-Hello", self.text)
'''
BOTH = """
    def response(self, ctx): ...
    def header_filter(self, ctx): ...
"""

CONFIG = '_format_version: "3.0"\nplugins: [{name: say-hello, config: {text: %s}}]\n'


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Forget what a test has brought in."""
    with forgetting_plugins():
        yield


def folder(tmp_path: Path, text: str = GOOD, name: str = "say_hello.py") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path


def problem_of(tmp_path: Path, text: str) -> Problem:
    brought = bring_in([str(folder(tmp_path, text))])
    (problem,) = brought.problems
    return problem


def test_file_is_a_plugin(tmp_path: Path) -> None:
    brought = bring_in([str(folder(tmp_path))])
    assert brought.problems == ()
    assert [code.name for code in brought.code] == ["say-hello"]
    module = find_module("say-hello")
    assert module is not None
    assert module.NAME == "say-hello"


@pytest.mark.parametrize(
    "name", ["test_say_hello.py", "_say_hello.py", "conftest.py", "README.md", "say-hello.py"]
)
def test_other_files_may_stand_beside_it(tmp_path: Path, name: str) -> None:
    assert bring_in([str(folder(tmp_path, "raise SystemExit", name))]).code == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (GOOD + "def broken(:\n", 19, "invalid syntax"),
        (GOOD + "\n1 / 0\n", 20, "ZeroDivisionError: division by zero"),
        (GOOD + "raise SystemExit(3)\n", 19, "SystemExit: 3"),
        (GOOD.replace('NAME = "say-hello"', ""), 1, "it has no NAME"),
        (GOOD.replace('"say-hello"', '"other"'), 1, "NAME is 'other'"),
        (GOOD.replace("= 5", '= "5"'), 1, "PRIORITY is not a whole number"),
        (GOOD.replace("def access", "def acces"), 1, "none of the phases"),
        (GOOD + BOTH, 1, "it has both response and header_filter"),
        (GOOD + BOTH.replace("header", "body"), 1, "it has both response and body_filter"),
        (GOOD.replace("def access", "async def log"), 1, "log cannot wait"),
        (GOOD.replace("text: str", "text: bytes"), 1, "no schema can be made"),
        (GOOD.replace("text: str", "text: 'Nope'"), 1, "no schema can be made"),
        ("\0", 1, "null bytes"),
    ],
)
def test_what_is_wrong_has_its_place(tmp_path: Path, text: str, line: int, message: str) -> None:
    problem = problem_of(tmp_path, text)
    assert message in problem.message
    assert (problem.code, problem.file, problem.line) == (
        "plugin/code",
        str(tmp_path / "say_hello.py"),
        line,
    )
    assert find_foreign("say-hello") is None


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "say_hello.py").write_bytes(b"\xff")
    assert [p.message for p in bring_in([str(tmp_path)]).problems] == ["it is not UTF-8"]
    (tmp_path / "say_hello.py").write_bytes(b"#" * (1024 * 1024 + 1))
    assert [p.message for p in bring_in([str(tmp_path)]).problems] == ["it is larger than 1048576 bytes"]
    (tmp_path / "say_hello.py").unlink()
    (tmp_path / "say_hello.py").symlink_to(tmp_path / "nowhere.py")
    assert "it cannot be read" in bring_in([str(tmp_path)]).problems[0].message


def test_what_is_not_enabled_is_not_run(tmp_path: Path) -> None:
    brought = bring_in([str(folder(tmp_path, "1 / 0"))], {"bundled", "other"})
    assert (brought.code, brought.problems) == ((), ())


def test_missing_folder_is_a_problem(tmp_path: Path) -> None:
    (problem,) = bring_in([str(tmp_path / "nowhere")]).problems
    assert "the folder cannot be read" in problem.message


def test_name_of_a_bundled_plugin_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("say-hello", "key-auth")
    (problem,) = bring_in([str(folder(tmp_path, text, "key_auth.py"))]).problems
    assert "bundled" in problem.message


def test_one_name_in_two_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folders = [str(folder(tmp_path / name)) for name in ("a", "b")]
    (problem,) = bring_in(folders).problems
    assert problem.file.startswith(folders[1])
    assert folders[0] in problem.message


def test_code_runs_anew_only_when_it_has_changed() -> None:
    code = PluginCode("say-hello", "say_hello.py", GOOD)
    first = run(code)
    assert run(code) is first
    second = run(PluginCode("say-hello", "say_hello.py", GOOD.replace("= 5", "= 6")))
    assert (first.PRIORITY, second.PRIORITY) == (5, 6)


def test_broken_code_leaves_the_old_in_place() -> None:
    first = run(PluginCode("say-hello", "say_hello.py", GOOD))
    with pytest.raises(PluginFault, match="ZeroDivisionError"):
        run(PluginCode("say-hello", "say_hello.py", GOOD + "1 / 0"))
    assert find_foreign("say-hello") is first


def loaded(tmp_path: Path, text: str) -> list[Problem]:
    """Load a configuration with the plugins of a folder."""
    brought = bring_in([str(tmp_path)])
    load_schemas().extend(ForeignPlugins())
    found = load([Source("kong.yaml", CONFIG % text)], LoadOptions(plugins=brought))
    return found.problems


def test_config_is_judged_by_the_dataclass(tmp_path: Path) -> None:
    folder(tmp_path)
    assert loaded(tmp_path, "hi") == []
    (problem,) = loaded(tmp_path, "5")
    assert (problem.path, problem.message) == ("plugins[0].config.text", "expected a string")


def test_broken_plugin_is_not_called_unknown_where_it_is_used(tmp_path: Path) -> None:
    folder(tmp_path, GOOD + "1 / 0\n")
    brought = prepare(PluginSettings((str(tmp_path),)))
    found = load([Source("kong.yaml", CONFIG % "hi")], LoadOptions(plugins=brought)).problems
    assert [(problem.code, problem.file) for problem in found] == [
        ("plugin/code", str(tmp_path / "say_hello.py")),
        ("plugin/code", "kong.yaml"),
    ]
    assert f"say_hello.py:{len(GOOD.splitlines()) + 1}: ZeroDivisionError" in found[1].message


def test_code_travels_with_the_configuration(tmp_path: Path) -> None:
    brought = bring_in([str(folder(tmp_path))])
    load_schemas().extend(ForeignPlugins())
    sources = [Source("kong.yaml", CONFIG % "hi")]
    entities = load(sources, LoadOptions(plugins=brought)).entities
    assert entities is not None
    assembler = Assembler()
    for piece in to_slices(entities):
        assembler.add(piece)
    assert assembler.entities().plugin_code == brought.code
    snapshot = compile_snapshot(assembler.entities(), DryRunHost(), CompileOptions())
    assert not isinstance(snapshot, list)
    changed = bring_in([str(folder(tmp_path, GOOD + "# another\n"))])
    other = load(sources, LoadOptions(plugins=changed)).entities
    assert other is not None
    assert other.hash != entities.hash


def test_code_that_fails_elsewhere_is_a_problem_there(tmp_path: Path) -> None:
    brought = bring_in([str(folder(tmp_path))])
    load_schemas().extend(ForeignPlugins())
    entities = load([Source("kong.yaml", CONFIG % "hi")], LoadOptions(plugins=brought)).entities
    assert entities is not None
    broken = GOOD + "raise OSError('not here')\n"
    elsewhere = replace(entities, plugin_code=(PluginCode("say-hello", "say_hello.py", broken),))
    problems = compile_snapshot(elsewhere, DryRunHost(), CompileOptions())
    assert isinstance(problems, list)
    assert [problem.code for problem in problems] == ["plugin/code"]


@pytest.mark.parametrize(
    ("enabled", "own", "bundled"),
    [
        (None, True, True),
        ({"bundled"}, False, True),
        ({"bundled", "say-hello"}, True, True),
        ({"say-hello"}, True, False),
        ({"key-auth"}, False, True),
        (set(), False, False),
    ],
)
def test_only_enabled_plugins_have_a_schema(
    tmp_path: Path, enabled: set[str] | None, own: bool, bundled: bool
) -> None:
    bring_in([str(folder(tmp_path))])
    schemas = load_schemas()
    schemas.extend(ForeignPlugins(), enabled)
    assert (schemas.plugin("say-hello") is not None, schemas.plugin("key-auth") is not None) == (own, bundled)
    assert ("say-hello" in schemas.plugin_names(), "key-auth" in schemas.plugin_names()) == (own, bundled)


def test_constructor_that_fails_is_a_problem(tmp_path: Path) -> None:
    bring_in([str(folder(tmp_path, GOOD.replace("self.text = config.text", "self.text = 1 / 0")))])
    made = make_instance(make_plugin("say-hello", config={"text": "x"}), Identities((), ()), DryRunHost())
    assert isinstance(made, Problem)
    assert made.code == "plugin/code"
    assert f"ZeroDivisionError: division by zero ({tmp_path / 'say_hello.py'}:15)" in made.message


def test_handler_is_made(tmp_path: Path) -> None:
    bring_in([str(folder(tmp_path))])
    made = make_instance(make_plugin("say-hello", config={"text": "x"}), Identities((), ()), DryRunHost())
    assert isinstance(made, Instance)
    assert made.handler.text == "x"


@pytest.mark.parametrize(
    ("attribute", "period_s"),
    [
        ("timer_period_s = 5", 5.0),
        ("timer_period_s = 0.01", None),
        ("timer_period_s = '5'", None),
        ("x = 5", None),
    ],
)
def test_timer_is_declared(tmp_path: Path, attribute: str, period_s: float | None) -> None:
    text = GOOD + f"\n    {attribute}\n\n    def on_timer(self):\n        pass\n"
    bring_in([str(folder(tmp_path, text))])
    made = make_instance(make_plugin("say-hello", config={"text": "x"}), Identities((), ()), DryRunHost())
    if period_s is None:
        assert isinstance(made, Problem)
        assert "needs timer_period_s, from 0.1" in made.message
    else:
        assert isinstance(made, Instance)
        assert made.timer is not None
        assert made.timer.period_s == period_s
