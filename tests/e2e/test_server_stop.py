"""How a gateway ends: what is in flight is finished, what waits is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import ConnectionClosed

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_request_in_flight_is_answered_and_its_connection_closed(tmp_path: Path, number: int) -> None:
    with Origin() as origin, Gateway(write(tmp_path, service(origin.address))) as gateway:

        def answer_when_it_stops(connection: OriginConnection) -> None:
            connection.receive()
            gateway.process.send_signal(number)
            gateway.log.wait_for(": stopping ")
            connection.answer(b"late")

        origin.script = answer_when_it_stops
        with gateway.connect() as client:
            response = client.request()
            assert (response.status, response.body) == (200, b"late")
            assert client.is_closed_by_peer()
        assert gateway.process.wait(20) == 0


def test_an_idle_connection_is_closed_at_once(tmp_path: Path) -> None:
    with Origin() as origin, Gateway(write(tmp_path, service(origin.address))) as gateway:
        with gateway.connect() as client:
            assert client.request().status == 200
            gateway.process.send_signal(signal.SIGTERM)
            assert client.is_closed_by_peer()
        assert gateway.process.wait(20) == 0


def test_an_interrupt_cuts(tmp_path: Path) -> None:
    with Origin() as origin, Gateway(write(tmp_path, service(origin.address))) as gateway:

        def interrupt(connection: OriginConnection) -> None:
            connection.receive()
            gateway.process.send_signal(signal.SIGINT)
            gateway.process.wait(20)

        origin.script = interrupt
        with gateway.connect() as client, pytest.raises(ConnectionClosed):
            client.request()
        assert gateway.process.wait(20) == 0


def test_it_is_not_ready_while_it_drains_and_serves_all_the_same(tmp_path: Path) -> None:
    with (
        Origin() as origin,
        Gateway(write(tmp_path, service(origin.address)), flags=("--drain-delay", "1s")) as gateway,
    ):
        gateway.process.send_signal(signal.SIGTERM)
        gateway.log.wait_for(": stopping ")
        assert gateway.fetch().status == 200
        assert gateway.process.wait(20) == 0


def test_the_access_log_is_complete_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    environment = {"KONG_PROXY_ACCESS_LOG": str(log)}
    with (
        Origin() as origin,
        Gateway(write(tmp_path, service(origin.address)), environment=environment) as gateway,
    ):
        for number in range(20):
            gateway.fetch(f'/{number}?q="\\')
        gateway.stop()
    lines = log.read_text().splitlines()
    assert len(lines) == 20
    assert '"GET /3?q=\\x22\\x5C HTTP/1.1" 200 ' in lines[3]
    assert lines[3].startswith("127.0.0.1 - - [")
    assert 'kong_request_id: "' in lines[3]
