"""syslog: send a JSON message per request to the system's log.

Kong's behaviour this follows: https://developer.konghq.com/plugins/syslog/ (3.9).
Differences: of ``custom_fields_by_lua`` only ``return <expression>`` is supported; a log daemon that does
not keep up loses messages instead of making requests wait.
"""

from __future__ import annotations

import socket
from time import localtime, strftime

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.record import Recorder
from dbless_gateway.pdk.records import dataclass

NAME = "syslog"
PRIORITY = 4

# Where the log daemon listens.
SOCKET_PATH = "/dev/log"

_IDENT = "kong"
_SEVERITIES = {
    name: number
    for number, name in enumerate(("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"))
}
_FACILITIES = {
    **{
        name: number
        for number, name in enumerate(
            (
                "kern",
                "user",
                "mail",
                "daemon",
                "auth",
                "syslog",
                "lpr",
                "news",
                "uucp",
                "cron",
                "authpriv",
                "ftp",
            )
        )
    },
    **{f"local{number}": 16 + number for number in range(8)},
}


@dataclass(frozen=True, slots=True)
class Config:
    log_level: str
    successful_severity: str
    client_errors_severity: str
    server_errors_severity: str
    custom_fields_by_lua: dict[str, str] | None
    facility: str


class Handler:
    """The severity follows the status; less urgent ones than ``log_level`` are not sent."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._least_urgent = _SEVERITIES[config.log_level]
        self._success = _SEVERITIES[config.successful_severity]
        self._client_error = _SEVERITIES[config.client_errors_severity]
        self._server_error = _SEVERITIES[config.server_errors_severity]
        self._facility = _FACILITIES[config.facility]
        self._recorder = Recorder(env, config.custom_fields_by_lua)
        self._env = env

    def log(self, ctx: Context) -> None:
        """Send the message."""
        status = ctx.response.status
        severity = self._success
        if status >= 400:
            severity = self._server_error if status >= 500 else self._client_error
        if severity > self._least_urgent:
            return
        head = f"<{self._facility * 8 + severity}>{strftime('%b %e %H:%M:%S', localtime())} {_IDENT}: "
        try:
            self._env.host.resource(NAME, LogSocket).send(head.encode() + self._recorder.json(ctx))
        except OSError as error:
            self._env.log.warning("syslog: %s", error)


class LogSocket:
    """A datagram socket to the log daemon, opened again when the daemon was restarted."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def send(self, message: bytes) -> None:
        """Send without waiting; raises ``OSError``."""
        if self._socket is not None:
            try:
                self._socket.send(message)
                return
            except BlockingIOError:
                raise
            except OSError:
                self.close()  # The daemon was restarted: once more, to the new one.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(SOCKET_PATH)
            self._socket.send(message)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
