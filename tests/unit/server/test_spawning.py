from __future__ import annotations

import subprocess
from pathlib import Path

from dbless_gateway.server.spawning import child_command, child_environment


def test_a_child_finds_our_package_and_nothing_of_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "dbless_gateway").mkdir()
    (tmp_path / "dbless_gateway" / "__init__.py").write_text("raise SystemExit('imported from here')")
    ended = subprocess.run(
        child_command("dbless_gateway", "version"),
        cwd=tmp_path,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("dbless-gateway ")
