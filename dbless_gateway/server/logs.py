"""The error log: one line per event on standard error, in the form that people know from Kong.

``2026/03/01 12:00:00 [notice] 4711: reloaded new_hash=... routes=12``: time, level, process, then an event
and its fields as ``key=value``, quoted when needed, so that the same line suits people and log collectors.

Kong's levels are syslog's, and three of them are not Python's: ``notice`` stands between info and warning,
``alert`` and ``emerg`` above critical. The package's logger is the root of all of ours; libraries are logged
from ``warn`` on.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import Any, TextIO

NOTICE = 25

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": NOTICE,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "crit": logging.CRITICAL,
    "alert": logging.CRITICAL + 5,
    "emerg": logging.CRITICAL + 10,
}
_NAMES = {number: name for name, number in _LEVELS.items()}
_ROOT = "dbless_gateway"
_PLAIN_VALUE = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send this process's log to standard error."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    set_level(level)


def set_level(level: str) -> None:
    """Log from this level on."""
    logging.getLogger(_ROOT).setLevel(_LEVELS[level])


def event(logger: logging.Logger, level: str, message: str, /, **fields: Any) -> None:
    """Log an event with its fields."""
    number = _LEVELS[level]
    if logger.isEnabledFor(number):
        words = [message, *(f"{key}={_value(value)}" for key, value in fields.items())]
        logger.log(number, "%s", " ".join(words))


def say(level: str, text: str) -> None:
    """Log a sentence that has no fields."""
    logging.getLogger(_ROOT).log(_LEVELS[level], "%s", text)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    if _PLAIN_VALUE.fullmatch(text):
        return text
    # Line breaks are escaped: what a peer or a file says must not be able to forge a line of the log.
    return (
        '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
    )


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(record.created))
        level = _NAMES.get(record.levelno, record.levelname.lower())
        line = f"{clock} [{level}] {record.process}: {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line
