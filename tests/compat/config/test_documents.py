"""Whole files: syntax, format versions, decK's notes, environment, several files, limits."""

# One case is one row, however long.
# ruff: noqa: E501

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbless_gateway.config.load import EMPTY_HASH, Loaded, LoadOptions, load
from dbless_gateway.config.source import Source
from tests.compat.config.cases import Rejected, accept, errors, load_text, reject

REFUSED = [
    # Top level.
    Rejected("format/root", "expected an object", "§- _format_version\n"),
    Rejected("format/root", "expected an object", "§just _format_version text\n"),
    Rejected("schema/required", "required field missing", "§services: []  # _format_version\n"),
    Rejected("schema/type", "expected a string", "_format_version: §3.0\n"),
    Rejected("schema/required", "required field missing", "_format_version: §null\n"),
    Rejected("format/version", "expected one of: 1.1, 2.1, 3.0", "_format_version: §'2.2'\n"),
    Rejected("schema/type", "expected a boolean", "_transform: §x\n"),
    Rejected("schema/type", "expected a string", "_comment: §5\n"),
    Rejected("schema/type", "expected an array", "_ignore: §x\n"),
    Rejected("schema/unknown-field", "unknown field", "§servics: []\n"),
    Rejected("schema/unknown-field", "unknown field", "§tags: []\n"),
    Rejected("schema/type", "expected a record", "_info: §x\n"),
    Rejected("schema/unknown-field", "unknown field", "_info: {§tags: [a]}\n"),
    Rejected("schema/type", "expected an array", "_info: {select_tags: §a}\n"),
    Rejected("schema/unknown-field", "unknown field", "_info: {defaults: {§plugin: {}}}\n"),
    Rejected("format/defaults", "cannot have these restricted fields set: name", "_info: {defaults: {service: {§name: a}}}\n"),
    Rejected("schema/type", "expected a record", "_plugin_configs: {a: §5}\n"),
    Rejected("schema/unknown-field", "unknown field", "_konnect: {§name: a}\n"),
    Rejected("format/unsupported", "not supported", "§filter_chains: [{filters: []}]\n"),
    Rejected("format/unsupported", "not supported", "§consumer_group_plugins: [{name: cors}]\n"),
    Rejected("schema/type", "expected an array", "workspaces: §x\n"),
    # YAML.
    Rejected("yaml/syntax", "could not find expected ':'", "services:\n- name: a\n  §host\n  port: 8\n"),
    Rejected("yaml/syntax", "did not find expected", "services: [a, §"),
    Rejected("yaml/syntax", "cannot start any token", "services:\n§\t- name: a\n"),
    Rejected("yaml/duplicate-key", "the key `host` is already given", "services:\n- name: a\n  host: b\n  §host: c\n"),
    Rejected("yaml/duplicate-key", "the key `services` is already given", "services: []\n§services: []\n"),
    Rejected("yaml/key-type", 'write it in quotes: "5"', "_plugin_configs: {§5: {}}\n"),
    Rejected("yaml/key-type", 'write it in quotes: "on"', "_plugin_configs: {§on: {}}\n"),
    Rejected("yaml/tag", "unknown tag !secret", "services: [{name: a, host: §!secret b}]\n"),
    Rejected("yaml/tag", "unknown tag !!python/name:os.system", "_ignore: [§!!python/name:os.system x]\n"),
    Rejected("yaml/tag", "unknown tag !x", "_ignore: [§!x {a: b}]\n"),
    Rejected("yaml/tag", "unknown tag !x", "_ignore: [§!x [a]]\n"),
    Rejected("yaml/tag", "`x` is not what its tag !!int says", "_ignore: [§!!int x]\n"),
    Rejected("yaml/alias", "no anchor `&a` before this alias", "_ignore: [§*a]\n"),
    Rejected("yaml/alias", "the anchor `&a` contains itself", "_ignore: &a [§*a]\n"),
    Rejected("yaml/complex-key", "cannot be a key", "_ignore: [{§{a: b}: c}]\n"),
    Rejected("yaml/complex-key", "cannot be a key", "services: [{name: a, host: {§{ x }}}]\n"),
    Rejected("yaml/merge", "`<<` takes a mapping", "services:\n- §<<: 5\n  host: h\n"),
    Rejected("yaml/nesting", "nested more than 64 levels", "_ignore: " + "[" * 63 + "§" + "[" * 10_000),
    # Environment.
    Rejected("env/unset", "environment variable 'DECK_NO' present in state file but not set", "services: [{name: a, host: §'${{ env \"DECK_NO\" }}'}]\n"),
    Rejected("env/prefix", "must be prefixed with 'DECK_', found: 'HOME'", "services: [{name: a, host: §'${{ env \"HOME\" }}'}]\n"),
    Rejected("env/expression", "cannot understand the expression", "services: [{name: a, host: §'${{ DECK_HOST }}'}]\n"),
    Rejected("env/expression", "unknown function `upper`", "services: [{name: a, host: §'${{ env \"DECK_HOST\" | upper }}'}]\n"),
    Rejected("env/value", "of environment variable 'DECK_BAD' is not an integer", "services:\n- name: a\n  host: h\n  port: §${{ env \"DECK_BAD\" | toInt }}\n"),
    Rejected("env/value", "of environment variable 'DECK_BAD' is not a boolean", "services:\n- name: a\n  host: h\n  enabled: §${{ env \"DECK_BAD\" | toBool }}\n"),
    Rejected("schema/type", "expected an integer", "services:\n- name: a\n  host: h\n  port: §'${{ env \"DECK_PORT\" | toInt }}'\n"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.message[:40])
def test_refused(case: Rejected) -> None:
    reject(case)


JSON_REFUSED = [
    ('{"_format_version": "3.0", "services": [}', "json/syntax", 41),
    ('{"_format_version": "3.0" "a": 1}', "json/syntax", 27),
    ('{"_format_version": "3.0",}', "json/syntax", 27),
    ('{"_format_version": "3.0"} x', "json/syntax", 28),
    ('{"_format_version": 03}', "json/syntax", 21),
    ('{"_format_version": "\\x"}', "json/syntax", 21),
    ('{"_format_version": "\\ud800"}', "json/syntax", 21),
    ("{'_format_version': 3}", "json/syntax", 2),
    ('{"a": tru}', "json/syntax", 7),
    ("[", "json/syntax", 2),
    ('{"_format_version": "3.0", "_comment": "a", "_comment": "b"}', "yaml/duplicate-key", 45),
    ("[" * 70, "yaml/nesting", 65),
    ('{"_format_version": "3.0", "services": [{"name": "a", "host": 5}]}', "schema/type", 63),
]


@pytest.mark.parametrize(("text", "code", "column"), JSON_REFUSED)
def test_json_is_refused_with_its_place(tmp_path: Path, text: str, code: str, column: int) -> None:
    file = tmp_path / "kong.json"
    file.write_text(text)
    (problem,) = load([Source(str(file))]).problems
    assert (problem.code, problem.line, problem.column) == (code, 1, column)


def test_json_and_yaml_give_the_same_entities(tmp_path: Path) -> None:
    document = {
        "_format_version": "3.0",
        "services": [{"name": "é\n", "host": "h", "retries": 1, "tags": ['a"b']}],
        "plugins": [{"name": "datadog", "config": {"prefix": "\u00e9", "flush_timeout": 1.5e0}}],
    }
    document["services"][0]["name"] = "é"  # type: ignore[index]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document, indent=1))
    one = load([Source(str(file))], LoadOptions(now=1))
    two = load([Source("x", json.dumps(document, ensure_ascii=False))], LoadOptions(now=1))
    assert one.entities is not None
    assert two.entities is not None
    assert one.entities.services[0].name == two.entities.services[0].name == "é"
    assert one.entities.plugins[0].config == two.entities.plugins[0].config


@pytest.mark.parametrize("version", ["1.1", "2.1", "3.0"])
def test_every_version_loads(version: str) -> None:
    entities = accept(f'_format_version: "{version}"\nservices: [{{name: a, host: h}}]\n')
    assert entities.format_version == "3.0"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/a", "/a"),
        ("/a//b/../c", "/a/c"),
        ("/a%2fb%7e", "/a%2Fb~"),
        (r"/a/\d+", r"~/a/\d+"),
        ("/a(b)", "~/a(b)"),
        ("/a$%2E", r"~/a$\."),
        ("/é", "~/é"),
    ],
)
def test_old_paths_are_migrated(old: str, new: str) -> None:
    quoted = old.replace("'", "''")
    for nested in (
        f"routes: [{{paths: ['{quoted}']}}]",
        f"services: [{{host: h, routes: [{{paths: ['{quoted}']}}]}}]",
    ):
        (route,) = accept(f'_format_version: "2.1"\n{nested}\n').routes
        assert route.paths == (new,)


