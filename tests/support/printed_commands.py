"""Commands as documents print them, run against a test's gateway.

What a person would see on the screen cannot be asserted, so curl and HTTPie are told by their own
configuration files, and not by changing the commands, to fail when an answer is an error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.gateway import Gateway

TIMEOUT_S = 60.0


class Shell:
    """A shell in which the ports of documents are those of a gateway."""

    def __init__(self, gateway: Gateway, home: Path) -> None:
        self._ports = {":8000": f":{gateway.port}", ":8001": f":{gateway.admin_port}"}
        (home / ".curlrc").write_text("fail-with-body\nsilent\n")
        httpie = {"default_options": ["--check-status", "--ignore-stdin", "--print=hb"]}
        (home / "config.json").write_text(json.dumps(httpie))
        # HTTPie is installed where this interpreter is.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {
            **os.environ,
            "PATH": path,
            "CURL_HOME": str(home),
            "HTTPIE_CONFIG_DIR": str(home),
        }

    def run(self, command: str, *, fails: bool = False) -> str:
        """Run a command and return what it prints."""
        tool = command.split(" ", 1)[0]
        assert shutil.which(tool, path=self._environment["PATH"]), f"the documents call {tool}"
        for printed, port in self._ports.items():
            command = command.replace(printed, port)
        done = subprocess.run(
            command,
            shell=True,
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert (done.returncode != 0) is fails, (command, done.stdout, done.stderr)
        return done.stdout
