"""The running order of plugins is Kong's, and every plugin has all its parts.

The order is known from numbers in many files, so it is written down here once more: as the list that a user
means.
"""

from __future__ import annotations

import importlib
import json
from types import ModuleType

import pytest

from tests.support.gateway import REPOSITORY

PLUGINS = sorted(
    path.stem
    for path in (REPOSITORY / "dbless_gateway" / "plugins").iterdir()
    if path.stem != "__init__" and (path.suffix == ".py" or (path / "__init__.py").exists())
)
# Kong 3.9, higher runs first.
PRIORITIES = {
    "pre-function": 1000000,
    "correlation-id": 100001,
    "zipkin": 100000,
    "bot-detection": 2500,
    "cors": 2000,
    "session": 1900,
    "acme": 1705,
    "jwt": 1450,
    "oauth2": 1400,
    "key-auth": 1250,
    "ldap-auth": 1200,
    "basic-auth": 1100,
    "hmac-auth": 1030,
    "grpc-gateway": 998,
    "ip-restriction": 990,
    "request-size-limiting": 951,
    "acl": 950,
    "rate-limiting": 910,
    "response-ratelimiting": 900,
    "request-transformer": 801,
    "response-transformer": 800,
    "redirect": 779,
    "ai-request-transformer": 777,
    "ai-prompt-template": 773,
    "ai-prompt-decorator": 772,
    "ai-prompt-guard": 771,
    "ai-proxy": 770,
    "ai-response-transformer": 768,
    "standard-webhooks": 760,
    "aws-lambda": 750,
    "azure-functions": 749,
    "proxy-cache": 100,
    "opentelemetry": 14,
    "prometheus": 13,
    "http-log": 12,
    "statsd": 11,
    "datadog": 10,
    "file-log": 9,
    "udp-log": 8,
    "tcp-log": 7,
    "loggly": 6,
    "syslog": 4,
    "grpc-web": 3,
    "request-termination": 2,
    "post-function": -1000,
}


def load(stem: str) -> ModuleType:
    return importlib.import_module(f"dbless_gateway.plugins.{stem}")


@pytest.mark.parametrize("stem", PLUGINS)
def test_plugin_has_its_four_names(stem: str) -> None:
    plugin = load(stem)
    assert stem.replace("_", "-") == plugin.NAME
    assert PRIORITIES[plugin.NAME] == plugin.PRIORITY
    assert isinstance(plugin.Config, type)
    assert isinstance(plugin.Handler, type)


@pytest.mark.parametrize("stem", PLUGINS)
def test_plugin_says_what_is_different_from_kong(stem: str) -> None:
    """The reference page of plugins is made from these docstrings."""
    said = load(stem).__doc__ or ""
    assert said.startswith(f"{stem.replace('_', '-')}: ")
    assert "\nDifferences: " in said


@pytest.mark.parametrize("stem", PLUGINS)
def test_plugin_has_a_schema(stem: str) -> None:
    schema = REPOSITORY / "schemas" / "plugins" / f"{stem.replace('_', '-')}.json"
    assert json.loads(schema.read_text())["type"] == "object"


def test_no_two_plugins_share_a_place() -> None:
    assert len(set(PRIORITIES.values())) == len(PRIORITIES)
