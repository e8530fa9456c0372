from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.runtime.bus import Bus
from dbless_gateway.server.bus import ChannelBus


def test_satisfies_the_protocol() -> None:
    bus: Bus = ChannelBus(lambda topic, payload: None)
    assert bus is not None


def test_publishing_sends_and_does_not_echo() -> None:
    sent: list[Any] = []
    heard: list[Any] = []
    bus = ChannelBus(lambda topic, payload: sent.append((topic, payload)))
    bus.subscribe("t", heard.append)
    bus.publish("t", 1)
    assert (sent, heard) == ([("t", 1)], [])


def test_delivery_reaches_the_subscribers_of_the_topic() -> None:
    heard: list[Any] = []
    bus = ChannelBus(lambda topic, payload: None)
    bus.subscribe("t", heard.append)
    bus.subscribe("t", lambda payload: heard.append(-payload))
    bus.deliver("t", 1)
    bus.deliver("other", 2)
    assert heard == [1, -1]


def test_a_failing_subscriber_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(payload: Any) -> None:
        raise RuntimeError("bug")

    heard: list[Any] = []
    bus = ChannelBus(lambda topic, payload: None)
    bus.subscribe("t", fail)
    bus.subscribe("t", heard.append)
    bus.deliver("t", 1)
    assert heard == [1]
    assert "subscriber of t failed" in caplog.text
