"""Every metric of the node itself, once: name, type, labels, a line of description.

``/metrics`` shows them in this order, and the reference page is made from this table. What requests fill is
in ``runtime/metrics.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dbless_gateway.runtime.metrics import escape

GAUGE, COUNTER = "gauge", "counter"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    kind: str
    help_text: str
    labels: tuple[str, ...] = ()
    shown_if: str = ""  # for a person; empty: always


# By the name of their family: the values of its labels, and the value.
Samples = Iterable[tuple[tuple[object, ...], float]]

_SHARED = ("node_id", "shared_dict", "kong_subsystem")

_ROWS = (
    # Kong's.
    Family("kong_datastore_reachable", GAUGE, "Datastore reachable from Kong, 0 is unreachable"),
    Family("kong_memory_lua_shared_dict_bytes", GAUGE, "Allocated slabs in bytes in a shared_dict", _SHARED),
    Family(
        "kong_memory_lua_shared_dict_total_bytes", GAUGE, "Total capacity in bytes of a shared_dict", _SHARED
    ),
    Family(
        "kong_memory_workers_lua_vms_bytes",
        GAUGE,
        "Resident memory of a worker in bytes",
        ("node_id", "pid", "kong_subsystem"),
    ),
    Family(
        "kong_nginx_connections_total",
        GAUGE,
        "Number of connections by subsystem",
        ("node_id", "subsystem", "state"),
    ),
    Family("kong_nginx_requests_total", GAUGE, "Total number of requests", ("node_id", "subsystem")),
    Family(
        "kong_nginx_timers", GAUGE, "Number of timers; always 0, there are none of Kong's kind", ("state",)
    ),
    Family("kong_node_info", GAUGE, "Kong Node metadata information", ("node_id", "version")),
    Family("kong_nginx_metric_errors_total", COUNTER, "Number of metric errors"),
    Family(
        "kong_upstream_target_health",
        GAUGE,
        "Health status of targets of upstream",
        ("upstream", "target", "address", "state", "subsystem"),
        "`upstream_health_metrics`",
    ),
    # Our own: the configuration.
    Family("dbless_config_info", GAUGE, "The configuration that is served", ("hash",)),
    Family(
        "dbless_config_loads_total", COUNTER, "Configurations that were loaded, also when nothing was new"
    ),
    Family("dbless_config_loads_rejected_total", COUNTER, "Configurations that were refused"),
    Family(
        "dbless_config_last_load_successful", GAUGE, "0 when the last one was refused and the old one serves"
    ),
    Family(
        "dbless_config_last_success_timestamp_seconds", GAUGE, "When one was last loaded, in Unix seconds"
    ),
    Family("dbless_config_last_load_duration_seconds", GAUGE, "How long the last change took to load"),
    Family("dbless_config_last_swap_duration_seconds", GAUGE, "How long the last change held up a worker"),
    Family(
        "dbless_certificate_expiry_timestamp_seconds",
        GAUGE,
        "When a certificate expires, in Unix seconds; sni is the first of its names",
        ("kind", "certificate", "sni"),
        "there are certificates",
    ),
    # Our own: the processes and what they do.
    Family("dbless_workers_serving", GAUGE, "Workers that serve requests"),
    Family("dbless_worker_restarts_total", COUNTER, "Workers that were replaced", ("worker",)),
    Family(
        "dbless_worker_loop_lag_seconds",
        GAUGE,
        "Greatest lateness of a worker's loop in the last minute, as a sample of ten a second sees it",
        ("worker",),
    ),
    Family("dbless_requests_active", GAUGE, "Requests in flight"),
    Family(
        "dbless_requests_refused_total", COUNTER, "Clients and requests refused with 503 for want of room"
    ),
    Family("dbless_upstream_retries_total", COUNTER, "Tries of another target, or of the same once more"),
    Family("dbless_upstream_connections_idle", GAUGE, "Connections to targets that are kept for later"),
    Family("dbless_target_addresses", GAUGE, "Addresses of all targets by health", ("state",)),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({row.name: row for row in _ROWS})


def lines(name: str, samples: Samples) -> Iterator[str]:
    """Yield a family in the text format of Prometheus."""
    family = FAMILIES[name]
    yield f"# HELP {name} {family.help_text}\n# TYPE {name} {family.kind}\n"
    for values, value in samples:
        pairs = zip(family.labels, values, strict=True)
        shown = ",".join(f'{label}="{escape(str(text))}"' for label, text in pairs)
        yield f"{name}{{{shown}}} {value}\n" if shown else f"{name} {value}\n"
