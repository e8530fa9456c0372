"""The bus within one process."""

from __future__ import annotations

from typing import Any

from tests.support.local_bus import LocalBus


def test_others_hear_in_order_and_the_publisher_does_not() -> None:
    bus = LocalBus()
    one, two, three = bus.end(), bus.end(), bus.end()
    heard: list[tuple[str, Any]] = []
    one.subscribe("news", lambda payload: heard.append(("one", payload)))
    two.subscribe("news", lambda payload: heard.append(("two", payload)))
    three.subscribe("news", lambda payload: heard.append(("three", payload)))
    one.publish("news", 1)
    two.publish("news", 2)
    two.publish("other", 3)
    assert heard == [("two", 1), ("three", 1), ("one", 2), ("three", 2)]
