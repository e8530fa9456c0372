"""The syntax of ``*_listen``: ``<ip or [ip6] or name>:<port>`` or ``unix:<path>``, then flags; or ``off``.

Pure: it reads text; ``listeners.py`` makes sockets of the result. Flags that we cannot honour are kept as
they are (``http2``: clients agree on HTTP/1.1) or refused (``udp``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbless_gateway.server.setting_types import SettingError

DEFAULT_BACKLOG = 16384  # Kong's default_listen; nginx alone would take 511.

_PLAIN_FLAGS = frozenset({"ssl", "http2", "proxy_protocol", "deferred", "bind", "reuseport"})
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:\s]+):(\d{1,5})")
_UNIX = "unix:"
_KEEPALIVE = re.compile(r"on|off|\d*:\d*:\d*")


@dataclass(frozen=True, slots=True)
class Listen:
    """One address to listen on."""

    host: str  # without brackets; empty for a unix socket
    port: int  # 0: the system chooses
    path: str | None = None  # of a unix socket
    ssl: bool = False
    http2: bool = False
    proxy_protocol: bool = False
    deferred: bool = False
    reuseport: bool = False
    backlog: int = DEFAULT_BACKLOG
    ipv6only: bool = True
    so_keepalive: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def addresses(name: str, value: str) -> tuple[Listen, ...]:
    """Read one ``*_listen`` setting; ``off`` is no address at all."""
    entries = [entry.split() for entry in value.split(",")]
    if entries == [["off"]]:
        return ()
    return tuple(_read_entry(name, entry) for entry in entries)


def _read_entry(name: str, entry: list[str]) -> Listen:
    if not entry:
        raise _form_error(name)
    fields = _read_address(name, entry[0])
    for flag in entry[1:]:
        fields.update(_read_flag(name, flag))
    return Listen(**fields)  # type: ignore[arg-type]


def _read_address(name: str, address: str) -> dict[str, bool | int | str]:
    if address.startswith(_UNIX + "/"):
        return {"host": "", "port": 0, "path": address.removeprefix(_UNIX)}
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[2]) > 65535:
        raise _form_error(name)
    return {"host": match[1].strip("[]"), "port": int(match[2])}


def _read_flag(name: str, flag: str) -> dict[str, bool | int | str]:
    key, _, value = flag.partition("=")
    if flag in _PLAIN_FLAGS:
        # "bind" is what we do anyway: each entry has its own socket.
        return {} if flag == "bind" else {flag: True}
    if key == "backlog" and value.isdigit() and int(value) > 0:
        return {"backlog": int(value)}
    if key == "ipv6only" and value in ("on", "off"):
        return {"ipv6only": value == "on"}
    if key == "so_keepalive" and _KEEPALIVE.fullmatch(value):
        return {"so_keepalive": value}
    if flag == "udp":
        raise SettingError(f"{name}: the flag {flag} is not supported")
    raise _form_error(name)


def _form_error(name: str) -> SettingError:
    return SettingError(
        f"{name} must be of form: [off] | <ip>:<port> [ssl] [http2] [proxy_protocol] [deferred] [bind] "
        "[reuseport] [backlog=%d] [ipv6only=on|off] [so_keepalive=on|off|%s:%s:%s], [... next entry ...]"
    )
