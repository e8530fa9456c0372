"""Names to addresses, without ever making a request wait once an answer is known.

A name that somebody watches is kept fresh in the background, whether there is traffic or not: it is asked for
again when its answer expires, and its watchers are told when the addresses have changed. While the servers do
not answer, the last answer stays in use, up to ``stale_ttl_s`` past its expiry. When they say that the name
is gone, it is gone.

All who watch a name share one resolution of it. Names that nobody watches are not remembered, so the
configuration bounds the cache. Addresses never come here: callers know what an address is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from dbless_gateway.runtime.dns_answer import Answer
from dbless_gateway.runtime.dns_lookup import Lookup
from dbless_gateway.runtime.resolver_options import ResolverOptions

# A record with TTL 0 asks to be looked up each time; once a second is as often as that can be of use.
_TTL_MIN_S = 1.0
# Names that were resolved together do not stay in step: each refresh comes late by up to this share of the
# TTL.
_JITTER_SHARE = 0.1
_JITTER_MAX_S = 0.5
# While servers fail, the pause between attempts doubles from ``error_ttl_s`` up to this.
_ERROR_PAUSE_MAX_S = 10.0
# A configuration with thousands of names must not hit the servers with all of them at once.
_CONCURRENCY = 64


class Watch:
    """One party's interest in a name; ``close`` ends it."""

    __slots__ = ("_entry", "_release", "changed")

    def __init__(self, entry: _Entry, changed: Callable[[], None], release: Callable[[_Entry], None]) -> None:
        self._entry = entry
        self._release = release
        self.changed = changed

    @property
    def answer(self) -> Answer | None:
        """The answer in use; None while the first resolution is running."""
        return self._entry.answer

    def close(self) -> None:
        """Hear no more of the name."""
        self._entry.watches.discard(self)
        self._release(self._entry)


class Resolver:
    """Keeps names resolved; one per process and loop."""

    def __init__(self, options: ResolverOptions) -> None:
        self._options = options
        self._lookup = Lookup(options)
        self._entries: dict[str, _Entry] = {}
        self._gate = asyncio.Semaphore(_CONCURRENCY)

    def watch(self, name: str, changed: Callable[[], None]) -> Watch:
        """Keep ``name`` fresh, and call ``changed`` when its answer has become another one, never at once."""
        key = name.lower()
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(key)
            self._start(entry)
        watch = Watch(entry, changed, self._release)
        entry.watches.add(watch)
        return watch

    async def close(self) -> None:
        """Stop everything in the background."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for entry in tuple(self._entries.values()):
            entry.watches.clear()
            self._release(entry)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _release(self, entry: _Entry) -> None:
        if entry.watches or self._entries.get(entry.name) is not entry:
            return
        del self._entries[entry.name]
        if entry.timer is not None:
            entry.timer.cancel()
        if entry.task is not None:
            entry.task.cancel()

    def _start(self, entry: _Entry) -> None:
        entry.timer = None
        entry.task = asyncio.get_running_loop().create_task(self._refresh(entry))

    async def _refresh(self, entry: _Entry) -> None:
        try:
            async with self._gate:
                answer = await self._lookup.resolve(entry.name, entry.last_kind)
        finally:
            entry.task = None
        self._take(entry, answer)

    def _take(self, entry: _Entry, answer: Answer) -> None:
        """Put a fresh answer to use, or decide to live on with the old one, and set the time of the next."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if answer.error is None:
            pause_s = self._options.valid_ttl_s or max(answer.ttl_s, _TTL_MIN_S)
            entry.errors_in_a_row = 0
            entry.last_kind = answer.kind
            entry.stale_until = now + pause_s + self._options.stale_ttl_s
        elif answer.missing:
            pause_s = self._options.not_found_ttl_s
            entry.errors_in_a_row = 0
            entry.stale_until = 0.0
        else:
            pause_s = min(self._options.error_ttl_s * 2**entry.errors_in_a_row, _ERROR_PAUSE_MAX_S)
            entry.errors_in_a_row = min(entry.errors_in_a_row + 1, 10)
        if answer.error is None or now >= entry.stale_until:
            entry.use(answer)
        if not entry.watches:
            return
        late_s = random.uniform(0, min(pause_s * _JITTER_SHARE, _JITTER_MAX_S))
        entry.timer = loop.call_later(pause_s + late_s, self._start, entry)


class _Entry:
    """One name and what is known about it."""

    __slots__ = (
        "answer",
        "errors_in_a_row",
        "last_kind",
        "name",
        "stale_until",
        "task",
        "timer",
        "watches",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer: Answer | None = None
        self.last_kind: str | None = None
        self.stale_until = 0.0  # loop time; until then a failure does not replace the answer
        self.errors_in_a_row = 0
        self.watches: set[Watch] = set()
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def use(self, answer: Answer) -> None:
        """Make ``answer`` the one in use, and tell the watchers when it differs."""
        old, self.answer = self.answer, answer
        # Servers rotate the records of an answer; that is no change.
        if old is None or set(old.records) != set(answer.records) or old.error != answer.error:
            for watch in tuple(self.watches):
                watch.changed()
