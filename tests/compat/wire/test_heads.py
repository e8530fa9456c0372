"""What a request head may look like: lines, names, values, targets, hosts, versions, sizes.

RFC 9112 sections 2 to 5, and what nginx makes of it where Kong leaves the matter to nginx.
"""

from __future__ import annotations

import pytest

from tests.compat.wire.corpus import HOST, OPTIONS, Seen, check_passed, check_refused, play

GET = b"GET /a HTTP/1.1\r\n"


def get(*lines: bytes) -> bytes:
    """Return a GET with these header lines behind its Host."""
    return GET + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def line(request_line: bytes) -> bytes:
    """Return a request with this line."""
    return request_line + b"\r\n" + HOST + b"\r\n"


def hosts(*values: bytes) -> bytes:
    """Return a GET with these Host lines."""
    return GET + b"".join(b"Host: " + value + b"\r\n" for value in values) + b"\r\n"


REFUSED_LINES = {
    "two blanks behind the method": (line(b"GET  /a HTTP/1.1"), 400),
    "two blanks behind the target": (line(b"GET /a  HTTP/1.1"), 400),
    "blank behind the version": (line(b"GET /a HTTP/1.1 "), 400),
    "blank before the method": (line(b" GET /a HTTP/1.1"), 400),
    "tab behind the method": (line(b"GET\t/a HTTP/1.1"), 400),
    "tab behind the target": (line(b"GET /a\tHTTP/1.1"), 400),
    "tab before the version": (line(b"GET /a \tHTTP/1.1"), 400),
    "form feeds before the version": (line(b"GET /a \x0c\x0cHTTP/1.1"), 400),
    "form feed before the version, odd method": (line(b"BREW /a \x0cHTTP/1.1"), 400),
    "vertical tab": (line(b"GET\x0b/a HTTP/1.1"), 400),
    "no-break space": (line(b"GET\xa0/a HTTP/1.1"), 400),
    "no target": (line(b"GET HTTP/1.1"), 400),
    "empty target": (line(b"GET  HTTP/1.1"), 400),
    "no version": (line(b"GET /a"), 400),
    "no blank at all": (line(b"GET"), 400),
    "four parts": (line(b"GET /a b HTTP/1.1"), 400),
    "bare LF behind the line": (b"GET /a HTTP/1.1\n" + HOST + b"\r\n", 400),
    "bare CR behind the line": (b"GET /a HTTP/1.1\r" + HOST + b"\r\n", 400),
    "bare CR in the target": (line(b"GET /a\rb HTTP/1.1"), 400),
    "bare LF in the target": (line(b"GET /a\nb HTTP/1.1"), 400),
    "nul in the target": (line(b"GET /a\0 HTTP/1.1"), 400),
    "DEL in the target": (line(b"GET /a\x7f HTTP/1.1"), 400),
    "nul in the method": (line(b"G\0T /a HTTP/1.1"), 400),
    "lower-case method": (line(b"get /a HTTP/1.1"), 400),
    "colon in the method": (line(b"GET: /a HTTP/1.1"), 400),
    "method of 33 letters": (line(b"A" * 33 + b" /a HTTP/1.1"), 400),
    "byte order mark": (line(b"\xef\xbb\xbfGET /a HTTP/1.1"), 400),
    "CONNECT": (line(b"CONNECT gateway.test:443 HTTP/1.1"), 400),
    "CONNECT to a path": (line(b"CONNECT /a HTTP/1.1"), 400),
    "TRACE": (line(b"TRACE /a HTTP/1.1"), 405),
    "version 0.9": (line(b"GET /a HTTP/0.9"), 505),
    "version 1.2": (line(b"GET /a HTTP/1.2"), 400),
    "version 2.0": (line(b"GET /a HTTP/2.0"), 505),
    "version 3.0": (line(b"GET /a HTTP/3.0"), 400),
    "version 1": (line(b"GET /a HTTP/1"), 400),
    "version 1.10": (line(b"GET /a HTTP/1.10"), 400),
    "version 11": (line(b"GET /a HTTP/11"), 400),
    "version in lower case": (line(b"GET /a http/1.1"), 400),
    "version with a blank": (line(b"GET /a HTTP/ 1.1"), 400),
    "version with a comma": (line(b"GET /a HTTP/1,1"), 400),
    "ICY": (line(b"GET /a ICY/1.1"), 400),
    "RTSP": (line(b"GET /a RTSP/1.0"), 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "TLS handshake": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x17" * 64, 400),
    "TLS handshake behind a line break": (b"\r\n\x16\x03\x01\x02\x00", 400),
    "a response": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
    "an answer of SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    "too many line breaks before": (b"\r\n" * 20 + get(), 400),
    "bare LF before": (b"\n" + get(), 400),
    "bare CR before": (b"\r" + get(), 400),
    "CR CR LF before": (b"\r\r\n" + get(), 400),
    "long line": (line(b"GET /" + b"a" * OPTIONS.max_request_line_bytes + b" HTTP/1.1"), 414),
    "long query": (line(b"GET /?" + b"a" * OPTIONS.max_request_line_bytes + b" HTTP/1.1"), 414),
    "line without end": (b"GET /" + b"a" * OPTIONS.max_request_line_bytes * 2, 414),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED_LINES.values(), ids=REFUSED_LINES.keys())
def test_refused_line(raw: bytes, status: int) -> None:
    check_refused(raw, status)


REFUSED_TARGETS = {
    "asterisk": b"*",
    "word": b"a",
    "authority": b"gateway.test:80",
    "query only": b"?a=b",
    "fragment only": b"#a",
    "backslash": b"\\a",
    "half an escape": b"/%z",
    "escape cut off": b"/%2",
    "escaped nul": b"/%00",
    "above the root": b"/../etc/passwd",
    "above the root, escaped": b"/%2e%2e/etc",
    "above the root, slash escaped": b"/a/..%2f..%2fetc",
    "other scheme": b"ftp://gateway.test/",
    "scheme without authority": b"http:///a",
    "scheme without slashes": b"http:/a",
    "user in the authority": b"http://user@evil.test/a",
    "user and password": b"http://user:password@gateway.test/a",
    "blank authority": b"http:// /a",
}


@pytest.mark.parametrize("target", REFUSED_TARGETS.values(), ids=REFUSED_TARGETS.keys())
def test_refused_target(target: bytes) -> None:
    """The connection of a request that is well-formed but cannot be served may go on."""
    for piece_bytes in (None, 1):
        played = play(line(b"GET " + target + b" HTTP/1.1"), piece_bytes=piece_bytes)
        assert played.statuses[0] == 400
        assert [seen.target for seen in played.seen] in ([], ["/next"])


PASSED_TARGETS = {
    "path": (b"/a", "/a"),
    "query": (b"/a?b=%20&c", "/a?b=%20&c"),
    "two question marks": (b"/a?b?c", "/a?b?c"),
    "empty query": (b"/a?", "/a?"),
    "double slash": (b"//evil.test/a", "/evil.test/a"),
    "dots": (b"/a/./b/../c", "/a/c"),
    "escaped slash": (b"/a%2Fb", "/a%2Fb"),
    "escaped line break": (b"/a%0d%0aX:%20y", "/a%0D%0AX:%20y"),
    "absolute form of the same host": (b"http://gateway.test/a", "/a"),
    "absolute form without path": (b"http://gateway.test", "/"),
    "absolute form with query only": (b"http://gateway.test?a=b", "/?a=b"),
    "absolute form in capitals": (b"HTTP://gateway.test/a", "/a"),
    "https": (b"https://gateway.test/a", "/a"),
}


@pytest.mark.parametrize(("target", "sent"), PASSED_TARGETS.values(), ids=PASSED_TARGETS.keys())
def test_passed_target(target: bytes, sent: str) -> None:
    check_passed(line(b"GET " + target + b" HTTP/1.1"), Seen("GET", sent, []))


def test_absolute_form_decides_about_the_host() -> None:
    """RFC 9112 section 3.2.2: the Host line is then ignored, here and for the target."""
    raw = line(b"GET http://real.test:81/a HTTP/1.1").replace(HOST, b"Host: forged.test\r\n")
    check_passed(raw, Seen("GET", "/a", [("Host", "10.1.1.1"), ("X-Forwarded-Host", "real.test")]))


REFUSED_HOSTS = {
    "none": hosts(),
    "two": hosts(b"gateway.test", b"evil.test"),
    "two equal": hosts(b"gateway.test", b"gateway.test"),
    "two in two spellings": GET + HOST + b"hOST: evil.test\r\n\r\n",
    "empty": hosts(b""),
    "blanks only": hosts(b"   "),
    "list": hosts(b"gateway.test, evil.test"),
    "blank inside": hosts(b"gateway.test evil.test"),
    "tab inside": hosts(b"gateway.test\tevil.test"),
    "slash": hosts(b"gateway.test/a"),
    "nul": hosts(b"gateway.test\0"),
    "folded": hosts(b"gateway.test\r\n evil.test"),
    "none in the absolute form": b"GET http://gateway.test/a HTTP/1.1\r\n\r\n",
    "two in the absolute form": b"GET http://gateway.test/a HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
}


@pytest.mark.parametrize("raw", REFUSED_HOSTS.values(), ids=REFUSED_HOSTS.keys())
def test_refused_host(raw: bytes) -> None:
    check_refused(raw, 400)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"gateway.test:8000", "gateway.test"),
        (b"GateWay.Test", "gateway.test"),
        (b"[::1]:8000", "[::1]"),
        (b"a_b.test", "a_b.test"),
        (b"gateway.test:port", "gateway.test"),
    ],
)
def test_passed_host(host: bytes, name: str) -> None:
    check_passed(hosts(host), Seen("GET", "/a", [("Host", "10.1.1.1"), ("X-Forwarded-Host", name)]))


