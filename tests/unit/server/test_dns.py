from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dbless_gateway.server.dns import resolver_options
from dbless_gateway.server.setting_values import read_settings
from dbless_gateway.server.settings import BY_NAME


def options(**changed: str) -> Any:
    values = read_settings({f"dns_{name}": text for name, text in changed.items()}, {})
    assert values.errors == ()
    return resolver_options({name: values[name] for name in BY_NAME if name.startswith("dns_")})


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("10.0.0.1", (("10.0.0.1", 53),)),
        ("10.0.0.1:5353, 10.0.0.2", (("10.0.0.1", 5353), ("10.0.0.2", 53))),
        ("::1", (("::1", 53),)),
        ("[::1]", (("::1", 53),)),
        ("[::1]:5353", (("::1", 5353),)),
    ],
)
def test_name_servers(text: str, servers: tuple[tuple[str, int], ...]) -> None:
    assert options(resolver=text).nameservers == servers


def test_defaults_are_kongs() -> None:
    found = options(resolver="10.0.0.1")
    assert found.order == ("LAST", "SRV", "A", "CNAME")
    assert (found.valid_ttl_s, found.stale_ttl_s, found.not_found_ttl_s, found.error_ttl_s) == (
        None,
        3600,
        30,
        1,
    )


def test_the_hosts_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("10.1.1.1 Target.test\n")
    assert options(hostsfile=str(tmp_path / "hosts")).hosts["target.test"] == ("10.1.1.1",)


def test_times_and_order_are_taken() -> None:
    found = options(order="a, srv", valid_ttl="5", stale_ttl="0")
    assert (found.order, found.valid_ttl_s, found.stale_ttl_s) == (("A", "SRV"), 5.0, 0.0)
