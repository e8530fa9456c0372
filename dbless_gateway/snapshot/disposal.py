"""How an old snapshot goes: piece by piece, since freeing 10,000 routes at once would stall the loop."""

from __future__ import annotations

from collections.abc import Iterator

from dbless_gateway.routing.slices import empty_steps
from dbless_gateway.snapshot.model import Snapshot

_ROUTES_PER_STEP = 100


def dispose_steps(snapshot: Snapshot) -> Iterator[None]:
    """Let go of the big parts of a snapshot that serves nobody any more, in slices."""
    yield from snapshot.router.dispose_steps()
    for table in snapshot.identities.tables():
        yield from empty_steps(table)
    while snapshot.routes:
        del snapshot.routes[-_ROUTES_PER_STEP:]
        yield