REFUSED_FIELDS = {
    "no colon": (get(b"nonsense"), 400),
    "no name": (get(b": x"), 400),
    "blank in the name": (get(b"X Y: z"), 400),
    "blank before the colon": (get(b"X : y"), 400),
    "tab before the colon": (get(b"X\t: y"), 400),
    "nul in the name": (get(b"X\0: y"), 400),
    "nul in the value": (get(b"X: \0"), 400),
    "escape in the value": (get(b"X: \x1b[0m"), 400),
    "backspace in the value": (get(b"X: \x08"), 400),
    "DEL in the value": (get(b"X: \x7f"), 400),
    "bare CR in the value": (get(b"X: y\rz"), 400),
    "bare LF in the value": (get(b"X: y\nz: 1"), 400),
    "bare CR behind the value": (get(b"X: y\r"), 400),
    "folded by a blank": (get(b"X: y", b" z"), 400),
    "folded by a tab": (get(b"X: y", b"\tz"), 400),
    "folded at once": (GET + b" X: y\r\n" + HOST + b"\r\n", 400),
    "blank line with a blank": (GET + HOST + b" \r\n\r\n", 400),
    "high byte in the name": (get(b"X\xff: y"), 400),
    "parentheses in the name": (get(b"X(y): z"), 400),
    "quotes in the name": (get(b'"X": z'), 400),
    "braces in the name": (get(b"{X}: z"), 400),
    "large head": (get(b"X: " + b"y" * OPTIONS.max_header_bytes), 431),
    "head without end": (GET + HOST + b"X: " + b"y" * OPTIONS.max_header_bytes * 2, 431),
    "many fields": (get(*[b"X: y"] * OPTIONS.max_header_count * 5), 431),
    "a thousand connection options": (get(b"Connection: " + b"a," * 1000), 400),
    "unknown expectation": (get(b"Expect: miracles"), 417),
    "expectations in a list": (get(b"Expect: 100-continue, 100-continue"), 417),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED_FIELDS.values(), ids=REFUSED_FIELDS.keys())
