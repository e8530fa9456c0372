"""How the text of one setting becomes a value: booleans, sizes, times, lists, enumerations.

A reader takes the setting's name and its text and returns the value, or raises ``SettingError`` with the
message that the user sees; ``settings.py`` collects these. Wordings are Kong's where Kong has one. Unlike
Kong, a boolean or a number that is none is an error and not silently "false" or "unset": a typing mistake
must not change what is served.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from dbless_gateway.snapshot.certificates import PROTOCOLS

Reader = Callable[[str, str], Any]

_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE = re.compile(r"(\d+)([kmg]?)", re.IGNORECASE)

# nginx writes times as "90", "90s", "1m 30s"; only single units are met in practice.
_TIME_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)")


_PEM_MARK = "-----BEGIN "
# A longer value is no path that somebody mistyped, but content, which may be secret.
_SHOWN_CHARACTERS = 255


class SettingError(ValueError):
    """A setting's text is wrong; the message names the setting."""


def text(name: str, value: str) -> str:
    """Return the text itself."""
    return value


def trusted_file(name: str, value: str) -> str | None:
    """Read the name of a PEM file with certificates; None for ``system``."""
    if value in ("", "system"):
        return None
    try:
        ssl.create_default_context(cafile=value)
    except (OSError, ValueError):
        raise SettingError(f"{name}: failed loading certificate from {value}") from None
    return value


def pem_texts(name: str, value: str) -> tuple[str, ...]:
    """Read a list of PEM files, or of their contents as text or in base64; return the contents."""
    return tuple(_pem_text(name, item) for item in words(name, value))


def _pem_text(name: str, value: str) -> str:
    if _PEM_MARK in value:
        return value.strip()
    try:
        text = Path(value).read_text(encoding="ascii")
    except (OSError, ValueError):
        # A path that cannot be read is no base64 of a PEM text either.
        text = _from_base64(value)
    if _PEM_MARK not in text:
        kind = "key" if name.endswith("_key") else "certificate"
        shown = value if len(value) <= _SHOWN_CHARACTERS else "<content>"
        raise SettingError(f"{name}: failed loading {kind} from {shown}")
    return text.strip()


