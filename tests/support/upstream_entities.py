"""Upstream and target entities for tests, with the defaults of the configuration filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dbless_gateway.config.entities import (
    ActiveChecks,
    ActiveHealthy,
    ActiveUnhealthy,
    Healthchecks,
    PassiveChecks,
    PassiveHealthy,
    PassiveUnhealthy,
    Target,
    Upstream,
    Where,
)

WHERE = Where("kong.yaml", 1, 1)

DEFAULT_HEALTHCHECKS = Healthchecks(
    threshold=0,
    active=ActiveChecks(
        type="http",
        timeout=1,
        concurrency=10,
        http_path="/",
        https_sni=None,
        https_verify_certificate=True,
        headers=None,
        healthy=ActiveHealthy(interval=0, http_statuses=(200, 302), successes=0),
        unhealthy=ActiveUnhealthy(
            interval=0,
            http_statuses=(429, 404, 500, 501, 502, 503, 504, 505),
            tcp_failures=0,
            timeouts=0,
            http_failures=0,
        ),
    ),
    passive=PassiveChecks(
        type="http",
        healthy=PassiveHealthy(http_statuses=(*range(200, 209), 226, *range(300, 309)), successes=0),
        unhealthy=PassiveUnhealthy(
            http_statuses=(429, 500, 503), tcp_failures=0, timeouts=0, http_failures=0
        ),
    ),
)


def upstream(upstream_id: str = "u", **fields: Any) -> Upstream:
    """Return an Upstream whose name is its id unless ``fields`` say otherwise."""
    made = Upstream(
        id=upstream_id,
        name=upstream_id,
        algorithm="round-robin",
        hash_on="none",
        hash_fallback="none",
        hash_on_header=None,
        hash_fallback_header=None,
        hash_on_cookie=None,
        hash_on_cookie_path="/",
        hash_on_query_arg=None,
        hash_fallback_query_arg=None,
        hash_on_uri_capture=None,
        hash_fallback_uri_capture=None,
        slots=10000,
        healthchecks=DEFAULT_HEALTHCHECKS,
        host_header=None,
        client_certificate=None,
        use_srv_name=False,
        sticky_sessions_cookie=None,
        sticky_sessions_cookie_path="/",
        x_resilience=None,
        tags=None,
        created_at=0,
        updated_at=0,
        where=WHERE,
    )
    return replace(made, **fields)


def target(address: str, weight: int = 100, upstream_id: str = "u") -> Target:
    """Return a Target; its id is its address."""
    return Target(
        id=address,
        upstream=upstream_id,
        target=address,
        weight=weight,
        tags=None,
        created_at=0,
        updated_at=0,
        where=WHERE,
    )


def healthchecks(
    *,
    threshold: float = 0,
    active: dict[str, Any] | None = None,
    active_healthy: dict[str, Any] | None = None,
    active_unhealthy: dict[str, Any] | None = None,
    passive_healthy: dict[str, Any] | None = None,
    passive_unhealthy: dict[str, Any] | None = None,
) -> Healthchecks:
    """Return the default checks with some fields changed."""
    default = DEFAULT_HEALTHCHECKS
    return Healthchecks(
        threshold=threshold,
        active=replace(
            default.active,
            **(active or {}),
            healthy=replace(default.active.healthy, **(active_healthy or {})),
            unhealthy=replace(default.active.unhealthy, **(active_unhealthy or {})),
        ),
        passive=replace(
            default.passive,
            healthy=replace(default.passive.healthy, **(passive_healthy or {})),
            unhealthy=replace(default.passive.unhealthy, **(passive_unhealthy or {})),
        ),
    )
