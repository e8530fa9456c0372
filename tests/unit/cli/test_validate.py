"""The validate command: what it prints, in each form, and how it exits."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dbless_gateway.cli import validate
from dbless_gateway.cli.main import main
from tests.support.gateway import REPOSITORY

GOOD = '_format_version: "3.0"\nservices: [{name: s, host: h}]\n'
VARIABLES = """_format_version: "3.0"
services:
  - name: s
    host: ${{ env "DECK_HOST" }}
    port: ${{ env "DECK_PORT" | toInt }}
"""
WARNED = '_format_version: "3.0"\nservices: [{name: s, url: https://h}]\n'
BAD = """_format_version: "3.0"
services:
  - name: users
    host: h
    read_timout: 3
"""


class Files:
    """Writes files into a folder and runs the command on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def write(self, text: str, name: str = "kong.yaml") -> str:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return str(file)

    def run(self, *arguments: str) -> tuple[int, str]:
        try:
            code = main(["validate", *arguments])
        except SystemExit as stop:
            code = int(str(stop.code))
        captured = self._capsys.readouterr()
        return code, captured.out or captured.err


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KONG_ROUTER_FLAVOR", raising=False)
    return Files(tmp_path, capsys)


@pytest.mark.parametrize(
    ("text", "flags", "code"),
    [
        (GOOD, (), 0),
        (WARNED, (), 0),
        (WARNED, ("--strict",), 1),
        (WARNED, ("--strict", "--no-lint", "lint/tls-unverified"), 0),
        (WARNED, ("--strict", "--lint", "lint/yaml-surprise"), 0),
        (BAD, (), 1),
        ("", (), 1),
        ("\0", (), 1),
        ("a: [", (), 1),
    ],
)
def test_exit_code(files: Files, text: str, flags: tuple[str, ...], code: int) -> None:
    assert files.run(files.write(text), *flags)[0] == code


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no file given"),
        (("a", "-c", "b"), "not both"),
        (("-", "-"), "read only once"),
        (("a", "--format", "xml"), "invalid choice"),
        (("a", "--no-lint", "lint/tls-unverifed"), "did you mean lint/tls-unverified?"),
        (("a", "--lint", "schema/type"), "no code of a warning"),
        (("a", "--env-file", "nowhere"), "nowhere"),
        (("nowhere.yaml",), "cannot read this file"),
    ],
)
def test_wrong_usage_and_unreadable_files(files: Files, arguments: tuple[str, ...], text: str) -> None:
    code, printed = files.run(*arguments)

    assert code == 2
    assert text in printed


