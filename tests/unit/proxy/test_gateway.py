"""What the connections of a worker share: ids, the sweep, dialling, the end."""

from __future__ import annotations

import ssl
from typing import Any, cast

from dbless_gateway.proxy.gateway import Gateway
from tests.support.client import request_bytes
from tests.support.exchange_script import Stage
from tests.unit.proxy.conftest import MakeStage


def test_request_ids_are_unique(stage: Stage) -> None:
    ids = [stage.gateway.next_request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {len(request_id) for request_id in ids} == {32}


def test_request_id_is_the_same_on_both_sides(stage: Stage) -> None:
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    sent = target.read_request().get("X-Kong-Request-Id")
    target.answer()
    assert client.read_response().get("X-Kong-Request-Id") == sent


def test_failed_verification_is_named_in_the_log(make_stage: MakeStage) -> None:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"
    stage = make_stage(service={"retries": 0})
    client = stage.connect()
    client.send(request_bytes())
    stage.refuse(error)
    assert client.read_response().status == 502
    assert "certificate verification failed: self-signed certificate" in stage.log[-1]


def test_tls_names_the_host_it_wants(make_stage: MakeStage) -> None:
    """SNI and the certificate check go by the Host that the target sees."""
    stage = make_stage(
        service={"protocol": "https", "port": 443, "tls_verify": True}, route={"preserve_host": True}
    )
    stage.connect().send(request_bytes(host="Shop.Test:8443"))
    dial = stage.loop.dials[0]
    assert (dial.address, dial.tls["server_hostname"]) == (("10.1.1.1", 443), "shop.test")
    assert cast(ssl.SSLContext, dial.tls["ssl"]).verify_mode is ssl.CERT_REQUIRED


def test_connections_of_different_names_do_not_mix(make_stage: MakeStage) -> None:
    stage = make_stage(service={"protocol": "https", "port": 443}, route={"preserve_host": True})
    client = stage.connect()
    for host in ("a.test", "b.test"):
        client.send(request_bytes(host=host))
        target = stage.accept()
        assert target.read_request().get("Host") == host
        target.answer()
        client.read_response()
    client.send(request_bytes(host="a.test"))
    assert not stage.is_dialling


def test_idle_targets_are_closed_by_the_sweep(stage: Stage) -> None:
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.answer()
    stage.pass_time(58)
    assert not target.is_closed
    stage.pass_time(4)
    assert target.is_closed


def test_close_drops_everything(stage: Stage) -> None:
    client, other = stage.connect(), stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    stage.do(stage.gateway.close)
    assert [end.is_closed for end in (client, other, target)] == [True, True, True]
    assert list(stage.gateway.connections()) == []


def test_wall_clock_goes_with_the_monotonic_one(stage: Stage) -> None:
    gateway: Gateway = stage.gateway
    assert gateway.wall_clock(11.0) - gateway.wall_clock(10.0) == 1.0


def test_a_crash_kills_nobody_else(make_stage: MakeStage) -> None:
    """An exception in an exchange surfaces in whose callback it runs: here that of the shared target."""

    class Failing:
        def header_filter(self, ctx: Any) -> None:
            if ctx.path == "/bad":
                raise RuntimeError("a plugin's bug")

    stage = make_stage(plugins=[Failing()])
    good, bad = stage.connect(), stage.connect()
    good.send(request_bytes(target="/good"))
    bad.send(request_bytes(target="/bad"))
    targets = [stage.accept(), stage.accept()]
    for target in targets:
        target.receive()
    targets[1].answer(b"bad")
    targets[0].answer(b"good")
    assert (good.read_response().body, bad.read_response().status) == (b"good", 500)
    assert len(stage.bugs) == 1
    stage.bugs.clear()


def test_retries_are_counted(make_stage: MakeStage) -> None:
    stage = make_stage(service={"retries": 2})
    client = stage.connect()
    client.send(request_bytes())
    stage.refuse()
    stage.refuse()
    stage.accept().answer()
    assert client.read_response().status == 200
    assert stage.gateway.report()["upstream_retries"] == 2
    assert stage.gateway.report()["upstream_connections_idle"] == 1
