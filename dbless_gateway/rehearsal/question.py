"""The request that is played: what a client would send, and over which connection.

A URL with a host says both where a client connects and what it sends as ``Host``; a path alone is asked of
``localhost``. It knows nothing of routes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

DEFAULT_CLIENT_IP = "127.0.0.1"
DEFAULT_HOST = "localhost"

_URL = re.compile(r"(?:(?P<scheme>https?)://(?P<host>[^/?#]*))?(?P<target>[^#]*)(?:#.*)?", re.I | re.S)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKING = frozenset("\r\n\0")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRINTABLE = range(0x21, 0x7F)


class BadQuestion(ValueError):
    """No client could send this; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request as a person writes it; make it with ``ask``."""

    method: str
    scheme: str
    host: str  # what the Host header says
    port: int  # where the client has connected to
    target: str  # path and query, as they are sent
    headers: tuple[tuple[str, str], ...]
    body: bytes
    client_ip: str
    sni: str | None

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.host}{self.target}"

    def to_bytes(self) -> bytes:
        """Return the request as it is sent."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        names = {name.lower() for name, _ in self.headers}
        if self.body and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("utf-8") + self.body


def ask(
    method: str,
    url: str,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    client_ip: str = DEFAULT_CLIENT_IP,
    sni: str | None = None,
) -> Question:
    """Return the question that a method, a URL and headers make; a ``Host`` header wins over the URL."""
    found = _URL.fullmatch(url)
    if found is None or (not found["scheme"] and found["target"][:1] not in ("", "/", "?")):
        raise BadQuestion(f"{url} is neither http://HOST/PATH nor a path that begins with /")
    if not _TOKEN.fullmatch(method):
        raise BadQuestion(f"{method!r} is no method")
    _check_headers(headers)
    scheme = (found["scheme"] or ("https" if sni else "http")).lower()
    named = [value for name, value in headers if name.lower() == "host"]
    host = named[0] if named else found["host"] or DEFAULT_HOST
    return Question(
        method=method.upper(),
        scheme=scheme,
        host=host,
        port=_port(found["host"] or host, scheme),
        target=_target(found["target"]),
        headers=tuple((name, value) for name, value in headers if name.lower() != "host"),
        body=body,
        client_ip=_address(client_ip),
        sni=sni or (_server_name(host) if scheme == "https" else None),
    )


def _check_headers(headers: tuple[tuple[str, str], ...]) -> None:
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise BadQuestion(f"{name!r} is no name of a header")
        if _BREAKING & set(value):
            raise BadQuestion(f"header {name}: a value cannot contain CR, LF or NUL")


def _target(text: str) -> str:
    """Return the target as a client encodes it: what is not printable ASCII becomes ``%XX``."""
    if not text.startswith("/"):
        text = f"/{text}"
    encoded = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PRINTABLE else f"%{byte:02X}" for byte in encoded)


def _port(host: str, scheme: str) -> int:
    port = re.search(r":(\d{1,5})$", host)
    return int(port[1]) if port else _DEFAULT_PORTS[scheme]


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise BadQuestion(f"{text} is no IP address") from None


def _server_name(host: str) -> str | None:
    """Return what a TLS client names; addresses are not named (RFC 6066 section 3)."""
    if host.startswith("["):
        return None
    name = host.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return name.lower()
    return None