ACCEPTED = [
    "services:\n",
    "services: {}\n",
    "_comment: x\n_ignore: [1, {a: [b]}]\n",
    "_workspace: w\n_konnect: {control_plane_name: a}\n",
    "_info: {select_tags: [a], default_lookup_tags: {services: [b]}, skip_hash_for_basic_auth: true}\n",
    "_ignore: [&a {x: 1}, *a, {<<: *a, y: 2}]\n",
    "_ignore: [!!str 5, !!int '5', !!float 5, !!bool yes, !!null '', ! x]\n",
    "%YAML 1.1\n---\n_format_version: '3.0'\n",
    "\ufeff_format_version: '3.0'\n",
    '{"_format_version": "3.0"}',
    '{_format_version: "3.0"}',
    "# only a comment\n_format_version: '3.0'\n...\n",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    assert accept(text).hash == EMPTY_HASH


def test_what_only_a_database_needs_is_ignored_with_a_warning() -> None:
    loaded = load_text("workspaces: [{name: default}]\noauth2_tokens: [{access_token: a}]\nsessions: []\n")
    assert [problem.code for problem in loaded.problems] == ["format/ignored", "format/ignored"]
    assert loaded.entities is not None


def test_the_hash_is_that_of_the_text() -> None:
    text = '_format_version: "3.0"\nservices: [{name: a, host: h}]\n'
    assert accept(text).hash == "85d86e314a79ffa3563c5cadf32fdfa0"


def test_a_second_document_is_a_warning() -> None:
    loaded = load_text('_format_version: "3.0"\n---\nservices: [x]\n')
    assert [problem.code for problem in loaded.problems] == ["yaml/several-documents"]
    assert loaded.entities is not None


def test_surprises_are_known_to_the_document() -> None:
    loaded = load_text("_ignore: [on, 010, 12:30, 'on', true, 10, 1.5]\n")
    (document,) = loaded.documents()
    assert [(s.text, s.value) for s in document.surprises()] == [("on", True), ("010", 8), ("12:30", 750)]


def test_merge_keys_give_way_to_written_ones() -> None:
    text = "_ignore: [&a {host: a, port: 1}, &b {host: b, path: /b}]\nservices: [{name: s, <<: [*a, *b], port: 2}]\n"
    (service,) = accept(text).services
    assert (service.host, service.port, service.path) == ("a", 2, "/b")


def test_a_mistake_in_a_merged_value_points_at_the_anchor() -> None:
    reject(
        Rejected(
            "schema/range",
            "between",
            "_ignore: [&a {host: a, port: §70000}]\nservices: [{name: s, <<: *a}]\n",
        )
    )


def test_many_laughs_end_at_once() -> None:
    lines = ["_ignore:", "- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    loaded = load_text("\n".join(lines))
    assert [problem.code for problem in loaded.problems] == ["yaml/alias-expansion"]


# decK.


def test_deck_defaults_are_below_the_entity_and_above_the_schema() -> None:
    text = """
_info:
  defaults: {service: {retries: 1, port: 81}, route: {strip_path: false}, upstream: {slots: 10}, target: {weight: 7}}
services: [{name: a, host: h, port: 82, routes: [{name: r, paths: [/]}]}]
upstreams: [{name: u, targets: [{target: a}]}]
"""
    entities = accept(text)
    assert (entities.services[0].retries, entities.services[0].port) == (1, 82)
    assert entities.routes[0].strip_path is False
    assert entities.upstreams[0].slots == 10
    assert entities.targets[0].weight == 7


def test_select_tags_are_added_to_everything() -> None:
    text = "_info: {select_tags: [t]}\nservices: [{name: a, host: h, tags: [x, t]}]\nconsumers: [{username: c, acls: [{group: g}]}]\n"
    entities = accept(text)
    assert entities.services[0].tags == ("x", "t")
    assert entities.consumers[0].tags == ("t",)
    assert entities.credentials[0].tags == ("t",)


def test_shared_plugin_configurations_are_laid_under() -> None:
    text = """
_plugin_configs: {limits: {policy: redis, minute: 5, redis: {host: h, port: 1}}}
plugins: [{name: rate-limiting, _config: limits, config: {minute: 10, redis: {port: 2}}}]
"""
    config = accept(text).plugins[0].config
    assert (config["minute"], config["policy"]) == (10, "redis")
    assert (config["redis"]["host"], config["redis"]["port"]) == ("h", 2)


def test_a_mistake_in_a_default_is_blamed_once_and_there() -> None:
    services = "services: [{name: a, host: h}, {name: b, host: h}, {name: c, host: h, retries: 1}]\n"
    case = Rejected(
        "schema/range",
        "between 0 and 32767",
        f"_info: {{defaults: {{service: {{retries: §-1}}}}}}\n{services}",
    )
    assert reject(case).path == "_info.defaults.service.retries"


def test_a_mistake_in_a_shared_configuration_is_blamed_once_and_there(tmp_path: Path) -> None:
    loaded = _write(
        tmp_path,
        a='_format_version: "3.0"\n_plugin_configs: {x: {minute: 0, redis: {port: 1}}}\n',
        b="plugins: [{name: rate-limiting, _config: x}, {name: rate-limiting, _config: x, instance_name: i}]\n",
    )
    first, second = loaded.problems
    assert (Path(first.file).name, first.line, first.column) == ("a.yaml", 2, 31)
    assert first.path == "_plugin_configs.x.minute"
    assert second.code == "unique/id"


# Environment.


@pytest.mark.parametrize(
    ("written", "field", "expected"),
    [
        ("host: ${{ env \"DECK_HOST\" }}", "host", "h.example"),
        ("host: '${{ env \"DECK_HOST\" }}'", "host", "h.example"),
        ("host: api.${{ env \"DECK_HOST\" }}", "host", "api.h.example"),
        ("host: ${{ env `DECK_HOST` }}", "host", "h.example"),
        ("host: h\n  port: ${{ env \"DECK_PORT\" | toInt }}", "port", 81),
        ("host: h\n  port: ${{ env \"DECK_PORT\" }}", "port", 81),
        ("host: h\n  enabled: ${{ env \"DECK_ON\" | toBool }}", "enabled", True),
    ],
)  # fmt: skip
def test_deck_variables(written: str, field: str, expected: object) -> None:
    (service,) = accept(f"services:\n- name: a\n  {written}\n").services
    assert getattr(service, field) == expected


@pytest.mark.parametrize(
    ("written", "field", "expected"),
    [
        ("host: ${DECK_HOST}", "host", "h.example"),
        ("host: ${NO:-d.example}", "host", "d.example"),
        ("host: h\n  port: ${DECK_PORT}", "port", 81),
        ("host: h\n  port: ${NO:-82}", "port", 82),
        ("host: h\n  path: /a$(b)", "path", "/a$(b)"),
    ],
)
def test_shell_variables_are_opt_in(written: str, field: str, expected: object) -> None:
    (service,) = accept(f"services:\n- name: a\n  {written}\n", expand_env=True).services
    assert getattr(service, field) == expected


def test_without_opting_in_a_dollar_is_a_dollar() -> None:
    (plugin,) = accept("plugins: [{name: correlation-id, config: {header_name: '${X}'}}]").plugins
    assert plugin.config["header_name"] == "${X}"


@pytest.mark.parametrize("written", ["${NO}", "${NO:?tell me}"])
def test_an_unset_shell_variable_names_its_line(written: str) -> None:
    case = Rejected(
        "env/unset", "environment variable 'NO' is not set", f"services:\n- name: a\n  host: §{written}\n"
    )
    reject(case, expand_env=True)


def test_mocked_variables_need_no_environment() -> None:
    text = 'services:\n- name: a\n  host: ${{ env "DECK_NONE" }}\n  port: ${{ env "DECK_P" | toInt }}\n'
    (service,) = accept(text, mock_env=True).services
    assert (service.host, service.port) == ("DECK_NONE", 42)


def test_values_of_variables_are_never_shown() -> None:
    text = 'services:\n- name: a\n  host: "a b ${{ env "DECK_BAD" }}"\n'.replace('"a b', "'a b").replace(
        '}}"', "}}'"
    )
    loaded = load_text(text)
    (problem,) = errors(loaded)
    assert "no number" not in problem.message
    assert "***" in problem.message


# Files.


def _write(folder: Path, **files: str) -> Loaded:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return load([Source(str(folder))], LoadOptions(now=1))


def test_a_folder_is_merged(tmp_path: Path) -> None:
    loaded = _write(
        tmp_path,
        a='_format_version: "3.0"\nservices: [{name: a, host: h}]\n_plugin_configs: {x: {minute: 1}}\n',
        b="routes: [{name: r, paths: [/], service: a}]\nplugins: [{name: rate-limiting, _config: x}]\n",
    )
    assert loaded.problems == []
    assert loaded.entities is not None
    assert loaded.entities.routes[0].service == loaded.entities.services[0].id
    assert loaded.entities.plugins[0].config["minute"] == 1


def test_problems_name_their_own_file(tmp_path: Path) -> None:
    loaded = _write(
        tmp_path,
        a='_format_version: "3.0"\nservices: [{name: a, host: 5}]\n',
        b='_format_version: "3.0"\nservices: [{name: a, host: h}, {name: c}]\n',
    )
    found = [(Path(problem.file).name, problem.code) for problem in loaded.problems]
    assert found == [("a.yaml", "schema/type"), ("b.yaml", "unique/value"), ("b.yaml", "schema/required")]


def test_problems_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    loaded = _write(
        tmp_path,
        a='_format_version: "3.0"\nservices: [{name: a, host: 5}]\n',
        b='_format_version: "3.0"\nnonsense: 1\n',
        c='"\n',
    )
    assert [Path(problem.file).name for problem in loaded.problems] == ["a.yaml", "b.yaml", "c.yaml"]


def test_files_must_agree_on_their_workspace(tmp_path: Path) -> None:
    loaded = _write(
        tmp_path, a='_format_version: "3.0"\n_workspace: a\n', b='_format_version: "3.0"\n_workspace: b\n'
    )
    assert [problem.code for problem in loaded.problems] == ["format/conflict"]


@pytest.mark.parametrize(
    ("name", "raw", "code"),
    [
        ("a.yaml", b"", "file/empty"),
        ("a.yaml", b"  \n\t\n", "file/empty"),
        ("a.yaml", b"_format_version: '\xff'\n", "file/encoding"),
        ("a.yaml", b"\xff\xfe_\0f\0", "file/encoding"),
        ("a.yaml", b"_format_version: '3.0'\n\0\n", "yaml/character"),
        ("a.json", b'{"_comment": "\0"}', "json/syntax"),
        ("a.yaml", b"x" * 2000, "file/size"),
        ("a.toml", b"x", "file/kind"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, raw: bytes, code: str) -> None:
    file = tmp_path / name
    file.write_bytes(raw)
    (problem,) = load([Source(str(file))], LoadOptions(max_bytes=1000)).problems
    assert (problem.code, problem.file) == (code, str(file))


def test_unreadable_places(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("missing.yaml", "empty", "with\0nul.yaml"):
        (problem,) = load([Source(str(tmp_path / name))]).problems
        assert problem.code == "file/unreadable"


def test_deprecated_warnings_do_not_forbid_loading() -> None:
    loaded = load_text("plugins: [{name: rate-limiting, config: {minute: 5, redis_host: h}}]")
    assert errors(loaded) == []
    assert loaded.entities is not None
