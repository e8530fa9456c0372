"""sticky-sessions: a client stays with the seat that its cookie names; others are spread by round-robin.

The key is the cookie's value, a token made of the seat's address. It is the same on every worker and node and
survives any change of the other seats. When the seat is gone, unavailable or was tried already, another one
is chosen, and the caller sets the cookie anew (``token``).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from xxhash import xxh64_hexdigest

from dbless_gateway.balancing.plan import Picker, Roster, Seat
from dbless_gateway.balancing.round_robin import RoundRobin


class StickySessions:
    """See the module."""

    __slots__ = ("_roster", "_seats", "_spread", "_tokens")

    wants_loads = False

    def __init__(self, roster: Roster, position: int) -> None:
        self._roster = roster
        self._spread = RoundRobin(roster, position)
        self._tokens = [_token(seat) for seat in roster.seats]
        self._seats = {token: seat for seat, token in enumerate(self._tokens)}

    @classmethod
    def build(cls, roster: Roster, slots: int, previous: Picker | None) -> Generator[None, None, Picker]:
        """Continue where ``previous`` stood; ``slots`` means nothing here."""
        yield from ()
        return cls(roster, previous._spread.position if isinstance(previous, StickySessions) else 0)

    def pick(self, key: bytes, tried: Sequence[int]) -> int:
        """Return the seat that ``key`` names, else the next in turn."""
        seat = self._seats.get(key)
        if seat is not None and self._roster.available[seat] and seat not in tried:
            return seat
        return self._spread.pick(key, tried)

    def token(self, seat: int) -> bytes:
        """Return the key that leads to a seat."""
        return self._tokens[seat]

    def refresh(self) -> None:
        """Spread newcomers over what is available."""
        self._spread.refresh()

    def began(self, seat: int) -> None:
        """Nothing to learn."""

    def ended(self, seat: int, rtt_s: float | None, now_s: float) -> None:
        """Nothing to learn."""


def _token(seat: Seat) -> bytes:
    return xxh64_hexdigest(f"{seat.name}:{seat.target_port} {seat.ip}:{seat.port}".encode()).encode()