def test_a_bug_of_ours_has_a_code_of_its_own(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom\nand more")

    monkeypatch.setattr(validate, "judge", broken)
    assert files.run(files.write(GOOD)) == (
        3,
        "dbless-gateway validate: internal error: RuntimeError: boom and more "
        "(this is a bug of dbless-gateway, please report it with what --debug prints)\n",
    )


def test_human_form(files: Files) -> None:
    files.write(BAD)

    assert files.run("kong.yaml")[1] == (
        "kong.yaml:5:5: error[schema/unknown-field] services[0].read_timout: unknown field\n"
        "    5 |     read_timout: 3\n"
        "      |     ^^^^^^^^^^^\n"
        '      = in service "users" > read_timout\n'
        "      = did you mean `read_timeout`?\n"
        "\n"
        "kong.yaml: not valid (1 error)\n"
    )


def test_warnings_are_counted(files: Files) -> None:
    files.write(WARNED)
    printed = files.run("kong.yaml")[1]

    assert printed.startswith("kong.yaml:2:27: warning[lint/tls-unverified] services[0].url: ")
    assert printed.endswith("kong.yaml: valid (1 warning)\n")


class Terminal(io.StringIO):
    """An output that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "painted"), [("", True), ("1", False)])
def test_color(files: Files, monkeypatch: pytest.MonkeyPatch, no_color: str, painted: bool) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    main(["validate", files.write(BAD)])

    assert ("\x1b[" in out.getvalue()) == painted


def test_no_color_in_a_pipe(files: Files) -> None:
    assert "\x1b" not in files.run(files.write(BAD))[1]


def test_source_line_hides_secrets_and_controls(files: Files) -> None:
    consumer = '{username: a, "\\e[31m": 1, keyauth_credentials: [{key: hunter2, no: 1}]}'
    printed = files.run(files.write(f'_format_version: "3.0"\nconsumers: [{consumer}]\n'))[1]

    assert "hunter2" not in printed
    assert "\x1b" not in printed
    assert "key: *******, no: 1" in printed


def test_unreadable_text_hides_what_looks_like_a_secret(files: Files) -> None:
    printed = files.run(files.write('a: "x"\npassword: "hunter2" "\n'))[1]

    assert "yaml/syntax" in printed
    assert "hunter2" not in printed


def test_long_lines_are_cut_around_the_place(files: Files) -> None:
    tags = ", ".join(f"tag-{number}" for number in range(200))
    printed = files.run(files.write(GOOD.replace("host: h", f"tags: [{tags}], host: h, bad: 1")))[1]
    line, marker = printed.splitlines()[1:3]

    assert len(line) < 130
    assert line[marker.index("^") :].startswith("bad")


def test_json_form(files: Files) -> None:
    name = files.write(BAD)
    report = json.loads(files.run("--format", "json", name)[1])

    assert report == {
        "version": 1,
        "valid": False,
        "errors": 1,
        "warnings": 0,
        "problems": [
            {
                "file": name,
                "line": 5,
                "column": 5,
                "end_line": 5,
                "end_column": 16,
                "severity": "error",
                "code": "schema/unknown-field",
                "path": "services[0].read_timout",
                "entity": 'service "users" > read_timout',
                "message": "unknown field",
                "suggestion": "did you mean `read_timeout`?",
            }
        ],
    }


def test_github_form(files: Files) -> None:
    files.write(BAD, "a,b:c.yaml")

    assert files.run("--format", "github", "a,b:c.yaml")[1] == (
        "::error file=a%2Cb%3Ac.yaml,line=5,col=5,endLine=5,endColumn=16,title=schema/unknown-field::"
        "services[0].read_timout: unknown field (did you mean `read_timeout`?)\n"
    )


def test_gitlab_form(files: Files) -> None:
    files.write(BAD.replace("read_timout: 3", "a: 1\n    b: 1"))
    files.write("\n" + BAD.replace("read_timout: 3", "a: 1\n    b: 1"), "moved/kong.yaml")
    (first, second) = json.loads(files.run("--format", "gitlab", "./kong.yaml")[1])

    assert first["location"] == {"path": "kong.yaml", "lines": {"begin": 5, "end": 5}}
    assert (first["check_name"], first["severity"]) == ("schema/unknown-field", "critical")
    assert first["fingerprint"] != second["fingerprint"]


def test_sarif_form(files: Files) -> None:
    files.write(WARNED)
    log = json.loads(files.run("--format", "sarif", "kong.yaml")[1])
    (run,) = log["runs"]
    (result,) = run["results"]

    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "lint/tls-unverified"
    assert result["level"] == "warning"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "kong.yaml"}
    assert place["region"] == {"startLine": 2, "startColumn": 27, "endLine": 2, "endColumn": 36}


@pytest.mark.parametrize(
    ("text", "flags", "failures"), [(GOOD, (), 0), (WARNED, (), 0), (WARNED, ("--strict",), 1), (BAD, (), 1)]
)
def test_junit_form(files: Files, text: str, flags: tuple[str, ...], failures: int) -> None:
    suites = ElementTree.fromstring(files.run("--format", "junit", *flags, files.write(text))[1])

    assert len(suites.findall("./testsuite/testcase/failure")) == failures
    assert suites.find("testsuite").get("failures") == str(failures)  # type: ignore[union-attr]
    assert len(suites.findall("./testsuite/testcase")) == 1


@pytest.mark.parametrize("form", ["human", "json", "github", "gitlab", "junit", "sarif"])
def test_every_form_survives_every_character(files: Files, form: str) -> None:
    text = '{"_format_version": "3.0", "services": [{"name": "\\ud800\\u0000<&\\"]]>%", "\\n\\u2028": 1}]}'
    code, printed = files.run("--format", form, files.write(text, "kong.json"))

    assert code == 1
    printed.encode()
    if form == "junit":
        ElementTree.fromstring(printed)


def test_files_are_judged_on_their_own(files: Files) -> None:
    """A reference across files is an error, unless they are merged."""
    service = files.write(GOOD, "a.yaml")
    route = files.write('_format_version: "3.0"\nroutes: [{name: r, service: s, paths: [/a/]}]\n', "b.yaml")

    code, printed = files.run(service, route)
    assert code == 1
    assert "b.yaml:2:29: error[reference/missing]" in printed
    assert files.run("-c", service, "-c", route)[0] == 0
    assert files.run("-c", str(files.folder))[0] == 0


def test_standard_input(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))

    assert files.run("-")[1].startswith("<stdin>:5:5: error")


def test_variables(files: Files) -> None:
    text = VARIABLES
    name = files.write(text)
    env = files.write("# of the stage\nexport DECK_HOST='h.example'\nDECK_PORT=81\n\n", "env")

    assert "env/unset" in files.run(name)[1]
    assert files.run("--mock-env", name)[0] == 0
    assert files.run("--env-file", env, name)[0] == 0
    assert files.run("--env-file", files.write("no assignment", "bad"), name)[0] == 2


def test_placeholders_fit_every_field(files: Files) -> None:
    """A protocol, a certificate, an id: what they are in earnest, nobody knows here."""
    name = files.write(
        """\
_format_version: "3.0"
services:
- {name: a, host: h, protocol: '${{ env "DECK_PROTOCOL" }}', routes: [{name: r, paths: ['${{ env "DECK_PATH" }}']}]}
certificates:
- {id: '${{ env "DECK_ID" }}', cert: '${{ env "DECK_CERT" }}', key: '${{ env "DECK_KEY" }}', snis: [{name: a.example}]}
plugins:
- {name: rate-limiting, service: a, config: {minute: 5, policy: '${{ env "DECK_POLICY" }}'}}
"""
    )
    assert files.run("--mock-env", name)[:2] == (0, f"{name}: valid\n")


def test_mistakes_beside_placeholders_are_told(files: Files) -> None:
    name = files.write(
        """\
_format_version: "3.0"
services:
- {name: a, host: h, protocol: '${{ env "DECK_PROTOCOL" }}', port: 70000}
routes:
- {name: r, paths: ['~/(']}
"""
    )
    code, out = files.run("--mock-env", name)[:2]
    assert code == 1
    assert [line.split(": ")[1].split()[1] for line in out.splitlines() if ": error" in line] == [
        "services[0].port",
        "routes[0].paths[0]",
    ]


@pytest.mark.parametrize(("flags", "setting", "expected"), [((), "off", 1), (("--expand-env",), "off", 0), ((), "on", 0)])  # fmt: skip  # noqa: E501
def test_shell_variables_are_opt_in(
    files: Files, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], setting: str, expected: int
) -> None:
    monkeypatch.setenv("KONG_EXPAND_ENV", setting)
    name = files.write('_format_version: "3.0"\nservices:\n- name: s\n  host: h\n  port: ${NO:-81}\n')
    assert files.run(*flags, name)[0] == expected


def test_secrets_of_vaults_come_from_the_file_of_variables(files: Files) -> None:
    text = '_format_version: "3.0"\nplugins: [{name: session, config: {secret: "{vault://env/x}"}}]\n'
    name, env = files.write(text), files.write("X=hunter2hunter2", "env")
    code, out = files.run("--strict", name)[:2]
    assert (code, "vault/unresolved" in out) == (1, True)
    assert files.run("--strict", "--no-lint", "vault/unresolved", name)[0] == 0
    assert files.run("--strict", "--mock-env", name)[0] == 0
    code, out = files.run("--strict", "--env-file", env, name)[:2]
    assert (code, "hunter2" in out) == (0, False)


def test_router_flavor(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    name = files.write(GOOD + "routes: [{name: r, expression: 'http.path == \"/\"'}]\n")

    assert files.run(name)[0] == 1
    assert files.run("--router-flavor", "expressions", name)[0] == 0
    monkeypatch.setenv("KONG_ROUTER_FLAVOR", "expressions")
    assert files.run(name)[0] == 0


# Each takes longer to import than the example takes to be judged, or comes with others that do.
HEAVY = {
    *("uvloop", "httptools", "watchfiles", "asyncio", "redis", "dns", "cryptography", "ssl", "re2"),
    *("ruamel", "jsonschema", "xml", "importlib.metadata", "ctypes", "subprocess"),
    *("dataclasses", "inspect", "tokenize", "traceback", "logging", "difflib", "shutil", "bz2", "lzma"),
}


def test_nothing_heavy_is_imported() -> None:
    """It runs in save hooks: what is not needed to judge a file is not even imported."""
    program = (
        "import sys; from dbless_gateway.cli.main import main; main(sys.argv[1:]);"
        f"print(sorted({HEAVY} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "validate", str(REPOSITORY / "kong.yaml.example")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == "[]"


BAD_INPUT = [
    ("not YAML", b"a: [1, 2", "yaml/syntax"),
    ("not JSON", b'{"a": ', "json/syntax"),
    ("no text", bytes(range(128, 256)), "file/encoding"),
    ("UTF-16", 'a: "b"'.encode("utf-16"), "file/encoding"),
    ("UTF-16 without a mark", 'a: "b"'.encode("utf-16-be"), "file/encoding"),
    ("empty", b"", "file/empty"),
    ("NUL", b"a: \x00", "yaml/character"),
    ("deep", b"a: " + b"[" * 10_000, "yaml/nesting"),
    ("deep JSON", b'{"a": ' + b"[" * 10_000, "yaml/nesting"),
    ("a list", b"- 1", "format/root"),
    ("itself", b"a: &a [*a]", "yaml/alias"),
    ("a bomb", b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n" % (c, c, *[c - 1] * 10)
        for c in range(ord("b"), ord("k"))
    ), "yaml/alias-expansion"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "code"), [row[1:] for row in BAD_INPUT], ids=[row[0] for row in BAD_INPUT]
)
def test_bad_input_is_one_diagnostic(files: Files, content: bytes, code: str) -> None:
    file = files.folder / ("kong.json" if content.startswith(b"{") else "kong.yaml")
    file.write_bytes(content)
    exit_code, printed = files.run("--format", "json", str(file))

    assert exit_code == 1
    (problem,) = json.loads(printed)["problems"]
    assert problem["code"] == code
    assert ("save it as UTF-8" in str(problem["suggestion"])) == (b"\0a" in content or b"a\0" in content)


def test_a_folder_without_files(files: Files) -> None:
    code, printed = files.run(str(files.folder))

    assert code == 2
    assert "file/unreadable" in printed


THIRTY = REPOSITORY / "tests" / "unit" / "cli" / "thirty_mistakes.yaml"


def test_thirty_mistakes_are_thirty_problems(files: Files) -> None:
    """Each wrong line says in a comment which code it must get; nothing else is reported."""
    expected = {
        (number, match[1])
        for number, line in enumerate(THIRTY.read_text().splitlines(), start=1)
        if (match := re.search(r"# (\w+/[\w-]+)$", line))
    }
    report = json.loads(files.run("--format", "json", str(THIRTY))[1])
    found = {
        (problem["line"], problem["code"]) for problem in report["problems"] if problem["severity"] == "error"
    }

    assert len(expected) == 30
    assert found == expected
