"""Rules of single plugins that their schemas cannot state as data.

One function per plugin, for the files of people who check a configuration here whether or not this version
runs the plugin. Plugin code is never imported; a plugin that we run may refuse more when it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from dbless_gateway.config.drafts import Finding
from dbless_gateway.config.validate import is_vault_reference

Config = Mapping[str, Any]

_PERIODS = ("second", "minute", "hour", "day", "month", "year")
# Below this, in seconds, synchronising with redis would be nothing but synchronising.
_MIN_SYNC_RATE = 0.02
_RESERVED_NAMESPACES = ("kong_acme:",)


def check_plugin(name: str, fields: Mapping[str, Any]) -> list[Finding]:
    """Return what a plugin's own rules find in its complete configuration."""
    check = _CHECKS.get(name)
    return check(fields["config"]) if check is not None else []


def _fault(message: str, *path: str) -> Finding:
    return Finding(("config", *path), "plugin/config", message)


def _period_order(limits: Config, article: str) -> tuple[str, str] | None:
    """Return the period that is lower than a shorter one, and the text."""
    given = [(name, limits[name]) for name in _PERIODS if limits.get(name) is not None]
    for index, (small, low) in enumerate(given):
        for big, high in given[index + 1 :]:
            if high < low:
                shorter = f"the limit for {small}({low:.1f})"
                return big, f"{article} limit for {big}({high:.1f}) cannot be lower than {shorter}"
    return None


def _rate_limiting(config: Config) -> list[Finding]:
    findings = []
    wrong = _period_order(config, "The")
    if wrong is not None:
        findings.append(_fault(wrong[1], wrong[0]))
    findings += _no_cluster(config)
    sync_rate = config["sync_rate"]
    if sync_rate != -1 and config["policy"] != "redis":
        findings.append(_fault("sync_rate can only be used with the redis policy", "sync_rate"))
    elif sync_rate != -1 and sync_rate < _MIN_SYNC_RATE:
        findings.append(_fault("sync_rate must be greater than 0.02, or -1 to disable", "sync_rate"))
    return findings


def _no_cluster(config: Config) -> list[Finding]:
    if config["policy"] != "cluster":
        return []
    return [
        Finding(("config", "policy"), "schema/enum", "expected one of: local, redis", "there is no database")
    ]


def _response_ratelimiting(config: Config) -> list[Finding]:
    findings = _no_cluster(config)
    for name, limits in (config.get("limits") or {}).items():
        if all(limits.get(period) is None for period in _PERIODS):
            shown = ", ".join(f"'{period}'" for period in _PERIODS)
            findings.append(
                _fault(f"at least one of these fields must be non-empty: {shown}", "limits", name)
            )
        wrong = _period_order(limits, "the")
        if wrong is not None:
            findings.append(_fault(wrong[1], "limits", name, wrong[0]))
    return findings


def _request_termination(config: Config) -> list[Finding]:
    message, body, content_type = config.get("message"), config.get("body"), config.get("content_type")
    if message and (content_type or body):
        return [_fault("message cannot be used with content_type or body", "message")]
    if content_type and not body:
        return [_fault("content_type requires a body", "content_type")]
    if config.get("echo") and (content_type or body):
        return [_fault("echo cannot be used with content_type and body", "echo")]
    return []


def _acme(config: Config) -> list[Finding]:
    findings = []
    if config["storage"] == "kong":
        findings.append(_fault('"kong" storage can\'t be used with dbless mode', "storage"))
    redis = config["storage_config"]["redis"]
    for word in _RESERVED_NAMESPACES:
        if redis["extra_options"]["namespace"].startswith(word):
            message = f"namespace can't be prefixed with reserved word: {word}"
            findings.append(_fault(message, "storage_config", "redis", "extra_options", "namespace"))
    return findings


def _http_log(config: Config) -> list[Finding]:
    endpoint, headers = config.get("http_endpoint"), config.get("headers") or {}
    if not isinstance(endpoint, str) or is_vault_reference(endpoint):
        return []
    if urlsplit(endpoint).username is not None and any(name.lower() == "authorization" for name in headers):
        message = "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"
        return [_fault(message, "headers")]
    return []


def _ai_proxy(config: Config) -> list[Finding]:
    provider = config["model"].get("provider") if isinstance(config.get("model"), dict) else None
    logging = config.get("logging") or {}
    if (
        provider == "anthropic"
        and config.get("route_type") == "llm/v1/completions"
        and logging.get("log_statistics")
    ):
        message = "anthropic does not support statistics when route_type is llm/v1/completions"
        return [_fault(message, "logging", "log_statistics")]
    return []


_CHECKS: Mapping[str, Callable[[Config], list[Finding]]] = MappingProxyType(
    {
        "rate-limiting": _rate_limiting,
        "response-ratelimiting": _response_ratelimiting,
        "request-termination": _request_termination,
        "acme": _acme,
        "http-log": _http_log,
        "ai-proxy": _ai_proxy,
    }
)
