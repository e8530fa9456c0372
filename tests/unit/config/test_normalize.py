"""Shorthands written out."""

from __future__ import annotations

import pytest

from tests.compat.config.cases import accept


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a", ("http", "a", 80, None)),
        ("https://a/b", ("https", "a", 443, "/b")),
        ("https://a:8443/", ("https", "a", 8443, "/")),
        ("grpc://h:9000", ("grpc", "h", 9000, None)),
        ("grpc://h", ("grpc", "h", 80, None)),
        ("a", ("http", "a", 80, None)),
        ("a:443/b", ("https", "a", 443, "/b")),
        ("a:80", ("http", "a", 80, None)),
        ("a:81", ("http", "a", 81, None)),
        ("http://u:p@a:1/b?c=d#e", ("http", "a", 1, "/b")),
        ("http://[::1]:8080", ("http", "::1", 8080, None)),
        ("http://EXAMPLE.com", ("http", "example.com", 80, None)),
    ],
)
def test_url(url: str, expected: tuple[str, str, int, str | None]) -> None:
    (service,) = accept(f"services: [{{url: '{url}', host: other, port: 1, protocol: tcp}}]").services
    assert (service.protocol, service.host, service.port, service.path) == expected


@pytest.mark.parametrize(
    ("fields", "strip"),
    [
        ("", True),
        ("protocols: [grpc], ", False),
        ("strip_path: false, ", False),
        ("strip_path: true, ", True),
    ],
)
def test_strip_path(fields: str, strip: bool) -> None:
    assert accept(f"routes: [{{{fields}paths: [/a]}}]").routes[0].strip_path is strip
