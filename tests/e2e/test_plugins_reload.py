"""What plugins hold open is put away when a reload removes them: queues are sent, connections closed."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.config import document, service
from tests.support.gateway import Gateway, write_atomically
from tests.support.origin import Origin
from tests.support.wire import TIMEOUT_S

pytestmark = pytest.mark.slow

# Nothing is sent before its time unless somebody hurries.
LATER = {"max_coalescing_delay": 3600, "max_batch_size": 100}


class Site:
    """A configuration of one service, whose plugins a test changes."""

    def __init__(self, folder: Path, address: str) -> None:
        self.file = folder / "kong.yaml"
        self._address = address

    def write(self, **configs: dict[str, Any]) -> None:
        plugins = [{"name": name.replace("_", "-"), "config": config} for name, config in configs.items()]
        write_atomically(self.file, document(service(self._address, "/", plugins=plugins)))

    def reload(self, gateway: Gateway, **configs: dict[str, Any]) -> None:
        previous = gateway.status()["configuration_hash"]
        self.write(**configs)
        gateway.wait_for_configuration(previous)


def test_connection_lasts_as_long_as_its_plugin(tmp_path: Path) -> None:
    with Origin() as origin, socket.create_server(("127.0.0.1", 0)) as sink:
        sink.settimeout(TIMEOUT_S)
        site = Site(tmp_path, origin.address)
        to_sink = {"host": "127.0.0.1", "port": sink.getsockname()[1]}
        site.write(tcp_log=to_sink)
        with Gateway(site.file) as gateway:
            gateway.fetch("/first")
            connection, _ = sink.accept()
            connection.settimeout(TIMEOUT_S)
            with connection, connection.makefile("rb") as lines:
                assert json.loads(lines.readline())["request"]["uri"] == "/first"
                # A reload that keeps the plugin keeps its connection.
                site.reload(gateway, tcp_log=to_sink, correlation_id={"header_name": "X-Id"})
                gateway.fetch("/second")
                assert json.loads(lines.readline())["request"]["uri"] == "/second"
                # One that removes it closes the connection, and not only at the worker's end.
                site.reload(gateway, correlation_id={"header_name": "X-Id"})
                assert lines.readline() == b""
                assert gateway.fetch("/third").status == 200


@pytest.mark.parametrize("after", ["removed", "another address"])
def test_what_was_queued_is_sent_when_its_plugin_goes(tmp_path: Path, after: str) -> None:
    with Origin() as origin, Origin(name="sink") as sink, Origin(name="other") as other:
        site = Site(tmp_path, origin.address)
        site.write(http_log={"http_endpoint": f"http://{sink.address}/", "queue": LATER})
        with Gateway(site.file) as gateway:
            for path in ("/one", "/two"):
                gateway.fetch(path)
            assert sink.requests == []
            changed = {"http_endpoint": f"http://{other.address}/", "queue": LATER}
            site.reload(gateway, **({} if after == "removed" else {"http_log": changed}))
            sent = json.loads(sink.next_request().body)
            assert [record["request"]["uri"] for record in sent] == ["/one", "/two"]


def test_what_is_queued_over_a_reload_is_sent_at_the_end(tmp_path: Path) -> None:
    with Origin() as origin, Origin(name="sink") as sink:
        site = Site(tmp_path, origin.address)
        http_log = {"http_endpoint": f"http://{sink.address}/", "queue": LATER}
        site.write(http_log=http_log)
        with Gateway(site.file) as gateway:
            gateway.fetch("/one")
            site.reload(gateway, http_log=http_log, correlation_id={"header_name": "X-Id"})
            gateway.fetch("/two")
            assert sink.requests == []
        sent = json.loads(sink.next_request().body)
        assert [record["request"]["uri"] for record in sent] == ["/one", "/two"]
