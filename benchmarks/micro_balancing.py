"""Picks and builds of every balancing algorithm with 2, 100 and 1,000 targets.

Run ``python -m benchmarks.micro_balancing``. Times are the processor's, and medians of many short rounds, so
that a busy machine disturbs them little. ``pick`` is the algorithm alone, ``balancer`` what the hot path calls
(pick, began and ended), ``build`` the time to plan, ``slice`` its longest step.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import thread_time
from typing import Any

from dbless_gateway.balancing import ALGORITHMS
from dbless_gateway.balancing.plan import Roster, Seat, run
from dbless_gateway.runtime.resolver import Resolver
from dbless_gateway.runtime.resolver_options import ResolverOptions
from dbless_gateway.runtime.upstreams import Balancer, Upstreams
from tests.support.upstream_entities import target, upstream

SIZES = (2, 100, 1000)
ROUNDS = 101
CALLS = 200
KEYS = [f"client {number}".encode() for number in range(CALLS)]


def main() -> None:
    """Print one line per algorithm and size."""
    print(
        f"{'algorithm':20} {'targets':>7} {'pick us':>8} {'balancer us':>12} {'build ms':>9} {'slice ms':>9}"
    )
    for algorithm in ALGORITHMS:
        for size in SIZES:
            roster = Roster.of([Seat(ip, 80, ip, 80, 100) for ip in addresses(size)])
            picker = run(ALGORITHMS[algorithm](roster, 10000, None))
            balancer = make_balancer(algorithm, size)
            pick_us = per_call_us(picker.pick, ())
            whole_us = per_call_us(exchange, balancer)
            build_ms, slice_ms = build_times(algorithm, size)
            print(f"{algorithm:20} {size:7} {pick_us:8.2f} {whole_us:12.2f} {build_ms:9.2f} {slice_ms:9.2f}")


def addresses(count: int) -> list[str]:
    """Return that many addresses."""
    return [f"10.0.{number // 250}.{number % 250}" for number in range(count)]


def make_balancer(algorithm: str, size: int) -> Balancer:
    """Return a balancer over that many targets."""
    upstreams = Upstreams(Resolver(ResolverOptions(nameservers=())))
    upstreams.adopt([upstream(algorithm=algorithm)], [target(f"{ip}:80") for ip in addresses(size)], [])
    return upstreams.for_upstream("u")


def exchange(key: bytes, balancer: Balancer) -> None:
    """Do what a request does."""
    peer = balancer.pick(key, ())
    assert peer is not None
    balancer.began(peer)
    balancer.ended(peer, 0.01)


def per_call_us(call: Callable[[bytes, Any], Any], argument: object) -> float:
    """Return the median time of a call with a key and the argument."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began_at = thread_time()
        for key in KEYS:
            call(key, argument)
        times.append(thread_time() - began_at)
    return median(times) / CALLS * 1e6


def build_times(algorithm: str, size: int) -> tuple[float, float]:
    """Return the whole time of a build and its longest slice."""
    roster = Roster.of([Seat(ip, 80, ip, 80, 100) for ip in addresses(size)])
    steps = ALGORITHMS[algorithm](roster, 10000, None)
    slices: list[float] = []
    is_done = False
    while not is_done:
        began_at = thread_time()
        is_done = next(steps, roster) is roster
        slices.append(thread_time() - began_at)
    return sum(slices) * 1e3, max(slices) * 1e3


if __name__ == "__main__":
    main()
