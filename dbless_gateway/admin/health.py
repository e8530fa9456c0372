"""The health of upstreams and their targets, and setting it by hand."""

from __future__ import annotations

from typing import Any

from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import plain
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, empty_answer, json_answer
from dbless_gateway.admin.paging import page_by_count
from dbless_gateway.admin.reading import catalog_of, parent_of, target_of, targets_of
from dbless_gateway.runtime.health_views import HealthViews


async def upstream_health(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the health of each target, or that of the whole upstream (``balancer_health=1``)."""
    catalog, views = catalog_of(commands), _views(commands)
    upstream = parent_of(catalog, "upstreams", request.keys[0])
    node_id = commands.node_now().node_id
    if request.query.get("balancer_health") in ("1", "true"):
        data = views.balancer_health(upstream)
        return json_answer(200, {"data": data, "next": None, "node_id": node_id})
    path = f"/upstreams/{request.keys[0]}/health"
    targets = targets_of(catalog, upstream)
    found: dict[str, Any] = page_by_count(targets, request.query, path, views.target_health)
    return json_answer(200, found | {"node_id": node_id})


async def target_timeline(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return what happened to each address of a target, when and why (not in Kong)."""
    catalog = catalog_of(commands)
    upstream = parent_of(catalog, "upstreams", request.keys[0])
    target = target_of(catalog, upstream, request.keys[1])
    return json_answer(200, {"data": _views(commands).timelines(target)})


async def set_healthy(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Take a target, or one address of it, as healthy."""
    return _set(request, commands, is_healthy=True)


async def set_unhealthy(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Take a target, or one address of it, as unhealthy."""
    return _set(request, commands, is_healthy=False)


def _set(request: AdminRequest, commands: Commands, *, is_healthy: bool) -> AdminAnswer:
    catalog = catalog_of(commands)
    upstream = parent_of(catalog, "upstreams", request.keys[0])
    target = target_of(catalog, upstream, request.keys[1])
    address = request.keys[2] if len(request.keys) > 2 else None
    obstacle = _views(commands).set_health(upstream, target, address, is_healthy=is_healthy)
    if obstacle is not None:
        raise plain(400, obstacle)
    return empty_answer()


def upstream_overviews(commands: Commands) -> list[dict[str, Any]]:
    """Return the health of every upstream and its targets in one word each; nothing before there are any."""
    catalog, views = commands.catalog(), commands.health()
    if catalog is None or views is None:
        return []
    return [views.overview(upstream) for upstream in catalog.entities.upstreams]


def _views(commands: Commands) -> HealthViews:
    views = commands.health()
    if views is None:
        raise plain(503, "no configuration available")
    return views
