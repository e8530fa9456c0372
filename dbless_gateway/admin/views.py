"""What each endpoint answers: views over plain values, in the shapes of Kong's Admin API.

A view takes the request and the ``Commands``; it never sees a process, a socket or a connection. ``api.py``
tells which view belongs to which path.
"""

from __future__ import annotations

from typing import Any

from dbless_gateway.admin.bodies import fields_of
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import plain
from dbless_gateway.admin.health import upstream_overviews
from dbless_gateway.admin.messages import (
    AdminAnswer,
    AdminRequest,
    empty_answer,
    json_answer,
    message_answer,
)
from dbless_gateway.runtime.report import (
    KONG_COUNTERS,
    KONG_GAUGES,
    LOOP_LAG,
    NO_HASH,
    NodeReport,
    ReloadReport,
    WorkerReport,
)

_UNIT_BYTES = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_UNIT_NAMES = {"b": "B", "k": "KiB", "m": "MiB", "g": "GiB"}
_SCALE_MAX = 8
# ``/metrics`` has all of them.
_EXPIRIES_SHOWN = 20


async def status(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Connection counts, the configuration's hash, memory and workers."""
    unit = request.query.get("unit", "m").lower()
    if unit not in _UNIT_BYTES:
        return message_answer(400, "invalid unit: must be one of b, k, m, g")
    scale = request.query.get("scale", "2")
    if not scale.isdigit() or int(scale) > _SCALE_MAX:
        return message_answer(400, f"invalid scale: must be a number from 0 to {_SCALE_MAX}")
    body = _status_body(await commands.node(), unit, int(scale))
    if request.query.get("upstreams") in ("1", "true"):
        # Only when asked for: probes and controllers poll this, and there may be thousands.
        body["upstreams"] = upstream_overviews(commands)
    return json_answer(200, body)


def _status_body(node: NodeReport, unit: str, scale: int) -> dict[str, Any]:
    return {
        "memory": {
            # Kong's names; a worker here has no Lua machine, so its resident memory stands there.
            "workers_lua_vms": [
                {"pid": worker.pid, "http_allocated_gc": _size(worker.resident_bytes, unit, scale)}
                for worker in node.workers
            ],
            "lua_shared_dicts": {
                name: {
                    "allocated_slabs": _size(used, unit, scale),
                    "capacity": _size(capacity, unit, scale),
                }
                for name, (used, capacity) in node.shared_memory_bytes.items()
            },
        },
        "server": {name: node.counts[name] for name in (*KONG_COUNTERS, *KONG_GAUGES)},
        "configuration_hash": node.configuration_hash,
        # What Kong has not.
        "node": {
            "id": node.node_id,
            "version": node.version,
            "pid": node.supervisor_pid,
            "started_at": node.started_at,
            "draining": node.draining,
        },
        "configuration": {
            "hash": node.configuration_hash,
            "since": node.configuration_since,
            "is_last_good": node.serves_last_good,
            "last_load": _load_body(node.last_load) if node.last_load else None,
            "loads": {
                "succeeded": node.loads.succeeded,
                "rejected": node.loads.rejected,
                "last_success_at": node.loads.last_success_at,
            },
        },
        "workers": [_worker_body(worker) for worker in node.workers],
        "certificates": {
            "total": len(node.certificates),
            "first_to_expire": [expiry._asdict() for expiry in node.certificates[:_EXPIRIES_SHOWN]],
        },
    }


def _worker_body(worker: WorkerReport) -> dict[str, Any]:
    return {
        "index": worker.index,
        "pid": worker.pid,
        "state": worker.state,
        "configuration_hash": worker.configuration_hash,
        "started_at": worker.started_at,
        "restarts": worker.restarts,
        "loop_lag_ms": worker.counts.get(LOOP_LAG, 0) / 1000,
    }


def _load_body(load: ReloadReport) -> dict[str, Any]:
    return {
        "outcome": load.outcome,
        "at": load.at,
        "old_hash": load.old_hash,
        "new_hash": load.new_hash,
        "duration_ms": round(load.duration_ms, 1),
        "counts": dict(load.counts),
        "swap_ms": round(load.swap_ms, 2),
        "kept": dict(load.kept),
        "reasons": list(load.reasons),
        "problems": list(load.problems),
    }


def _size(size_bytes: int, unit: str, scale: int) -> str:
    if unit == "b":
        return f"{size_bytes} B"
    return f"{size_bytes / _UNIT_BYTES[unit]:.{scale}f} {_UNIT_NAMES[unit]}"


async def ready(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Whether this node should get traffic."""
    node = commands.node_now()
    if obstacle := not_ready_because(node):
        return message_answer(503, obstacle)
    if node.serves_last_good:
        return json_answer(200, {"message": "ready", "configuration": "last-good"})
    return message_answer(200, "ready")


async def set_ready(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Take the node out of traffic: it goes on serving and is not ready until it ends."""
    if not request.is_trusted:
        # Probes come from everywhere; whoever may only look must not be able to empty a cluster.
        raise plain(403, "only for clients on this machine, or with a certificate")
    if fields_of(request).get("status") != "draining":
        raise plain(400, "status: expected draining")
    commands.drain()
    return empty_answer()


def not_ready_because(node: NodeReport) -> str | None:
    """Return why the node should get no traffic, in Kong's words; None when it should."""
    if node.draining:
        return "draining"
    if node.configuration_since is None:
        return "no configuration available (configuration hash is not initialized)"
    if node.configuration_hash == NO_HASH:
        return "no configuration available (empty configuration present)"
    # Once the node serves, one worker is enough: a node with a worker being replaced works, only slower.
    serving = sum(worker.state in ("serving", "behind") for worker in node.workers)
    if serving == 0:
        wanted = node.workers_wanted
        return f"router builds not yet complete, router ready in {serving} of {wanted} workers"
    return None


async def live(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Whether the supervisor's loop runs: it does, since it answers."""
    return message_answer(200, "live")


async def reload(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Load the files again; answered when all workers serve them, or why none does."""
    load = await commands.reload()
    return json_answer(400 if load.outcome == "rejected" else 200, _load_body(load))
