"""Which address of an upstream gets a request: the algorithms, by their configured name.

Pure arithmetic over seats: nothing here knows sockets, names, clocks of its own or the reason why an address
is unavailable.
"""

from __future__ import annotations

from dbless_gateway.balancing.consistent_hashing import ConsistentHashing
from dbless_gateway.balancing.latency import Latency
from dbless_gateway.balancing.least_connections import LeastConnections
from dbless_gateway.balancing.plan import Algorithm
from dbless_gateway.balancing.round_robin import RoundRobin
from dbless_gateway.balancing.sticky_sessions import StickySessions

ALGORITHMS: dict[str, Algorithm] = {
    "round-robin": RoundRobin.build,
    "consistent-hashing": ConsistentHashing.build,
    "least-connections": LeastConnections.build,
    "latency": Latency.build,
    "sticky-sessions": StickySessions.build,
}
