"""What logs do not show."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.identity import Identities
from dbless_gateway.pdk.redaction import redacted_query, secret_names


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a=1&b=2", "a=1&b=2"),
        ("key=1", "key=REDACTED"),
        ("a=1&KEY=1&b", "a=1&KEY=REDACTED&b"),
        ("%6bey=1", "%6bey=REDACTED"),
        ("my+key=1", "my+key=REDACTED"),
        ("key", "key"),
        ("key=", "key=REDACTED"),
        ("key=1=2", "key=REDACTED"),
        ("monkey=1", "monkey=1"),
        ("", ""),
    ],
)
def test_values_of_secret_arguments(raw: str, shown: str) -> None:
    assert redacted_query(raw, {"key", "my key"}) == shown


def test_names_belong_to_a_configuration() -> None:
    one, other = Identities((), ()), Identities((), ())
    secret_names(one).add("key")
    assert {"authorization", "cookie", "key"} <= secret_names(one)
    assert "key" not in secret_names(other)
