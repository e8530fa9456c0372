"""Values of variables are hidden wherever they turn up."""

from __future__ import annotations

import pytest

from dbless_gateway.lint.hiding import environment_values, hidden

ENVIRON = {"DECK_LONG": "secret-and-more", "DECK_PART": "secret", "DECK_TINY": "on", "OTHER": "unnamed"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('a: ${{ env "DECK_PART" }}\nb: "${{ env \\"DECK_LONG\\" }}"', ["secret-and-more", "secret"]),
        ("a: ${DECK_PART:-x}", ["secret"]),
        ('a: ${{ env "DECK_TINY" }}', []),
        ('a: ${{ env "DECK_UNSET" }}', []),
        ("a: OTHER", []),
    ],
)
def test_environment_values(text: str, values: list[str]) -> None:
    assert environment_values({"kong.yaml": text}, ENVIRON) == values


def test_hidden_at_every_depth() -> None:
    value = {"a": ["x secret-and-more y", 7, None], "b": {"c": "secret"}}

    assert hidden(value, ["secret-and-more", "secret"]) == {"a": ["x *** y", 7, None], "b": {"c": "***"}}
    assert hidden(value, []) is value
