"""proxy-cache and content types with parameters: what a target says is compared whole, before a charset is added."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection

CONFIGURED = {
    "/plain": ["text/plain"],
    "/with": ["text/plain; charset=utf-8"],
    "/any-text": ["text/*"],
    "/any": ["*/*"],
    "/default": None,
}
ROWS = [
    ("/plain", "text/plain", True),
    ("/plain", "Text/Plain", True),
    ("/plain", "text/plain; charset=utf-8", False),
    ("/plain", "text/html", False),
    ("/with", "text/plain; charset=utf-8", True),
    ("/with", "text/plain;charset=utf-8", True),
    ("/with", "TEXT/plain; Charset=utf-8", True),
    ("/with", "text/plain; charset=latin1", False),
    ("/with", "text/plain; charset=utf-8; format=flowed", False),
    ("/with", "text/plain", False),
    ("/any-text", "text/html", True),
    ("/any-text", "text/html; charset=utf-8", False),
    ("/any", "image/png", True),
    ("/any", "image/png; a=b", False),
    ("/default", "application/json", True),
    ("/default", "application/json; charset=utf-8", False),
    ("/default", "text/plain", True),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Origin(answer) as origin:
        services = []
        for path, types in CONFIGURED.items():
            config = {"strategy": "memory"} | ({"content_type": types} if types else {})
            services.append(
                service(origin.address, path, plugins=[{"name": "proxy-cache", "config": config}])
            )
        with Gateway(write(tmp_path_factory.mktemp("types"), *services)) as running:
            yield running


def answer(connection: OriginConnection) -> None:
    request = connection.receive()
    connection.answer(b"body", headers=(("Content-Type", request.get("X-Answer-With") or ""),))


@pytest.mark.parametrize(("path", "content_type", "is_kept"), ROWS)
def test_row(gateway: Gateway, path: str, content_type: str, is_kept: bool) -> None:
    target = f"{path}?{ROWS.index((path, content_type, is_kept))}"
    first, second = (gateway.fetch(target, headers=[("X-Answer-With", content_type)]) for _ in range(2))

    statuses = (first.get("X-Cache-Status"), second.get("X-Cache-Status"))
    assert statuses == (("Miss", "Hit") if is_kept else ("Bypass", "Bypass"))
    # What is added for the client is the same on a hit.
    assert second.get("Content-Type") == first.get("Content-Type")
    if content_type == "text/plain":
        assert first.get("Content-Type") == "text/plain; charset=UTF-8"