def test_refused_field(raw: bytes, status: int) -> None:
    check_refused(raw, status)


PASSED_FIELDS = {
    "underscores": (b"X_A: y", [("X_A", "y")]),
    "latin-1 value": (b"X-A: \xe4\xff", [("X-A", "\u00e4\u00ff")]),
    "tab in the value": (b"X-A: y\tz", [("X-A", "y\tz")]),
    "colons in the value": (b"X-A: y:z: :", [("X-A", "y:z: :")]),
    "odd name": (b"X.A: y", [("X.A", "")]),
    "keep-alive": (b"Keep-Alive: timeout=5", [("Keep-Alive", "")]),
    "proxy": (b"Proxy: http://evil.test", [("Proxy", "")]),
    "proxy-connection": (b"Proxy-Connection: close", [("Proxy-Connection", "")]),
    "te": (b"TE: gzip, trailers;q=0.5", [("TE", "trailers")]),
    "te without trailers": (b"TE: gzip", [("TE", "")]),
    "trailer": (b"Trailer: X-Sum", [("Trailer", "")]),
    "upgrade to h2c": (
        b"Upgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade, HTTP2-Settings",
        [("Upgrade", ""), ("HTTP2-Settings", ""), ("Connection", "keep-alive")],
    ),
    "upgrade without connection": (b"Upgrade: websocket", [("Upgrade", ""), ("Connection", "keep-alive")]),
    "named away": (
        b"Connection: x-a, X-B\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3",
        [("X-A", ""), ("X-B", ""), ("X-C", "3")],
    ),
    "named away with underscores": (b"Connection: x-a\r\nX_A: 1", [("X_A", "")]),
    "forwarded, named away": (
        b"Connection: x-forwarded-for\r\nX-Forwarded-For: 9.9.9.9",
        [("X-Forwarded-For", "9.9.9.9, 192.0.2.7"), ("X-Real-IP", "192.0.2.7")],
    ),
    "forged request id": (b"X-Kong-Request-Id: forged\r\nX-Real-IP: 9.9.9.9", [("X-Real-IP", "192.0.2.7")]),
    "forged forwarding": (
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: e\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /p",
        [
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "gateway.test"),
            ("X-Forwarded-Port", "8000"),
            ("X-Forwarded-Prefix", ""),
        ],
    ),
    "via": (b"Via: 1.0 a\r\nVia: 1.1 b", [("Via", "1.0 a, 1.1 b, 1.1 kong/3.9.1")]),
    "expectation": (b"Expect: 100-continue", [("Expect", "")]),
}


