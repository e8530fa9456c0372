"""What can be wrong with a route that only the router can judge, as a value.

The snapshot's compiler turns it into a problem with a place in the file. It knows nothing of files.
"""

from __future__ import annotations

from dbless_gateway.config.records import dataclass


@dataclass(frozen=True, slots=True)
class RouteProblem:
    """One finding: ``index`` is the element of a list field, ``offset`` the character in the offending text.

    For ``headers``, ``field`` is ``headers.<name>``. Offsets count from 0.
    """

    route_id: str
    field: str
    index: int | None
    message: str
    offset: int | None
    suggestion: str | None
