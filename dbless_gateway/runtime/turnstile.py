"""A turnstile: whoever comes goes on alone, one in each turn of the loop.

For work that is short by itself but comes in crowds: a hundred name lookups that end together, and go on
together, would hold up everything else for as long as all of them take.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turnstile:
    """First come, first served. Made and used within one loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False  # somebody has gone through in this turn

    async def passed(self) -> None:
        """Return in a turn that nobody else has gone through in."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            let_through = loop.create_future()
            self._waiting.append(let_through)
            await let_through
            return
        self._is_taken = True
        loop.call_soon(self._turn)

    def _turn(self) -> None:
        while self._waiting:
            let_through = self._waiting.popleft()
            if not let_through.done():
                let_through.set_result(None)
                asyncio.get_running_loop().call_soon(self._turn)
                return
        self._is_taken = False
