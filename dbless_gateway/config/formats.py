"""What a text must look like where a pattern cannot say it: one function per ``format`` of the schemas.

A function returns None for a good value and Kong's own text for a bad one. JSON Schema validators only need
the verdict; the text goes into the problem. Nothing here knows fields or entities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from dbless_gateway.config.addresses import (
    is_host_name,
    is_ip_or_cidr,
    parse_port,
    split_address,
)
from dbless_gateway.config.certificates import ca_certificate_fault, certificate_fault, private_key_fault
from dbless_gateway.config.paths import normalize_path

Check = Callable[[str], str | None]

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
# What must not occur, because a class with all of Unicode in it takes milliseconds to compile.
_BAD_IN_NAME = re.compile(r"[\x00-,/:-@\[-^`{-}\x7f]")
_BAD_IN_TAG = re.compile(r"[\x00-\x1f,/\x7f]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BAD_IN_COOKIE_NAME = re.compile(r"[\x00- \x7f()<>@,;:\\\"/?={}\[\]]")
_PATH_CHARACTERS = re.compile(r"[A-Za-z0-9.\-_~/%:@!$&'()*+,;=]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCHEMES = ("grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp")


def _uuid(value: str) -> str | None:
    return None if _UUID.fullmatch(value) else "expected a valid UUID"


def _name(value: str) -> str | None:
    if _SURROGATE.search(value):
        return "invalid utf-8 character sequence detected"
    if not _BAD_IN_NAME.search(value):
        return None
    return f"invalid value '{value}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"


def _tag(value: str) -> str | None:
    if not _BAD_IN_TAG.search(value) and not _SURROGATE.search(value):
        return None
    return f"invalid tag '{value}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"


def _host(value: str) -> str | None:
    address = split_address(value)
    if address is None:
        return f"invalid value: {value}"
    return None if address.port is None else "must not have a port"


def _host_with_port(value: str) -> str | None:
    return None if split_address(value) is not None else f"invalid hostname: {value}"


def _target(value: str) -> str | None:
    if split_address(value) is not None:
        return None
    return f"Invalid target ('{value}'); not a valid hostname or ip address"


def _upstream_name(value: str) -> str | None:
    address = split_address(value)
    if address is None:
        return f"Invalid name ('{value}'); must be a valid hostname"
    if address.is_ip:
        return f"Invalid name ('{value}'); no ip addresses allowed"
    return None if address.port is None else f"Invalid name ('{value}'); no port allowed"


def _route_host(value: str) -> str | None:
    if value.count("*") > 1:
        return "invalid wildcard: must have at most one wildcard"
    if "*" not in value:
        return _host_with_port(value)
    if value.startswith("*."):
        host, colon, port = value[2:].partition(":")
        if colon and parse_port(port) is None:
            return "invalid port number"
    elif value.endswith(".*"):
        host = value[:-2]
    else:
        return "invalid wildcard: must be placed at leftmost or rightmost label"
    return None if is_host_name(host) else f"invalid hostname: {value}"


def _wildcard_host(value: str) -> str | None:
    if value.count("*") > 1:
        return "invalid wildcard: must have at most one wildcard"
    if "*" in value and not (value.startswith("*.") or value.endswith(".*")):
        return "invalid wildcard: must be placed at leftmost or rightmost label"
    bare = value.removeprefix("*.").removesuffix(".*")
    return None if is_host_name(bare) else f"invalid hostname: {value}"


def _sni(value: str) -> str | None:
    address = split_address(value)
    if address is None:
        return f"invalid value: {value}"
    if address.is_ip:
        return "must not be an IP"
    return None if address.port is None else "must not have a port"


def _wildcard_sni(value: str) -> str | None:
    if "*" not in value:
        return _sni(value)
    if value.count("*") > 1:
        return "only one wildcard must be specified"
    if not (value.startswith("*") or value.endswith("*")):
        return "wildcard must be leftmost or rightmost character"
    bare = value.removeprefix("*").removeprefix(".").removesuffix("*").removesuffix(".")
    return None if bare and is_host_name(bare) else f"invalid value: {value}"


def _sni_name(value: str) -> str | None:
    return None if value == "*" else _wildcard_sni(value)


def _path_fault(value: str) -> str | None:
    if "//" in value:
        return "must not have empty segments"
    if not _PATH_CHARACTERS.fullmatch(value):
        return f"invalid path: '{value}' (characters outside of the reserved list of RFC 3986 found)"
    bad = _BAD_ESCAPE.search(value)
    return f"invalid url-encoded value: '{bad.group()}'" if bad else None


def _path(value: str) -> str | None:
    return _path_fault(value) if value.startswith("/") else "should start with: /"


def _route_path(value: str) -> str | None:
    if value.startswith("~/"):
        return _regex_fault(value[1:])
    if not value.startswith("/"):
        return "should start with: / (fixed path) or ~/ (regex path)"
    fault = _path_fault(value)
    if fault is not None:
        return fault
    normal = normalize_path(value)
    return None if normal == value else f"non-normalized path, consider use '{normal}' instead"


def _regex_fault(pattern: str) -> str | None:
    reason = regex_error(pattern)
    return None if reason is None else f"invalid regex: '{pattern}' (RE2 returned: {reason})"


def regex_error(pattern: str) -> str | None:
    """Return why RE2 refuses this pattern, or None.

    RE2 is what the router runs: linear time, no look-around.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else error
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return None


