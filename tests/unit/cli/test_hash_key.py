"""hash-key prints what key-auth and basic-auth accept, and the secret never where it would be kept."""

from __future__ import annotations

import io
import sys
from hashlib import sha256

import pytest

from dbless_gateway.cli import hash_key
from dbless_gateway.pdk.passwords import is_right


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, *argv: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    code = hash_key.main(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("typed", ["a key that is long enough\n", "a key that is long enough\r\nmore"])
def test_a_key(typed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sha256(b"a key that is long enough").hexdigest()

    assert run(capsys, monkeypatch, typed) == (0, f"sha256:{expected}\n", "")


def test_a_short_key_is_warned_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run(capsys, monkeypatch, "short\n")

    assert (code, out[:7]) == (0, "sha256:")
    assert "can be found from its hash by trying" in err


def test_a_new_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(capsys, monkeypatch, "", "--generate")
    key = err.split()[-1]

    assert (code, out) == (0, f"sha256:{sha256(key.encode()).hexdigest()}\n")
    assert len(key) >= 43, "256 bits"


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["argon2id", "scrypt", "bcrypt"])
def test_a_password(
    algorithm: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run(capsys, monkeypatch, "pässword\n", "-a", algorithm)

    assert (code, err) == (0, "")
    assert is_right("pässword".encode(), out.strip())


@pytest.mark.parametrize(
    ("typed", "argv", "error"),
    [("", [], "there is no key to hash\n"), ("x" * 73, ["-a", "bcrypt"], "bcrypt takes at most 72 bytes\n")],
)
def test_what_cannot_be_hashed(
    typed: str,
    argv: list[str],
    error: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(capsys, monkeypatch, typed, *argv) == (1, "", error)


def test_without_the_package(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)

    code, out, err = run(capsys, monkeypatch, "x\n", "-a", "bcrypt")
    assert (code, out) == (1, "")
    assert err == "bcrypt needs a package that is not installed: bcrypt\n"
