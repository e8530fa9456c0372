"""What the system's files say about names."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbless_gateway.runtime.resolver_options import LOCALHOST, read_hosts_file, system_options


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A resolv.conf and a hosts file."""
    (tmp_path / "resolv.conf").write_text(
        "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch one.test two.test\noptions ndots:3 timeout:4\n"
    )
    (tmp_path / "hosts").write_text(
        "# comment\n"
        "10.0.0.1 Db.test db # more\n"
        "10.0.0.2 db\n"
        "::7 db\n"
        "10.0.0.1 db\n"
        "not-an-address x.test\n"
        "\n"
        "127.0.0.9 localhost\n"
    )
    return str(tmp_path / "resolv.conf"), str(tmp_path / "hosts")


def test_files(files: tuple[str, str]) -> None:
    options = system_options(*files)
    assert options.nameservers == (("192.0.2.1", 53), ("2001:db8::1", 53))
    assert (options.search, options.ndots, options.timeout_s) == (("one.test", "two.test"), 3, 4)
    assert options.hosts == {
        "db.test": ("10.0.0.1",),
        "db": ("10.0.0.1", "10.0.0.2", "::7"),
        "localhost": ("127.0.0.9",),
    }


def test_settings_go_before_files(files: tuple[str, str]) -> None:
    options = system_options(*files, nameservers=[("192.0.2.9", 5353)], stale_ttl_s=4.0, ndots=2)
    assert options.nameservers == (("192.0.2.9", 5353),)
    assert (options.stale_ttl_s, options.ndots, options.search) == (4.0, 2, ("one.test", "two.test"))


@pytest.mark.parametrize("text", [None, "", "search one.test\n"])
def test_without_servers_this_machine_is_asked(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    options = system_options(resolv_conf=str(path), hosts_file=str(tmp_path / "none"))
    assert options.nameservers == (("127.0.0.1", 53),)
    assert options.hosts == LOCALHOST
    assert options.ndots == 1


def test_a_hosts_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"\xff\xfe10.0.0.1 a\n10.0.0.2 b\n")
    assert read_hosts_file(str(path)) == LOCALHOST | {"b": ("10.0.0.2",)}
