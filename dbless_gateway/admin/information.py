"""What the node says about itself: ``/``, plugins, tags, timers, log level."""

from __future__ import annotations

import socket
from typing import Any

from dbless_gateway.admin.catalog import Item
from dbless_gateway.admin.collections import COLLECTIONS, TARGETS
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import plain
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, empty_answer, json_answer
from dbless_gateway.admin.paging import page_by_count
from dbless_gateway.admin.plugins import available_plugins
from dbless_gateway.admin.reading import catalog_of

LOG_LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")


async def root(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return version, node, plugins and settings."""
    node = commands.node_now()
    catalog = commands.catalog()
    plugins = catalog.entities.plugins if catalog is not None else ()
    settings = commands.settings()
    version = settings.get("version", node.version)
    available = {name: {"version": version, "priority": p} for name, p in (await available_plugins()).items()}
    return json_answer(
        200,
        {
            "version": version,
            "tagline": "Welcome to kong",
            "edition": "community",
            "hostname": socket.gethostname(),
            "node_id": node.node_id,
            "lua_version": "none",
            "timers": {"running": 0, "pending": 0},
            "pids": {"master": node.supervisor_pid, "workers": [worker.pid for worker in node.workers]},
            "plugins": {
                "available_on_server": available,
                "enabled_in_cluster": sorted({plugin.name for plugin in plugins}),
            },
            "configuration": settings,
            # What Kong has not.
            "gateway": {"name": "dbless-gateway", "version": node.version},
        },
    )


async def enabled_plugins(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the names of the plugins that can be used."""
    return json_answer(200, {"enabled_plugins": sorted(await available_plugins())})


async def timers(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Answer Kong's question about its timers, which this gateway has none of."""
    return json_answer(200, {"worker": {"id": 0, "count": len(commands.node_now().workers)}, "stats": {}})


async def tags(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return a page of all uses of tags."""
    return _tags(request, commands, None)


async def one_tag(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return a page of the entities that have one tag."""
    return _tags(request, commands, request.keys[0])


def _tags(request: AdminRequest, commands: Commands, wanted: str | None) -> AdminAnswer:
    catalog = catalog_of(commands)
    rows: list[Item] = []
    for collection in (*COLLECTIONS, TARGETS):
        for item in catalog.items(collection.name):
            rows += [
                {"entity_name": collection.name, "entity_id": item.id, "tag": tag}
                for tag in item.tags or ()
                if wanted is None or tag == wanted
            ]
    path = "/tags" if wanted is None else f"/tags/{wanted}"
    query = {name: value for name, value in request.query.items() if name != "tags"}
    return json_answer(200, page_by_count(rows, query, path, _same))


def _same(row: Any) -> Any:
    return row


async def log_level(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the least severity that is logged."""
    return json_answer(200, {"message": f"log level: {commands.log_level()}"})


async def set_log_level(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Log from another severity on, in all processes, until the node ends."""
    level = request.keys[0].lower()
    if level not in LOG_LEVELS:
        raise plain(400, f"unknown log level: {level}")
    if level == commands.log_level():
        return json_answer(200, {"message": f"log level is already {level}"})
    commands.set_log_level(level)
    return json_answer(200, {"message": "log level changed"})


async def no_cache(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Say that nothing is cached between configuration and workers."""
    raise plain(404, "Not found")


async def clear_cache(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Accept what Kong's tools ask for; there is no such cache."""
    return empty_answer()


async def no_cluster(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Say that this is no control plane."""
    text = "this endpoint is only available when Kong is configured to run as Control Plane for the cluster"
    raise plain(400, text)


async def no_wasm(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Say that there are no filter chains."""
    raise plain(400, "this endpoint is only available when wasm is enabled")


async def dns_status(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Answer as Kong's usual DNS client does."""
    raise plain(501, "not implemented with the legacy DNS client")


async def robots(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Ask search engines to stay away."""
    return AdminAnswer(200, b"User-agent: *\nDisallow: /\n", "text/plain; charset=utf-8")
