"""What an exchange owes its balancer: one hash input, counts that last, the cookies that come of both."""

from __future__ import annotations

import re
from typing import Any

from tests.support.client import request_bytes
from tests.support.exchange_script import Stage
from tests.support.upstream_entities import upstream
from tests.unit.proxy.conftest import MakeStage

TARGETS = [("10.0.0.1:80", 100), ("10.0.0.2:80", 100)]
_COOKIE = re.compile(r"affinity=([0-9a-f-]{36}); Path=/; Same-Site=Lax; HttpOnly")


def balanced(make_stage: MakeStage, **fields: Any) -> Stage:
    """Return a gateway whose service is spread over two targets."""
    entity = upstream(**fields)
    return make_stage(targets=TARGETS, upstream=entity, service={"host": entity.name})


def test_a_long_download_counts_as_a_connection_to_its_end(make_stage: MakeStage) -> None:
    """Least-connections must not send everything to whoever is busy with a download."""
    stage = balanced(make_stage, algorithm="least-connections")
    slow = stage.connect()
    slow.send(request_bytes())
    busy_ip = stage.dialled_address()[0]
    busy = stage.accept()
    busy.read_request()
    busy.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    for _ in range(3):
        client = stage.connect()
        client.send(request_bytes())
        if stage.is_dialling:
            assert stage.dialled_address()[0] != busy_ip
            other = stage.accept()
        other.read_request()
        other.answer(b"quick")
        assert client.read_response().status == 200
    busy.send(b"67890")
    assert slow.read_response().body == b"1234567890"
    assert all(peer.in_flight == 0 for peer in stage.runtime.upstreams.for_upstream(upstream().id).peers)


def test_a_made_up_cookie_stays_the_same_over_tries(make_stage: MakeStage) -> None:
    stage = balanced(make_stage, algorithm="consistent-hashing", hash_on="cookie", hash_on_cookie="affinity")
    client = stage.connect()
    client.send(request_bytes())
    stage.refuse()
    target = stage.accept()
    target.read_request()
    target.answer(b"", "200 OK", "Set-Cookie: affinity=theirs", "Set-Cookie: other=1")
    cookies = client.read_response().get_all("Set-Cookie")
    assert cookies[0] == "other=1"
    assert len(cookies) == 2
    assert _COOKIE.fullmatch(cookies[1])


def test_a_client_with_the_cookie_gets_no_other(make_stage: MakeStage) -> None:
    stage = balanced(make_stage, algorithm="consistent-hashing", hash_on="cookie", hash_on_cookie="affinity")
    client = stage.connect()
    client.send(request_bytes(headers=[("Cookie", "affinity=mine")]))
    target = stage.accept()
    target.read_request()
    target.answer()
    assert client.read_response().get_all("Set-Cookie") == []


def test_sticky_sessions_keep_a_client_at_its_target(make_stage: MakeStage) -> None:
    stage = balanced(make_stage, algorithm="sticky-sessions", sticky_sessions_cookie="stick")
    client = stage.connect()
    client.send(request_bytes())
    first_ip = stage.dialled_address()[0]
    target = stage.accept()
    target.read_request()
    target.answer(b"", "200 OK", "Connection: close")
    cookie = client.read_response().get_all("Set-Cookie")[0].partition(";")[0]
    for _ in range(3):
        client.send(request_bytes(headers=[("Cookie", cookie)]))
        assert stage.dialled_address()[0] == first_ip
        target = stage.accept()
        target.read_request()
        target.answer(b"", "200 OK", "Connection: close")
        assert client.read_response().get_all("Set-Cookie") == []
