"""What the worker of each slot is started with: its message ``Boot`` and the descriptors that it inherits."""

from __future__ import annotations

from collections.abc import Sequence

from dbless_gateway.server.control import Boot, InheritedListener
from dbless_gateway.server.listeners import Listener
from dbless_gateway.server.options import ServerSettings
from dbless_gateway.server.shared import SharedState
from dbless_gateway.server.worker_pool import SlotPlan
from dbless_gateway.snapshot.key_pairs import KeyPair


def plan_slots(
    settings: ServerSettings,
    listeners: Sequence[Listener],
    shared: SharedState,
    default_pairs: tuple[KeyPair, ...] = (),
) -> tuple[SlotPlan, ...]:
    """Return the plan of every slot; ``default_pairs`` are for listeners with TLS."""
    return tuple(_plan(settings, listeners, shared, default_pairs, slot) for slot in range(settings.workers))


def _plan(
    settings: ServerSettings,
    listeners: Sequence[Listener],
    shared: SharedState,
    default_pairs: tuple[KeyPair, ...],
    slot: int,
) -> SlotPlan:
    inherited = tuple(
        InheritedListener(
            fd=listener.socket_for(slot).fileno(),
            scheme="https" if listener.listen.ssl else "http",
            port=listener.port,
            backlog=listener.listen.backlog,
            proxy_protocol=listener.listen.proxy_protocol,
        )
        for listener in listeners
    )
    boot = Boot(
        index=slot,
        workers=settings.workers,
        node_id=settings.node_id,
        log_level=settings.log_level,
        drain_timeout_s=settings.drain_timeout_s,
        options=settings.proxy,
        dns=dict(settings.dns),
        listeners=inherited,
        counters_fd=shared.counters.fd,
        cache_fd=shared.cache.fd,
        metrics_fd=shared.metrics.fd,
        default_pairs=default_pairs,
    )
    return SlotPlan(
        boot, (*(listener.fd for listener in inherited), boot.counters_fd, boot.cache_fd, boot.metrics_fd)
    )
