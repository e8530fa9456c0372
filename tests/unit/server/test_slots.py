from __future__ import annotations

from dbless_gateway.server.listeners import bind_all
from dbless_gateway.server.options import make_settings
from dbless_gateway.server.shared import SharedState
from dbless_gateway.server.slots import plan_slots


def test_each_slot_inherits_its_own_sockets_and_the_shared_memory() -> None:
    flags = {
        "proxy_listen": "127.0.0.1:0 reuseport backlog=77, 127.0.0.1:0",
        "nginx_worker_processes": "2",
        "mem_cache_size": "1m",
    }
    settings = make_settings(flags, ["kong.yaml"], {}).settings
    assert settings is not None
    listeners = bind_all(settings.proxy_listens, settings.workers)
    shared = SharedState.create(settings)
    try:
        first, second = plan_slots(settings, listeners, shared)
        own, common = ([plan.boot.listeners[n].fd for plan in (first, second)] for n in (0, 1))
        assert own[0] != own[1]
        assert common[0] == common[1]
        assert first.boot.listeners[0].backlog == 77
        memory = {shared.counters.fd, shared.cache.fd, shared.metrics.fd}
        assert set(first.fds) == {own[0], common[0], *memory}
        assert (first.boot.index, second.boot.index, first.boot.workers) == (0, 1, 2)
    finally:
        shared.close()
        for listener in listeners:
            listener.close()


def test_sizes_of_shared_memory_tell_what_is_used() -> None:
    settings = make_settings({"mem_cache_size": "4m"}, ["kong.yaml"], {}).settings
    assert settings is not None
    shared = SharedState.create(settings)
    try:
        used, capacity = shared.sizes()["cache"]
        assert capacity >= 4 * 1024**2
        shared.cache.put(b"key", b"x" * 100_000, 60.0)
        assert used < shared.sizes()["cache"][0] <= capacity
    finally:
        shared.close()
