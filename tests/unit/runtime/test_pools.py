"""Idle connections: taken warmest first, retired oldest first, never more than allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.runtime.pools import Pools


class Connection:
    """As much of a connection as a pool knows."""

    def __init__(self) -> None:
        self.closed = False
        self.idle_since = 0.0

    def close(self) -> None:
        self.closed = True


def filled(pools: Pools, count: int, key: str = "a") -> list[Connection]:
    """Give that many connections, one per second."""
    connections = [Connection() for _ in range(count)]
    for second, connection in enumerate(connections):
        pools.give(key, connection, float(second))
    return connections


def test_warmest_first() -> None:
    pools = Pools(limit=9, idle_timeout_s=60)
    first, second = filled(pools, 2)
    assert [pools.take("a"), pools.take("a"), pools.take("a")] == [second, first, None]


def test_keys_do_not_mix() -> None:
    pools = Pools(limit=9, idle_timeout_s=60)
    (own,) = filled(pools, 1, "a")
    assert pools.take("b") is None
    assert pools.take("a") is own


def test_closed_connections_are_passed_over() -> None:
    pools = Pools(limit=9, idle_timeout_s=60)
    first, second = filled(pools, 2)
    second.closed = True
    assert pools.take("a") is first


def test_beyond_the_limit_the_oldest_is_closed() -> None:
    pools = Pools(limit=2, idle_timeout_s=60)
    first, second, third = filled(pools, 3)
    assert [first.closed, second.closed, third.closed] == [True, False, False]
    assert pools.count() == 2


def test_limit_zero_keeps_none() -> None:
    pools = Pools(limit=0, idle_timeout_s=60)
    (connection,) = filled(pools, 1)
    assert connection.closed
    assert pools.count() == 0


def test_idle_time_is_limited() -> None:
    pools = Pools(limit=9, idle_timeout_s=60)
    first, second = filled(pools, 2)
    pools.sweep(60.5)
    assert [first.closed, second.closed] == [True, False]
    pools.sweep(61.5)
    assert second.closed
    assert pools.count() == 0


def test_idle_time_zero_is_for_ever() -> None:
    pools = Pools(limit=9, idle_timeout_s=0)
    (connection,) = filled(pools, 1)
    pools.sweep(1e9)
    assert not connection.closed


def test_sweep_forgets_what_is_closed() -> None:
    pools = Pools(limit=9, idle_timeout_s=60)
    first, second = filled(pools, 2)
    first.closed = True
    pools.sweep(10)
    assert pools.count() == 1
    assert not second.closed


def test_retain_closes_what_is_not_named() -> None:
    pools = Pools(limit=9, idle_timeout_s=60)
    (kept,), (dropped,) = filled(pools, 1, "a"), filled(pools, 1, "b")
    pools.retain(["a", "c"])
    assert [kept.closed, dropped.closed] == [False, True]
    pools.close()
    assert kept.closed


STEPS = st.lists(
    st.tuples(st.sampled_from(("give", "take", "close", "sweep")), st.sampled_from("ab"), st.integers(0, 30))
)


@given(STEPS, st.integers(0, 3))
def test_every_connection_is_in_one_place(steps: list[tuple[str, str, int]], limit: int) -> None:
    """Whatever happens: idle in the pool, in somebody's hands, or closed; never more idle than allowed."""
    pools = Pools(limit=limit, idle_timeout_s=20)
    made: list[Connection] = []
    taken: list[Connection] = []
    now_s = 0.0
    for step, key, number in steps:
        now_s += number
        if step == "give":
            made.append(Connection())
            pools.give(key, made[-1], now_s)
        elif step == "take":
            found = pools.take(key)
            if found is not None:
                assert isinstance(found, Connection)
                assert not found.closed
                assert found not in taken
                taken.append(found)
        elif step == "close" and made:
            made[number % len(made)].closed = True
        else:
            pools.sweep(now_s)
        alive = [connection for connection in made if not connection.closed and connection not in taken]
        assert len(alive) <= pools.count() <= 2 * limit
