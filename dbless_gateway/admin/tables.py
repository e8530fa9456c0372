"""Every endpoint, once: method, path, view, a line of description.

The reference page, the OpenAPI document, ``/endpoints`` and OPTIONS are all made from these tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbless_gateway.admin import (
    cached_responses,
    config_views,
    explaining,
    health,
    information,
    metrics,
    reading,
    schema_views,
    views,
)
from dbless_gateway.admin.collections import (
    COLLECTIONS,
    NESTINGS,
    SHORTCUTS,
    TARGETS,
    Collection,
    collection_of,
)
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.endpoints import Endpoint
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, json_answer
from dbless_gateway.admin.openapi import openapi
from dbless_gateway.admin.reading import CollectionReader, NestedReader, ShortcutReader
from dbless_gateway.admin.writing import ShortcutWriter, Writer
from dbless_gateway.config.schemas import load_schemas


def _collections() -> Iterator[Endpoint]:
    for row in COLLECTIONS:
        reader, one, path = CollectionReader(row), f"{row.path}/{{{row.name}}}", row.path
        yield Endpoint("GET", path, reader.list, f"A page of {path[1:]}.", has_pages=True)
        yield Endpoint("GET", one, reader.one, f"One {row.shown_as}, by id or name.")
        yield from _writes(path, one, Writer(row.name), row)


def _nestings() -> Iterator[Endpoint]:
    for row in NESTINGS:
        parent, child = collection_of(row.parent), collection_of(row.child)
        reader, path = NestedReader(row), f"{parent.path}/{{{parent.name}}}/{row.segment}"
        text = f"A page of the {parent.shown_as}'s {child.segment}."
        yield Endpoint("GET", path, reader.list, text, has_pages=True)
        one = f"{path}/{{{child.name}}}"
        yield Endpoint("GET", one, reader.one, f"One {child.shown_as} of the {parent.shown_as}.")
        yield from _writes(path, one, Writer(row.child, row.parent, row.field), child)


def _writes(path: str, one: str, writer: Writer, row: Collection) -> Iterator[Endpoint]:
    what, write, name = row.shown_as, writer.write, row.name
    yield Endpoint("POST", path, write, f"Make a {what}.", name)
    yield Endpoint("PUT", one, write, f"Make a {what}, or replace it.", name)
    yield Endpoint("PATCH", one, write, f"Change some fields of a {what}.", name)
    yield Endpoint("DELETE", one, write, f"Delete a {what}.")


def _shortcuts() -> Iterator[Endpoint]:
    for row in SHORTCUTS:
        child, parent = collection_of(row.child), collection_of(row.parent)
        path = f"{child.path}/{{{child.name}}}/{row.field}"
        yield Endpoint("GET", path, ShortcutReader(row).one, f"The {parent.shown_as} that it refers to.")
        text = f"Change some fields of the {parent.shown_as} that it refers to."
        yield Endpoint("PATCH", path, ShortcutWriter(row).write, text, parent.name)


_UPSTREAM = "/upstreams/{upstreams}"
_TARGET = f"{_UPSTREAM}/targets/{{targets}}"

# Both APIs have these.
_HEALTH = (
    Endpoint("GET", f"{_UPSTREAM}/health", health.upstream_health, "The health of its targets."),
    Endpoint(
        "GET",
        f"{_UPSTREAM}/targets",
        reading.list_targets,
        "A page of its targets, newest first.",
        has_pages=True,
    ),
    Endpoint(
        "GET",
        f"{_UPSTREAM}/targets/all",
        reading.list_all_targets,
        "A page of its targets, by id.",
        has_pages=True,
    ),
    Endpoint("GET", _TARGET, reading.one_target, "One target, by id or address."),
    Endpoint(
        "GET",
        f"{_TARGET}/timeline",
        health.target_timeline,
        "What happened to its addresses, when and why (not in Kong).",
    ),
)
_METRICS = Endpoint("GET", "/metrics", metrics.metrics, "The node in the text format of Prometheus.")
_STATUS = Endpoint(
    "GET",
    "/status",
    views.status,
    "Connections, configuration, memory and workers; with `upstreams=1` the health of upstreams.",
)


def _set_health() -> Iterator[Endpoint]:
    for path, what in ((_TARGET, "the target"), (f"{_TARGET}/{{address}}", "one address of the target")):
        yield Endpoint("PUT", f"{path}/healthy", health.set_healthy, f"Take {what} as healthy.")
        yield Endpoint("PUT", f"{path}/unhealthy", health.set_unhealthy, f"Take {what} as unhealthy.")


async def endpoints(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the paths of the Admin API."""
    paths = sorted({endpoint.path for endpoint in ADMIN_API}, key=lambda path: path.split("/"))
    return json_answer(200, {"data": paths})