@pytest.mark.parametrize(("field", "sent"), PASSED_FIELDS.values(), ids=PASSED_FIELDS.keys())
def test_passed_field(field: bytes, sent: list[tuple[str, str]]) -> None:
    """What is sent for it; an empty text means nothing at all."""
    check_passed(get(field), Seen("GET", "/a", sent))


def test_empty_value_passes() -> None:
    assert play(get(b"X-A:")).seen[0].get_all("X-A") == [""]


def test_repeated_fields_stay_apart() -> None:
    assert play(get(b"X-A: 1", b"X-B: 2", b"x-a: 3")).seen[0].get_all("X-A") == ["1", "3"]


@pytest.mark.parametrize("blanks", [b"\r\n", b"\r\n\r\n"])
def test_line_breaks_before_a_request_are_skipped(blanks: bytes) -> None:
    """RFC 9112 section 2.2: at least one should be."""
    check_passed(blanks + get() + blanks, Seen("GET", "/a", []))


@pytest.mark.parametrize("value", [b"close", b"Close", b"keep-alive, close", b"close, x-a"])
def test_nothing_follows_a_close(value: bytes) -> None:
    check_passed(get(b"Connection: " + value), Seen("GET", "/a", [("Connection", "keep-alive")]), keeps=False)


def test_nothing_follows_http_10() -> None:
    check_passed(b"GET /a HTTP/1.0\r\n\r\n", Seen("GET", "/a", []), keeps=False)
    check_passed(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Seen("GET", "/a", []))
