"""Secrets in texts that people read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.config.masking import masked_text

# No letter of the mask, or the law below could not tell it from a secret.
SECRET = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("invalid value: hunter2", ["hunter2"], "invalid value: ***"),
        ("xhunter2x", ["hunter2"], "x***x"),
        ("hunter2 and hunter22", ["hunter2", "hunter22"], "*** and ***"),
        # Short ones do not garble the words of the message, and are still hidden where they are quoted.
        ("invalid key", ["y"], "invalid key"),
        ("invalid key: y", ["y"], "invalid key: ***"),
        ("http://u:ab@label 'ab'", ["ab"], "http://u:***@label '***'"),
        ("key=+; a+b", ["+"], "key=***; a+b"),
        # What stands for one secret is not searched for the next.
        ("abcd *", ["abcd", "*"], "*** ***"),
        ("nothing", [], "nothing"),
        ("nothing", [""], "nothing"),
    ],
)
def test_where_secrets_are_masked(text: str, secrets: list[str], expected: str) -> None:
    assert expected == masked_text(text, secrets)


@given(SECRET, st.sampled_from(["'{}'", ": {}", "{}", "({}): !", "={}, ={}"]))
def test_a_secret_between_spaces_or_signs_is_never_seen(secret: str, template: str) -> None:
    assert secret not in masked_text(template.replace("{}", secret), [secret])