def _from_base64(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("ascii")
    except ValueError:
        return ""


def optional_pem_text(name: str, value: str) -> str | None:
    """Read one PEM file; None for an empty text."""
    return _pem_text(name, value) if value else None


def optional_file(name: str, value: str) -> str | None:
    """Read the path of a file that is there; None for an empty text."""
    if value and not Path(value).is_file():
        raise SettingError(f"{name}: no such file: {value}")
    return value or None


def protocols(name: str, value: str) -> tuple[str, ...]:
    """Read versions of TLS, blanks between them."""
    given = tuple(value.split())
    if not given or not set(given) <= set(PROTOCOLS):
        raise SettingError(f"{name} must be a list of {', '.join(PROTOCOLS)}; got '{value}'")
    return given


def boolean(name: str, value: str) -> bool:
    """Read on/off or true/false."""
    lowered = value.lower()
    if lowered in ("on", "true"):
        return True
    if lowered in ("off", "false"):
        return False
    raise SettingError(f"{name} is not a boolean: '{value}' (on, off)")


def integer(minimum: int, maximum: int | None = None) -> Reader:
    """Make a reader of whole numbers in a range."""

    def read(name: str, value: str) -> int:
        if not re.fullmatch(r"-?\d+", value):
            raise SettingError(f"{name} is not a number: '{value}'")
        number = int(value)
        if maximum is None and number < minimum:
            raise SettingError(f"{name} must be {minimum} or greater")
        if maximum is not None and not minimum <= number <= maximum:
            raise SettingError(f"{name} must be an integer between {minimum} and {maximum}")
        return number

    return read


def seconds(name: str, value: str) -> float:
    """Read a time such as ``60``, ``60s``, ``500ms`` or ``1m``."""
    match = _TIME.fullmatch(value)
    if match is None:
        raise SettingError(f"{name} is not a time: '{value}' (such as 60s)")
    return float(match[1]) * _TIME_UNITS_S[match[2]]


def optional_seconds(name: str, value: str) -> float | None:
    """Read a time; an empty text means "unset"."""
    return None if value == "" else seconds(name, value)


def size_bytes(name: str, value: str) -> int:
    """Read a size such as ``0``, ``8k``, ``128m``."""
    match = _SIZE.fullmatch(value)
    if match is None:
        raise SettingError(f"{name} is not a size: '{value}' (such as 8k or 10m)")
    return int(match[1]) * _SIZE_UNITS[match[2].lower()]


def buffers(name: str, value: str) -> tuple[int, int]:
    """Read nginx's ``<count> <size>``; return both."""
    parts = value.split()
    if len(parts) != 2 or not parts[0].isdigit() or int(parts[0]) < 1:
        raise SettingError(f"{name} must be of form: <count> <size>, such as 4 8k")
    return int(parts[0]), size_bytes(name, parts[1])


def words(name: str, value: str) -> tuple[str, ...]:
    """Read a comma separated list; blanks are trimmed, empty items dropped."""
    return tuple(item for item in (part.strip() for part in value.split(",")) if item)


def plugin_names(name: str, value: str) -> frozenset[str] | None:
    """Read a list of plugin names, or ``off``; None stands for ``all``."""
    given = words(name, value)
    if given == ("all",):
        return None
    return frozenset() if given == ("off",) else frozenset(given)


def one_of(*choices: str) -> Reader:
    """Make a reader of an enumeration."""

    def read(name: str, value: str) -> str:
        if value not in choices:
            raise SettingError(f"{name} has an invalid value: '{value}' ({', '.join(choices)})")
        return value

    return read


def workers(name: str, value: str) -> int | None:
    """Read a number of workers; None stands for ``auto``."""
    if value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise SettingError(f"{name} must be a number of 1 or more, or auto; got '{value}'")
    return int(value)


def count_or_auto(name: str, value: str) -> int:
    """Read a number of 1 or more; 0 stands for ``auto``."""
    return workers(name, value) or 0


def port_maps(name: str, value: str) -> dict[int, int]:
    """Read ``80:8000, 443:8443``; return listening port -> outside port."""
    outside_by_port: dict[int, int] = {}
    for item in words(name, value):
        outside, _, listening = item.partition(":")
        if not (outside.isdigit() and listening.isdigit() and _is_port(outside) and _is_port(listening)):
            raise SettingError(f"invalid port mapping (`port_maps`): {item}")
        outside_by_port[int(listening)] = int(outside)
    return outside_by_port


def _is_port(digits: str) -> bool:
    return 1 <= int(digits) <= 65535


def networks(name: str, value: str) -> tuple[tuple[IPv4Network | IPv6Network, ...], bool]:
    """Read trusted addresses; return the networks, and whether ``unix:`` is among them."""
    found: list[IPv4Network | IPv6Network] = []
    unix = False
    for item in words(name, value):
        if item == "unix:":
            unix = True
            continue
        try:
            found.append(ip_network(item, strict=False))
        except ValueError:
            raise SettingError(
                f"{name} must be a comma separated list in the form of IPv4 or IPv6 address or CIDR block "
                f"or 'unix:', got '{item}'"
            ) from None
    return tuple(found), unix


def tokens(*known: str) -> Reader:
    """Make a reader of a list of known words, any case, or ``off``; return them in lower case."""
    lowered = {word.lower() for word in known}

    def read(name: str, value: str) -> frozenset[str]:
        given = [item.lower() for item in words(name, value)]
        if given == ["off"]:
            return frozenset()
        for item in words(name, value):
            if item.lower() not in lowered:
                raise SettingError(f"{name}: invalid entry '{item}'")
        return frozenset(given)

    return read
