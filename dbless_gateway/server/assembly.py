"""The real engine of a worker: runtime and gateway, put together here and nowhere else.

What a worker has learned (``RuntimeState``) is made once; a snapshot is built beside it, swapped in, and the
old one put away when the last exchange that pinned it has ended.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.slices import Assembler
from dbless_gateway.pdk.redaction import secret_names
from dbless_gateway.proxy.client_tls import client_context
from dbless_gateway.proxy.gateway import Gateway
from dbless_gateway.runtime.belongings import Belongings
from dbless_gateway.runtime.cache import RingCache
from dbless_gateway.runtime.counters import SharedCounters
from dbless_gateway.runtime.metrics import SharedMetrics
from dbless_gateway.runtime.plugin_host import PluginHost
from dbless_gateway.runtime.pools import Pools
from dbless_gateway.runtime.queues import Queues
from dbless_gateway.runtime.resolver import Resolver
from dbless_gateway.runtime.state import RuntimeState
from dbless_gateway.runtime.upstreams import Upstreams
from dbless_gateway.server.access_log import AccessLog
from dbless_gateway.server.bus import ChannelBus
from dbless_gateway.server.control import Boot
from dbless_gateway.server.dns import resolver_options
from dbless_gateway.server.engine import Outcome, Steps
from dbless_gateway.server.importing import import_gently, not_yet_imported
from dbless_gateway.snapshot.compile import CompileOptions, compile_steps
from dbless_gateway.snapshot.disposal import dispose_steps
from dbless_gateway.snapshot.model import Snapshot

# How long state that the new configuration does not name is kept for exchanges that still run on the old one.
# They have picked their target by then, whatever they waited for before.
SWEEP_GRACE_S = 60.0

# What log plugins have queued at the end; a log server that takes longer loses the last batch.
QUEUES_TIMEOUT_S = 1.0


class GatewayEngine:
    """Satisfies ``engine.Engine``."""

    def __init__(self, boot: Boot, bus: ChannelBus) -> None:
        self._options = boot.options
        self._default_pairs = boot.default_pairs
        metrics = SharedMetrics.attach(boot.metrics_fd, worker=boot.index, workers=boot.workers)
        queues = Queues(logging.getLogger("dbless_gateway.queue"), _loss_counter(metrics))
        self._belongings = Belongings(queues, logging.getLogger("dbless_gateway.plugin"))
        self._runtime = _runtime(boot, bus, metrics, self._belongings)
        self._gateway: Gateway | None = None
        self._tls_context: ssl.SSLContext | None = None
        self._access_log = AccessLog(boot.options.access_log) if boot.options.access_log else None
        self._version = 0
        self._left_over: list[tuple[Snapshot, float]] = []

    def protocol_factory(self, scheme: str, port: int) -> Callable[..., asyncio.BaseProtocol]:
        """Return what makes the protocol of a connection accepted there."""
        assert self._gateway is not None
        # Protocols of the hot path are duck-typed: inheriting asyncio's class costs a compiled build its
        # speed.
        tls = self._listener_context(self._gateway) if scheme == "https" else None
        return cast(Callable[..., asyncio.BaseProtocol], self._gateway.protocol_factory(scheme, port, tls))

    def _listener_context(self, gateway: Gateway) -> ssl.SSLContext:
        """Return what all listeners with TLS shake hands with."""
        if self._tls_context is None:
            policy = self._options.tls
            assert policy is not None
            self._tls_context = client_context(
                policy, self._default_pairs, lambda: gateway.snapshot.certificates
            )
        return self._tls_context

    def new_assembler(self) -> Assembler:
        """Return an assembler for the next configuration."""
        return Assembler()

    def build_steps(self, entities: Entities) -> Steps[Outcome]:
        """Compile, and prepare the state of new upstreams."""
        self._version += 1
        if self._gateway is not None:
            yield from _import_steps(entities)
        options = CompileOptions(
            self._options.router_flavor,
            self._options.target_tls,
            self._options.tls,
            self._options.plugin_fail_open,
        )
        built = yield from compile_steps(entities, self._runtime.host, options, self._version)
        if isinstance(built, list):
            return tuple(built)
        yield from self._runtime.adopt_steps(built)
        return built

    def discard(self, snapshot: Any) -> None:
        """Forget the state that was prepared for it."""
        self._runtime.upstreams.discard()

    def swap(self, snapshot: Any) -> None:
        """Serve this snapshot from now on."""
        self._runtime.activate()
        self._belongings.adopt(snapshot.loans)
        if self._access_log is not None:
            self._access_log.secrets = secret_names(snapshot.identities)
        if self._gateway is None:
            self._gateway = Gateway(self._options, self._runtime, snapshot)
            if self._access_log is not None:
                self._gateway.access_log = self._access_log.write
            return
        self._left_over.append((self._gateway.swap(snapshot), time.monotonic()))

    def receipt(self) -> Mapping[str, int]:
        """Return what the last swap did to balancers and idle connections."""
        balancers = {f"balancers_{what}": count for what, count in self._runtime.upstreams.moves().items()}
        return {**balancers, "idle_connections_kept": self._runtime.pools.count()}

    def tidy_steps(self) -> Steps[bool]:
        """Put away old snapshots that nobody uses any more; tell whether all are."""
        waiting, self._left_over = self._left_over, []
        while waiting:
            snapshot, swapped_at = waiting.pop()
            # Referred to here and by the call itself: no exchange has it pinned.
            if sys.getrefcount(snapshot) <= 2:
                yield from dispose_steps(snapshot)
            else:
                self._left_over.append((snapshot, swapped_at))
        oldest = min((swapped_at for _, swapped_at in self._left_over), default=0.0)
        if time.monotonic() - oldest >= SWEEP_GRACE_S:
            self._runtime.sweep()
            self._belongings.sweep()
        return not self._left_over

    def start_draining(self) -> None:
        """Close what is idle and keep no connection alive beyond its request."""
        if self._gateway is not None:
            self._gateway.start_draining()

    async def drained(self) -> None:
        """Return when nothing is in flight."""
        if self._gateway is not None:
            await self._gateway.drained()

    async def close(self) -> None:
        """Send and write what is still queued, as far as that is quick."""
        self._runtime.timers.stop()
        await self._belongings.close(QUEUES_TIMEOUT_S)
        if self._access_log is not None:
            self._access_log.flush()

    def counts(self) -> Mapping[str, int]:
        """Return counters and gauges under the names of ``runtime/report.py``."""
        return self._gateway.report() if self._gateway is not None else {}

    def reopen_logs(self) -> None:
        """Open the access log anew."""
        if self._access_log is not None:
            self._access_log.reopen()


def _import_steps(entities: Entities) -> Steps[None]:
    """Import what the configuration uses for the first time, beside the loop."""
    modules = not_yet_imported(plugin.name for plugin in entities.plugins if plugin.enabled)
    if modules:
        yield asyncio.get_running_loop().run_in_executor(None, import_gently, modules)


def _loss_counter(metrics: SharedMetrics) -> Callable[[str, int], None]:
    """Return what counts lost entries by the plugin whose queue it was."""
    adders: dict[str, Callable[[int], None]] = {}

    def count(queue: str, entries: int) -> None:
        # The rest of a name holds an address or an id.
        plugin = queue.partition(":")[0]
        add = adders.get(plugin)
        if add is None:
            add = adders[plugin] = metrics.counter("dbless_queue_lost_entries_total", (("queue", plugin),))
        add(entries)

    return count


def _runtime(boot: Boot, bus: ChannelBus, metrics: SharedMetrics, belongings: Belongings) -> RuntimeState:
    options = boot.options
    counters = SharedCounters.attach(boot.counters_fd, workers=boot.workers)
    host = PluginHost(
        node_id=boot.node_id,
        counters=counters,
        secret=counters.secret,
        cache=RingCache.attach(boot.cache_fd, workers=boot.workers),
        metrics=metrics,
        belongings=belongings,
        trusted_file=options.trusted_certificates,
    )
    upstreams = Upstreams(Resolver(resolver_options(boot.dns)), bus)
    pools = Pools(options.upstream_keepalive_pool_size, options.upstream_keepalive_idle_timeout)
    return RuntimeState(upstreams, pools, host)


def assemble(boot: Boot, bus: ChannelBus) -> GatewayEngine:
    """Make the gateway of this worker."""
    return GatewayEngine(boot, bus)