def _regex(value: str) -> str | None:
    return None if regex_error(value) is None else f"not a valid regex: {value}"


def _origin(value: str) -> str | None:
    if value == "*" or regex_error(value) is None:
        return None
    return f"'{value}' is not a valid regex"


def _header_name(value: str) -> str | None:
    if _HEADER_NAME.fullmatch(value):
        return None
    return f"bad header name '{value}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"


def _route_header_name(value: str) -> str | None:
    if value.lower() == "host":
        return "cannot contain 'host' header, which must be specified in the 'hosts' attribute"
    return _header_name(value)


def _header_entry(value: str) -> str | None:
    name, colon, _ = value.partition(":")
    if not colon or not name:
        return f"invalid value: {value}"
    return None if _HEADER_NAME.fullmatch(name) else f"'{name}' is not a valid header"


def _header_name_entry(value: str) -> str | None:
    name = value.partition(":")[0]
    return None if _HEADER_NAME.fullmatch(name) else f"'{name}' is not a valid header"


def _header_rename(value: str) -> str | None:
    old, colon, new = value.partition(":")
    if not colon or not old:
        return f"invalid value: {value}"
    for name in (old, new):
        if not _HEADER_NAME.fullmatch(name):
            return f"'{name}' is not a valid header"
    return None


def _cookie_name(value: str) -> str | None:
    if value and not _BAD_IN_COOKIE_NAME.search(value):
        return None
    return (
        "contains one or more invalid characters. ASCII control characters (0-31;127), space, tab and the "
        'characters ()<>@,;:\\"/?={}[] are not allowed.'
    )


def _ip_or_cidr(value: str) -> str | None:
    return None if is_ip_or_cidr(value) else f"invalid ip or cidr range: '{value}'"


def _url(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "missing host in url"
    if not host:
        return "missing host in url"
    return None if parts.scheme else "missing scheme in url"


def _service_url(value: str) -> str | None:
    fault = _url(value if "://" in value else f"http://{value}")
    if fault is not None:
        return fault
    scheme, separator, _ = value.partition("://")
    if separator and scheme not in _SCHEMES:
        return f"expected one of: {', '.join(_SCHEMES)}"
    parts = urlsplit(value if separator else f"//{value}")
    return _host(parts.hostname or "") or (_path(parts.path) if parts.path else None)


def _redirect_uri(value: str) -> str | None:
    if _url(value) is not None:
        return f"cannot parse '{value}'"
    return f"fragment not allowed in '{value}'" if "#" in value else None


FORMATS: Mapping[str, Check] = MappingProxyType(
    {
        "kong-uuid": _uuid,
        "kong-name": _name,
        "kong-tag": _tag,
        "kong-host": _host,
        "kong-host-with-port": _host_with_port,
        "kong-target": _target,
        "kong-upstream-name": _upstream_name,
        "kong-route-host": _route_host,
        "kong-wildcard-host": _wildcard_host,
        "kong-sni": _sni,
        "kong-wildcard-sni": _wildcard_sni,
        "kong-sni-name": _sni_name,
        "kong-path": _path,
        "kong-route-path": _route_path,
        "kong-regex": _regex,
        "kong-origin": _origin,
        "kong-header-name": _header_name,
        "kong-route-header-name": _route_header_name,
        "kong-header-entry": _header_entry,
        "kong-header-name-entry": _header_name_entry,
        "kong-header-rename": _header_rename,
        "kong-cookie-name": _cookie_name,
        "kong-ip-or-cidr": _ip_or_cidr,
        "kong-url": _url,
        "kong-service-url": _service_url,
        "kong-redirect-uri": _redirect_uri,
        "kong-certificate": certificate_fault,
        "kong-private-key": private_key_fault,
        "kong-ca-certificate": ca_certificate_fault,
    }
)
