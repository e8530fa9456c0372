"""What YAML 1.1 reads differently from what it looks like."""

from __future__ import annotations

import pytest

from dbless_gateway.lint.surprises import SURPRISE
from tests.support.findings import findings, judged


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("services: [{name: s, host: h, enabled: yes}]", "services[0].enabled", "true"),
        ("services: [{name: s, host: h, enabled: Off}]", "services[0].enabled", "false"),
        ("services: [{name: s, host: h, port: 0120}]", "services[0].port", "80"),
        ("services: [{name: s, host: h, read_timeout: 1:30}]", "services[0].read_timeout", "90"),
        (
            "plugins: [{name: rate-limiting, config: {minute: 010, policy: local}}]",
            "plugins[0].config.minute",
            "8",
        ),
        ("_ignore: [on]", "", "true"),
    ],
)
def test_surprise(text: str, path: str, value: str) -> None:
    (found,) = findings(text, SURPRISE)

    assert found.path == path
    assert f"reads this as {value}," in found.message
    assert found.line == 2


@pytest.mark.parametrize("value", ["true", "'on'", "80", "0x50", "!!bool true"])
def test_no_surprise(value: str) -> None:
    assert findings(f"_ignore: [{value}]", SURPRISE) == []


def test_an_error_at_the_same_place_is_enough() -> None:
    verdict = judged("services: [{name: s, host: h, tags: [on]}]")

    assert [problem.code for problem in verdict.problems] == ["schema/type"]