def _cached_responses() -> Iterator[Endpoint]:
    of_plugin = "/proxy-cache/{plugin_id}/caches/{cache_key}"
    for path, text in (
        ("/proxy-cache/{cache_key}", "cached response"),
        (of_plugin, "plugin's cached response"),
    ):
        yield Endpoint("GET", path, cached_responses.read, f"One {text}, by its X-Cache-Key.")
        yield Endpoint("DELETE", path, cached_responses.forget, f"Forget one {text}.")


async def describe(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the OpenAPI document."""
    return json_answer(200, openapi(ADMIN_API, load_schemas()))


_LEVEL = "/debug/node/log-level"

ADMIN_API: tuple[Endpoint, ...] = (
    Endpoint("GET", "/", information.root, "Version, node, plugins and settings."),
    _STATUS,
    _METRICS,
    Endpoint("GET", "/status/dns", information.dns_status, "501: there are no DNS statistics."),
    Endpoint("POST", "/reload", views.reload, "Load the configuration's files again (not in Kong)."),
    Endpoint("GET", "/endpoints", endpoints, "The paths of this API."),
    Endpoint("GET", "/openapi.json", describe, "This API as an OpenAPI document (not in Kong)."),
    *_collections(),
    *_nestings(),
    *_shortcuts(),
    *_HEALTH,
    *_set_health(),
    *_writes(f"{_UPSTREAM}/targets", _TARGET, Writer(TARGETS.name, "upstreams", "upstream"), TARGETS),
    Endpoint("GET", "/config", config_views.read_config, "Everything that is served, as one file."),
    Endpoint(
        "POST",
        "/config",
        config_views.post_config,
        "Serve another configuration until the file changes next.",
    ),
    Endpoint("GET", "/plugins/enabled", information.enabled_plugins, "The plugins that can be used."),
    Endpoint(
        "GET", "/plugins/schema/{name}", schema_views.plugin_config_schema, "A plugin's fields (deprecated)."
    ),
    Endpoint("GET", "/schemas/{collection}", schema_views.entity_schema, "The fields of an entity."),
    Endpoint("GET", "/schemas/plugins/{name}", schema_views.plugin_schema, "The fields of a plugin."),
    Endpoint("GET", "/schemas/vaults/{name}", schema_views.vault_schema, "The fields of a vault."),
    Endpoint(
        "POST",
        "/schemas/{collection}/validate",
        schema_views.validate_entity,
        "Judge an entity only.",
    ),
    Endpoint("POST", "/schemas/plugins/validate", schema_views.validate_plugin, "Judge a plugin only."),
    Endpoint("POST", "/schemas/vaults/validate", schema_views.validate_vault, "Judge a vault only."),
    Endpoint("GET", "/explain", explaining.explain, "What becomes of a request, and why (not in Kong)."),
    Endpoint("GET", "/tags", information.tags, "A page of all uses of tags.", has_pages=True),
    Endpoint(
        "GET", "/tags/{tags}", information.one_tag, "A page of the entities with one tag.", has_pages=True
    ),
    Endpoint("GET", "/timers", information.timers, "Always empty: there are no timers of Kong's kind."),
    Endpoint("GET", "/cache/{key}", information.no_cache, "404: nothing is cached."),
    Endpoint("DELETE", "/cache", information.clear_cache, "204: nothing is cached."),
    Endpoint("DELETE", "/cache/{key}", information.clear_cache, "204: nothing is cached."),
    Endpoint("DELETE", "/proxy-cache", cached_responses.forget_all, "Forget all responses of proxy-cache."),
    *_cached_responses(),
    Endpoint("GET", _LEVEL, information.log_level, "The least severity that is logged."),
    Endpoint("PUT", f"{_LEVEL}/{{level}}", information.set_log_level, "Log from another severity on."),
    Endpoint("GET", "/filter-chains", information.no_wasm, "400: there is no WebAssembly."),
    Endpoint("GET", "/clustering/data-planes", information.no_cluster, "400: this is no control plane."),
    Endpoint("GET", "/clustering/status", information.no_cluster, "400: this is no control plane."),
    Endpoint("GET", "/robots.txt", information.robots, "Asks search engines to stay away."),
)

STATUS_API: tuple[Endpoint, ...] = (
    _STATUS,
    _METRICS,
    Endpoint("GET", "/status/ready", views.ready, "200 when this node should get traffic, else 503."),
    Endpoint("POST", "/status/ready", views.set_ready, "`status=draining`: not ready any more, to its end."),
    Endpoint("GET", "/status/live", views.live, "200 when the gateway's processes run (not in Kong)."),
    Endpoint("GET", "/status/dns", information.dns_status, "501: there are no DNS statistics."),
    *_HEALTH,
)
