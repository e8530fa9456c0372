"""Sessions in cookies: what is sealed opens again, and nothing else does."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.sessions import Sealer, Session, new_session_id

SESSION = Session("id", "default", "alice", "c1", "k1", ("admin", "ü"), 1.5, 2.5, 3.5)


def test_round_trip() -> None:
    sealer = Sealer(b"secret")

    assert sealer.open(sealer.seal(SESSION, "session"), "session") == SESSION
    assert sealer.seal(SESSION, "session") != sealer.seal(SESSION, "session")


@pytest.mark.parametrize("text", ["", "x", "AAAA", "é", "!" * 50, "A" * 100, "A" * 9000])
def test_what_is_no_session(text: str) -> None:
    assert Sealer(b"secret").open(text, "session") is None


def test_a_changed_cookie_another_name_or_another_secret() -> None:
    sealer = Sealer(b"secret")
    text = sealer.seal(SESSION, "session")
    changed = ("A" if text[0] != "A" else "B") + text[1:]

    assert sealer.open(changed, "session") is None
    assert sealer.open(text, "remember") is None
    assert Sealer(b"other").open(text, "session") is None


def test_times_move() -> None:
    assert SESSION.renewed(9.0) == Session(
        "id", "default", "alice", "c1", "k1", ("admin", "ü"), 1.5, 9.0, 9.0
    )
    assert SESSION.seen(9.0) == Session("id", "default", "alice", "c1", "k1", ("admin", "ü"), 1.5, 2.5, 9.0)


def test_ids_differ() -> None:
    assert new_session_id() != new_session_id()
