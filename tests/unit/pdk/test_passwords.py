"""Password hashes: what was hashed is right, everything else is not, and costs are bounded."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from base64 import b64encode

import pytest

from dbless_gateway.config.password_hashes import is_password_hash
from dbless_gateway.pdk import passwords
from dbless_gateway.pdk.passwords import HASHERS, Overloaded, PasswordChecker, fault_of, is_right

SALT = b64encode(b"0123456789abcdef").decode().rstrip("=")


def cheap(password: bytes) -> str:
    """Return a scrypt hash that takes no time."""
    made = hashlib.scrypt(password, salt=b"0123456789abcdef", n=16, r=8, p=1, dklen=32)
    return f"$scrypt$ln=4,r=8,p=1${SALT}${b64encode(made).decode().rstrip('=')}"


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", HASHERS)
def test_what_was_hashed_is_right(algorithm: str) -> None:
    hashed = HASHERS[algorithm]("pässword".encode())

    assert is_password_hash(hashed)
    assert fault_of(hashed) is None
    assert is_right("pässword".encode(), hashed)
    assert not is_right(b"password", hashed)


def test_the_vector_of_the_scrypt_standard() -> None:
    """RFC 7914, section 12: N = 1024, r = 8, p = 16."""
    expected = (
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830da"
        "c727afb94a83ee6d8360cbdfa2cc0640"
    )
    salt, hashed = (b64encode(raw).decode().rstrip("=") for raw in (b"NaCl", bytes.fromhex(expected)))

    assert is_right(b"password", f"$scrypt$ln=10,r=8,p=16${salt}${hashed}")


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_every_bcrypt(prefix: str) -> None:
    """The first vector of crypt_blowfish."""
    hashed = prefix + "05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

    assert is_right(b"U*U", hashed)
    assert not is_right(b"U*U*", hashed)
    assert not is_right(b"U*U" + b"x" * 100, hashed)


def test_bcrypt_does_not_cut_a_password() -> None:
    with pytest.raises(ValueError, match="at most 72 bytes"):
        HASHERS["bcrypt"](b"x" * 73)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "$2b$secret",
        "$argon2id$",
        "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
        "$scrypt$ln=4,r=8,p=1$c2FsdA",
        "$scrypt$ln=4,r=8,p=1$c2FsdA$aGFzaA\n",
        "sha256:" + "0" * 64,
    ],
)
def test_a_password_is_no_hash(text: str) -> None:
    assert not is_password_hash(text)


@pytest.mark.parametrize(
    ("hashed", "fault"),
    [
        ("$scrypt$ln=22,r=8,p=1$c2FsdA$aGFzaA", "takes more than 256 MiB"),
        ("$scrypt$ln=4,r=8,p=65$c2FsdA$aGFzaA", "takes more than 256 MiB"),
        ("$scrypt$ln=4,r=0,p=1$c2FsdA$aGFzaA", "has costs that cannot be used"),
        ("$argon2id$v=19$m=999999,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "takes more than 256 MiB"),
        ("$argon2id$v=19$m=64,t=65,p=1$c2FsdHNhbHQ$aGFzaA", "has costs that cannot be used"),
        ("$2b$17$" + "." * 53, "has a cost above 16"),
    ],
)
def test_what_costs_too_much(hashed: str, fault: str) -> None:
    assert is_password_hash(hashed)
    assert (fault_of(hashed) or "").startswith(fault)


def test_bcrypt_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert "needs the package bcrypt" in (fault_of("$2b$04$" + "." * 53) or "")


@pytest.mark.parametrize(
    "hashed",
    [
        "$scrypt$ln=4,r=8,p=1$x$aGFzaA",
        "$scrypt$ln=0,r=8,p=1$c2FsdA$aGFzaA",
        "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
        "$2b$00$" + "." * 53,
    ],
)
def test_a_broken_hash_is_nobodys(hashed: str) -> None:
    assert is_right(b"x", hashed) is False


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_right_password_is_remembered_for_a_while() -> None:
    clock, hashed = Clock(), cheap(b"right")
    checker = PasswordChecker(b"k" * 32, clock)

    async def scenario() -> None:
        assert not checker.knows(b"right", hashed)
        assert await checker.check(b"right", hashed)
        assert not await checker.check(b"wrong", hashed)

    asyncio.run(scenario())
    checker.close()
    assert checker.knows(b"right", hashed)
    assert not checker.knows(b"wrong", hashed)
    assert not checker.knows(b"right", cheap(b"other"))
    clock.now += 60
    assert not checker.knows(b"right", hashed)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_REMEMBERED_PASSWORDS", 2)
    checker = PasswordChecker(b"k" * 32, Clock())

    async def scenario() -> list[bool]:
        for word in (b"a", b"b", b"c"):
            assert await checker.check(word, cheap(word))
        return [checker.knows(word, cheap(word)) for word in (b"a", b"b", b"c")]

    assert asyncio.run(scenario()) == [False, False, True]
    checker.close()


def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAITING", 2)
    checker, hashed = PasswordChecker(b"k" * 32, Clock()), cheap(b"right")

    async def scenario() -> None:
        asked = [asyncio.ensure_future(checker.check(word, hashed)) for word in (b"right", b"b", b"right")]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await checker.check(b"d", hashed)
        assert await asyncio.gather(*asked) == [True, False, True], "the same question is one"
        assert not await checker.check(b"d", hashed)

    asyncio.run(scenario())
    checker.close()


def test_who_goes_away_takes_nothing_from_others() -> None:
    checker, hashed = PasswordChecker(b"k" * 32, Clock()), cheap(b"right")

    async def scenario() -> bool:
        first, second = (asyncio.ensure_future(checker.check(b"right", hashed)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(scenario())
    checker.close()
