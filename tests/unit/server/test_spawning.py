from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dbless_gateway.server.spawning import child_command, child_environment, worker_environment


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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "glibc.malloc.mxfast=0"),
        ("", "glibc.malloc.mxfast=0"),
        ("glibc.malloc.mxfast=64", "glibc.malloc.mxfast=0:glibc.malloc.mxfast=64"),  # the last one counts
    ],
)
def test_a_worker_joins_freed_memory_at_once_unless_somebody_means_it(
    given: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is None:
        monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    else:
        monkeypatch.setenv("GLIBC_TUNABLES", given)
    assert worker_environment() == {**child_environment(), "GLIBC_TUNABLES": expected}
