"""What other repositories take from this one: hooks before a commit and the action name real commands."""

from __future__ import annotations

import re
from typing import Any

import yaml

from dbless_gateway.cli.main import COMMANDS
from tests.support.gateway import REPOSITORY


def read(name: str) -> Any:
    return yaml.safe_load((REPOSITORY / name).read_text())


def test_hooks() -> None:
    for hook in read(".pre-commit-hooks.yaml"):
        program, command, *_ = hook["entry"].split()
        assert program == "dbless-gateway"
        assert command in COMMANDS
        assert re.search(hook["files"], "gateways/kong.yaml")


def test_hooks_of_the_documentation_exist() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "validate-in-ci.md").read_text()
    shown = set(re.findall(r"- id: ([\w-]+)", page))
    assert shown == {hook["id"] for hook in read(".pre-commit-hooks.yaml")}


def test_action() -> None:
    action = read("action.yml")
    assert action["runs"]["using"] == "composite"
    script = action["runs"]["steps"][-1]
    assert 'dbless-gateway" validate' in script["run"]
    # No input is pasted into the script itself.
    assert "${{" not in script["run"]
    assert {value for value in script["env"].values() if "inputs." in value} == {
        "${{ inputs.files }}",
        "${{ inputs.flags }}",
    }
