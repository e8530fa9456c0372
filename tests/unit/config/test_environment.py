"""Variables in scalars: what is substituted, with what type, and what is refused."""

from __future__ import annotations

import pytest

from dbless_gateway.config.environment import substitution
from dbless_gateway.config.faults import Fatal

ENVIRON = {
    "DECK_A": "a\nb",
    "DECK_N": "5",
    "DECK_T": "true",
    "DECK_F": "0.5",
    "X": "x",
    "EMPTY": "",
    "DECK_INF": "inf",
    "BIG": "9" * 50,
}


def _value(text: str, *, plain: bool = True, expand: bool = False, mock: bool = False) -> object:
    return substitution(ENVIRON, expand=expand, mock=mock)(text, plain)


@pytest.mark.parametrize(
    ("text", "plain", "value"),
    [
        ('${{ env "DECK_A" }}', True, "a\nb"),
        ('${{env "DECK_A"}}', True, "a\nb"),
        ("${{ env `DECK_A` }}", False, "a\nb"),
        ('${{ env "DECK_N" }}', True, 5),
        ('${{ env "DECK_N" }}', False, "5"),
        ('${{ env "DECK_N" | toInt }}', True, 5),
        ('${{ env "DECK_N" | toInt }}', False, "5"),
        ('${{ env "DECK_T" | toBool }}', True, True),
        ('${{ env "DECK_T" | toBool }}', False, "true"),
        ('${{ env "DECK_F" | toFloat }}', True, 0.5),
        ('${{ env "DECK_A" | indent 2 }}', False, "a\n  b"),
        ('<${{ env "DECK_N" }}${{ env "DECK_N" }}>', True, "<55>"),
        ('1${{ env "DECK_N" }}', True, 15),
        ("$", True, "$"),
        ("${X}", True, "${X}"),
    ],
)
def test_deck(text: str, plain: bool, value: object) -> None:
    assert _value(text, plain=plain) == value


@pytest.mark.parametrize(
    ("text", "plain", "value"),
    [
        ("${X}", True, "x"),
        ("a${X}b${X}", True, "axbx"),
        ("${NO:-d}", True, "d"),
        ("${EMPTY:-d}", True, "d"),
        ("${NO:-}", True, None),
        ("${NO:-}", False, ""),
        ("${NO:-5}", True, 5),
        ("${NO:-5}", False, "5"),
        ("${X:?m}", True, "x"),
        ("$${X}", True, "${X}"),
        ("${}", True, "${}"),
        ("$X", True, "$X"),
    ],
)
def test_shell(text: str, plain: bool, value: object) -> None:
    assert _value(text, plain=plain, expand=True) == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('${{ env "DECK_NO" }}', "env/unset"),
        ('${{ env "X" }}', "env/prefix"),
        ("${{ X }}", "env/expression"),
        ('${{ env "DECK_A" | lower }}', "env/expression"),
        ('${{ env "DECK_A" | toInt }}', "env/value"),
        ('${{ env "DECK_A" | toBool }}', "env/value"),
        ('${{ env "DECK_A" | toFloat }}', "env/value"),
        ('${{ env "DECK_INF" | toFloat }}', "env/value"),
        ("${NO}", "env/unset"),
        ("${EMPTY:?why}", "env/unset"),
    ],
)
def test_refused(text: str, code: str) -> None:
    with pytest.raises(Fatal) as caught:
        _value(text, expand=True)
    assert caught.value.fault.code == code
    assert "a\nb" not in caught.value.fault.message


def test_huge_numbers_are_refused_and_not_converted() -> None:
    with pytest.raises(Fatal):
        substitution({"DECK_BIG": "9" * 100_000}, expand=False, mock=False)(
            '${{ env "DECK_BIG" | toInt }}', True
        )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('${{ env "DECK_NO" }}', "DECK_NO"),
        ('${{ env "DECK_NO" | toBool }}', False),
        ('${{ env "DECK_NO" | toInt }}', 42),
        ('${{ env "DECK_NO" | toFloat }}', 42),
        ("${UNSET}", "UNSET"),
        ("${UNSET:?x}", "UNSET"),
        ("${UNSET:-d}", "d"),
    ],
)
def test_mocked(text: str, value: object) -> None:
    assert _value(text, expand=True, mock=True) == value
