"""The Admin API keeps the promises of its OpenAPI document, as schemathesis sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import Gateway

FILE = """\
_format_version: "3.0"
services:
  - name: users
    url: http://127.0.0.1:9/base
    tags: [a]
    routes:
      - {name: list, paths: [/list], plugins: [{name: key-auth}]}
upstreams:
  - name: up
    targets: [{target: "10.0.0.1:80"}]
consumers:
  - username: bob
    keyauth_credentials: [{key: bobs}]
"""
# What no document of this kind can promise.
EXCEPTIONS = (
    # That everything of the right form is taken: references, rules between fields, and leave to write.
    *("--exclude-checks", "positive_data_acceptance"),
    # Kong says 501 here, which is taken for an accident.
    *("--exclude-path", "/status/dns"),
    # One process each.
    *("--exclude-path", "/explain", "--exclude-path", "/reload"),
)
EXAMPLES = 2
# About a minute and a half of CPU time; a busy machine takes several times as long.
TIMEOUT_S = 1200.0


@pytest.mark.slow
def test_schemathesis_finds_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(FILE)
    with Gateway(file, flags=("--log-level", "error")) as gateway:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).parent / "st"), "run"),
                f"http://127.0.0.1:{gateway.admin_port}/openapi.json",
                *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)),
                *("--seed", "1", "--continue-on-failure", "--warnings", "off", "--no-color"),
                *EXCEPTIONS,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in str(gateway.log)
    (cases,) = re.findall(r"\d+ generated.*", done.stdout)
    with capsys.disabled():
        sys.stdout.write(f"\nschemathesis: {cases}\n")
