"""What a method, a URL and headers become on the wire, and what no client could send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.http1.request_head import Judge, Refusal, parse_request_head
from dbless_gateway.rehearsal.question import BadQuestion, ask


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "target", "sni"),
    [
        ("http://a.test/x?y=1", "http", "a.test", 80, "/x?y=1", None),
        ("http://a.test:8000/x", "http", "a.test:8000", 8000, "/x", None),
        ("https://a.test", "https", "a.test", 443, "/", "a.test"),
        ("HTTPS://A.test:8443/", "https", "A.test:8443", 8443, "/", "a.test"),
        ("https://10.0.0.1/", "https", "10.0.0.1", 443, "/", None),
        ("https://[::1]:8443/", "https", "[::1]:8443", 8443, "/", None),
        ("http://a.test?y=1#part", "http", "a.test", 80, "/?y=1", None),
        ("/x/../y", "http", "localhost", 80, "/x/../y", None),
        ("", "http", "localhost", 80, "/", None),
        ("/ä b", "http", "localhost", 80, "/%C3%A4%20b", None),
    ],
)
def test_url(url: str, scheme: str, host: str, port: int, target: str, sni: str | None) -> None:
    question = ask("GET", url)

    assert (question.scheme, question.host, question.port) == (scheme, host, port)
    assert (question.target, question.sni) == (target, sni)


def test_a_host_header_wins_over_the_url() -> None:
    question = ask("GET", "http://a.test:81/", headers=(("HOST", "b.test"), ("X-A", "1")))

    assert question.to_bytes() == b"GET / HTTP/1.1\r\nHost: b.test\r\nX-A: 1\r\n\r\n"
    assert question.port == 81


def test_a_body_has_its_length_unless_the_headers_say_it() -> None:
    assert ask("post", "/", body=b"hello").to_bytes().endswith(b"Content-Length: 5\r\n\r\nhello")
    chunked = ask("POST", "/", headers=(("Transfer-Encoding", "chunked"),), body=b"0\r\n\r\n")
    assert b"Content-Length" not in chunked.to_bytes()


def test_a_server_name_alone_means_tls() -> None:
    question = ask("GET", "/", sni="a.test")

    assert (question.scheme, question.port, question.sni) == ("https", 443, "a.test")


@pytest.mark.parametrize(
    ("method", "url", "options", "message"),
    [
        ("GET", "a.test/", {}, "neither http://HOST/PATH nor a path"),
        ("GET", "ftp://a.test/", {}, "neither http://HOST/PATH nor a path"),
        ("G T", "/", {}, "no method"),
        ("GET", "/", {"headers": (("X A", "1"),)}, "no name of a header"),
        ("GET", "/", {"headers": (("X-A", "1\r\nX-B: 2"),)}, "CR, LF or NUL"),
        ("GET", "/", {"client_ip": "nobody"}, "no IP address"),
    ],
)
def test_what_no_client_could_send(method: str, url: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(BadQuestion, match=message):
        ask(method, url, **options)  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_any_path_becomes_one_request_line(path: str) -> None:
    question = ask("GET", "/" + path.replace("#", ""))
    try:
        head = parse_request_head(question.to_bytes(), Judge())
    except Refusal:
        return
    assert head is not None
    assert head.method == b"GET"
    assert question.to_bytes().count(b"\r\n") == 3
