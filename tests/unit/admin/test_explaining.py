"""``/explain`` hands the question on, and the answer back."""

from __future__ import annotations

import pytest

from tests.unit.admin.served import get


@pytest.mark.parametrize(
    ("target", "status", "asked"),
    [
        ("/explain?method=PUT&url=/a", 200, {"method": "PUT", "url": "/a"}),
        ("/explain", 400, {}),
    ],
)
def test_question_and_answer(target: str, status: int, asked: dict[str, str]) -> None:
    assert get(target) == (status, {"asked": asked})


def test_not_for_clients_that_nothing_vouches_for() -> None:
    assert get("/explain?url=/a", is_trusted=False)[0] == 403
